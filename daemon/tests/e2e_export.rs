//! Flows in files: what the API tells, all of it, over rotations; and a full disk that stops one
//! exporter and nothing else, until there is room.

mod support;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

use flate2::read::GzDecoder;
use flowd_proto::flow::FlowFilter;
use flowd_testbed::traffic::{TcpEcho, tcp_connect};
use serde_json::Value;
use support::{PATIENCE, Scene, eventually, put, text, when};

/// A small file system of its own; gone with this.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf) -> Self {
        fs::create_dir(&at).expect("made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(&at)
            .status();
        assert!(mounted.expect("mount runs").success());
        Self(at)
    }

    /// Leaves no room.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).expect("made");
        let full = std::io::copy(&mut std::io::repeat(0), &mut file);
        assert!(full.is_err(), "it is full");
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the daemon may still have the file open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The lines of a file and of what was put aside before it, in order.
fn lines(path: &Path) -> Vec<Value> {
    let stem = path
        .file_stem()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let mut files: Vec<PathBuf> = fs::read_dir(path.parent().expect("a directory"))
        .expect("listed")
        .map(|entry| entry.expect("an entry").path())
        .filter(|file| {
            let name = file.file_name().expect("a name").to_string_lossy();
            name.starts_with(&format!("{stem}-")) && !name.ends_with(".new")
        })
        .collect();
    files.sort();
    files.push(path.to_owned());
    let mut all = String::new();
    for file in files.iter().filter(|file| file.exists()) {
        let mut bytes = File::open(file).expect("opened");
        if file.extension().is_some_and(|end| end == "gz") {
            GzDecoder::new(bytes)
                .read_to_string(&mut all)
                .expect("read");
        } else {
            bytes.read_to_string(&mut all).expect("read");
        }
    }
    let parse = |line| serde_json::from_str(line).expect("a whole line of JSON");
    all.lines().map(parse).collect()
}

fn config(files: &Path, disk: &Path, more: &str) -> String {
    let (files, disk) = (files.display(), disk.display());
    format!(
        "flow_log_capacity: 1024
export:
  - name: all
    file: {{path: {files}/all.jsonl, max_bytes: 65536, max_files: 1000, compress: true}}
  - name: drops
    file: {{path: {files}/drops.jsonl}}
    allow: [{{verdict: [DROPPED]}}]
    fields: [time, uuid, verdict, drop_reason_desc]
  - name: full
    file: {{path: {disk}/full.jsonl}}
{more}"
    )
}

