//! Nothing outlives a testbed: not after a drop, not after a panic, not after a killed process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flowd_testbed::{Bpffs, PodSpec, Testbed};

/// Set in a child of this test program: it builds a bed, tells what it made, and waits to be killed.
const VICTIM: &str = "FLOWD_TESTBED_VICTIM_DIRECTORY";

#[test]
fn a_dropped_bed_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let testbed = Testbed::new().unwrap();
    let pod = testbed.pod(PodSpec::app("shop", "frontend")).unwrap();
    let bpffs = Bpffs::mount(directory.path().join("bpffs")).unwrap();
    let names = [
        testbed.node().path().to_owned(),
        pod.namespace.path().to_owned(),
    ];
    let mounted = bpffs.path().to_owned();
    assert!(names.iter().all(|path| path.exists()));
    assert!(is_mounted(&mounted));
    drop((testbed, pod, bpffs));
    assert!(!names.iter().any(|path| path.exists()));
    assert!(!is_mounted(&mounted));
}

#[test]
fn a_panic_cleans_up() {
    let testbed = Testbed::new().unwrap();
    let path = testbed.node().path().to_owned();
    assert!(path.exists());
    let panicked = std::thread::spawn(move || {
        assert!(
            testbed.node().name().is_empty(),
            "a panic on purpose: this test expects it"
        );
    });
    assert!(panicked.join().is_err());
    assert!(!path.exists());
}

#[test]
fn what_a_killed_process_left_is_swept() {
    if let Some(directory) = std::env::var_os(VICTIM) {
        be_the_victim(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let (mut victim, leftovers) = start_victim(directory.path());
    assert!(leftovers.namespaces.iter().all(|path| path.exists()));
    assert!(is_mounted(&leftovers.mount));
    assert!(is_running(leftovers.process));

    Testbed::sweep_stale();
    assert!(
        leftovers.namespaces.iter().all(|path| path.exists()),
        "the living are left alone"
    );
    assert!(is_running(leftovers.process), "the living are left alone");

    victim.kill().unwrap();
    victim.wait().unwrap();
    let _next = Testbed::new().unwrap();
    assert!(!leftovers.namespaces.iter().any(|path| path.exists()));
    assert!(!is_mounted(&leftovers.mount));
    let deadline = Instant::now() + Duration::from_secs(5);
    while is_running(leftovers.process) {
        assert!(
            Instant::now() < deadline,
            "process {} survived",
            leftovers.process
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct Leftovers {
    namespaces: Vec<PathBuf>,
    mount: PathBuf,
    process: u32,
}

fn be_the_victim(directory: &Path) -> ! {
    let testbed = Testbed::new().unwrap();
    let pod = testbed.pod(PodSpec::app("shop", "frontend")).unwrap();
    let bpffs = Bpffs::mount(directory.join("with blank")).unwrap();
    let sleeper = pod
        .namespace
        .command("sleep")
        .arg("600")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Before the program has replaced `nsenter` it has no environment that the sweep could read.
    while fs::read_to_string(format!("/proc/{}/comm", sleeper.id())).unwrap() != "sleep\n" {
        std::thread::yield_now();
    }
    println!();
    println!("made {}", testbed.node().path().display());
    println!("made {}", pod.namespace.path().display());
    println!("mounted {}", bpffs.path().display());
    println!("process {}", sleeper.id());
    // Ends by itself, tidying nothing, when the test that started it has gone.
    let _ = std::io::stdin().read_line(&mut String::new());
    std::process::abort();
}

fn start_victim(directory: &Path) -> (Child, Leftovers) {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "what_a_killed_process_left_is_swept",
            "--nocapture",
        ])
        .env(VICTIM, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut leftovers = Leftovers {
        namespaces: Vec::new(),
        mount: PathBuf::new(),
        process: 0,
    };
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        match line.split_once(' ') {
            Some(("made", path)) => leftovers.namespaces.push(path.into()),
            Some(("mounted", path)) => leftovers.mount = path.into(),
            Some(("process", id)) => {
                leftovers.process = id.parse().unwrap();
                break;
            }
            Some(_) | None => {}
        }
    }
    assert_eq!(
        leftovers.namespaces.len(),
        2,
        "the victim tells what it made"
    );
    (victim, leftovers)
}

fn is_mounted(path: &Path) -> bool {
    let escaped = path.display().to_string().replace(' ', "\\040");
    let table = fs::read_to_string("/proc/self/mounts").unwrap();
    table
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(&escaped))
}

/// Running and not merely waiting for its parent to notice its end.
fn is_running(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|status| !status.contains(") Z ") && !status.contains(") X "))
}