#[test]
fn a_file_has_what_the_api_tells_and_a_full_disk_stops_one_exporter_only() {
    let mut scene =
        Scene::with(|builder, directory| builder.arg("--config").arg(directory.join("flowd.yaml")));
    let files = scene.directory.path().join("files");
    fs::create_dir(&files).expect("made");
    let disk = Disk::mount(scene.directory.path().join("disk"));
    let filler = disk.fill();
    let yaml = scene.directory.path().join("flowd.yaml");
    put(&yaml, &config(&files, &disk.0, ""));
    let [web, db] = ["web", "db"].map(|name| scene.pod(name));
    let rules = "ingress: [{toPorts: [{ports: [{port: \"8080\", protocol: TCP}]}]}]";
    let policy = support::policy("db", "db", rules);
    scene.flowd.write_policy("db", &policy).expect("written");
    scene.launch();
    let any: std::net::IpAddr = "::".parse().expect("an address");
    let _server = TcpEcho::start(&db.namespace, any, 8080).expect("listens");
    let connect = |port, patience| {
        tcp_connect(&web.namespace, db.ipv4, port, patience).expect("tried");
    };
    for _ in 0..60 {
        connect(8080, PATIENCE);
    }
    connect(9090, support::SILENCE);
    let api = scene.api();
    let exporter = |name: &str| {
        let found = api.status().expect("a status").exporters.into_iter();
        found
            .into_iter()
            .find(|one| one.name == name)
            .expect("it is listed")
    };
    // Content, over rotations.
    eventually("the file has what the API tells", || {
        let told = api.flows(FlowFilter::default());
        let told: Vec<Value> = told
            .iter()
            .map(|flow| serde_json::to_value(flow).expect("JSON"))
            .collect();
        let written = lines(&files.join("all.jsonl"));
        let written: Vec<Value> = written
            .into_iter()
            .map(|line| line["flow"].clone())
            .collect();
        when(
            written == told && told.len() > 120,
            (written.len(), told.len()),
        )
    });
    // A batch is in one file, however large: the next one begins another.
    connect(8080, PATIENCE);
    eventually("it was rotated, and what was put aside compressed", || {
        let rolled = fs::read_dir(&files).expect("listed").filter(|entry| {
            let path = entry.as_ref().expect("an entry").path();
            path.extension().is_some_and(|end| end == "gz")
        });
        when(rolled.count() >= 1, "")
    });
    let drops = lines(&files.join("drops.jsonl"));
    assert!(!drops.is_empty());
    for drop in &drops {
        assert_eq!(drop["flow"]["verdict"], "DROPPED", "{drop}");
        assert!(drop["flow"].get("source").is_none(), "{drop}");
    }
    // The full disk, and a log that runs away from its exporter.
    let full = exporter("full");
    assert!(
        full.problem.contains("space") && full.exported == 0,
        "{full:?}"
    );
    assert_eq!(exporter("all").problem, "");
    while api
        .status()
        .expect("a status")
        .ledger
        .expect("a ledger")
        .log_first_seq
        < 600
    {
        for _ in 0..50 {
            connect(8080, PATIENCE);
        }
        eventually("the other exporter keeps up", || {
            when(exporter("all").lag == 0, "")
        });
    }
    fs::remove_file(filler).expect("removed");
    eventually("it goes on by itself, with its exact gap", || {
        let status = api.status()?;
        let seen = status.ledger.clone().unwrap_or_default().log_next_seq;
        let full = exporter("full");
        let (mut flows, mut lost) = (BTreeSet::new(), 0);
        for line in lines(&disk.0.join("full.jsonl")) {
            match line.get("lost_events") {
                Some(event) => {
                    let count = event["num_events_lost"].as_str().unwrap_or_default();
                    lost += count.parse::<u64>().map_err(|error| error.to_string())?;
                }
                None => {
                    flows.insert(line["flow"]["uuid"].to_string());
                }
            }
        }
        let good = full.problem.is_empty()
            && full.lag == 0
            && lost > 0
            && full.lost == lost
            && full.exported == flows.len() as u64
            && full.exported + full.lost == seen;
        when(good, (full, flows.len(), lost, seen))
    });
    let others = exporter("all");
    assert_eq!((others.lost, others.problem.as_str()), (0, ""));
    assert!(
        scene
            .lines(&["status"])
            .iter()
            .any(|line| line.contains("lost in"))
    );
    // Another one while it runs, and the file as `flowctl` reads it.
    let more = format!(
        "  - {{name: late, file: {{path: {}/late.jsonl}}}}\n",
        files.display()
    );
    put(&yaml, &config(&files, &disk.0, &more));
    eventually("it is there", || {
        let names: Vec<String> = api
            .status()?
            .exporters
            .into_iter()
            .map(|one| one.name)
            .collect();
        when(names.contains(&"late".to_owned()), names)
    });
    connect(8080, PATIENCE);
    let late = files.join("late.jsonl");
    eventually("it exports from now on", || {
        let count = lines(&late).len();
        when((1..100).contains(&count), count)
    });
    let read = scene.run_flowctl(&["observe", "--input-file", late.to_str().expect("text")]);
    assert!(text(&read.stdout).contains("shop/db"), "{read:?}");
    let metrics = scene.flowd.metrics().expect("metrics");
    let sum = |name: &str, labels: &[(&str, &str)]| {
        metrics.sum(&format!("hubble_dynamic_exporter_{name}"), labels) as u64
    };
    assert_eq!(sum("exporters_total", &[("status", "active")]), 4);
    assert_eq!(sum("up", &[("name", "late")]), 1);
    assert_eq!(sum("reconfigurations_total", &[("op", "add")]), 4);
    assert_eq!(sum("reconfigurations_total", &[("op", "update")]), 0);
    assert!(sum("config_hash", &[]) > 0 && sum("config_last_applied", &[]) > 0);
    // What was in the log when it ended is in the file.
    scene.flowd.terminate().expect("it ends");
    let seen = lines(&files.join("all.jsonl")).len() as u64;
    assert!(seen >= others.exported);
}
