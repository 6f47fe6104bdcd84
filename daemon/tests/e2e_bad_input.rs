//! What is wrong is said once, clearly, and disturbs nothing else.

mod support;

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use flowd_proto::{FieldMask, observer::GetFlowsRequest};
use flowd_testbed::{
    Pod, PodSpec,
    traffic::{TcpEcho, tcp_connect},
};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use support::{PATIENCE, SILENCE, Scene, eventually, policy, when};

const FRONTEND_ONLY: &str = "ingress: [{fromEndpoints: [{matchLabels: {app: frontend}}], \
     toPorts: [{ports: [{port: \"8080\", protocol: TCP}]}]}]";

/// A running shop: the frontend may reach the backend's port 8080, nobody else.
struct Shop {
    scene: Scene,
    frontend: Pod,
    backend: Pod,
    stranger: Pod,
    _server: TcpEcho,
}

impl Shop {
    fn open() -> Self {
        let mut scene = Scene::new();
        let [frontend, backend, stranger] =
            ["frontend", "backend", "stranger"].map(|name| scene.pod(name));
        let yaml = policy("web", "backend", FRONTEND_ONLY);
        scene.flowd.write_policy("web", &yaml).expect("written");
        scene.launch();
        let any: IpAddr = "::".parse().expect("an address");
        let server = TcpEcho::start(&backend.namespace, any, 8080).expect("listens");
        Self {
            scene,
            frontend,
            backend,
            stranger,
            _server: server,
        }
    }

    fn connects(&self, from: &Pod, patience: std::time::Duration) -> bool {
        let outcome = tcp_connect(&from.namespace, self.backend.ipv4, 8080, patience);
        outcome.expect("the attempt is made").is_connected()
    }

    /// The good is still enforced.
    fn assert_undisturbed(&self) {
        assert!(self.connects(&self.frontend, PATIENCE));
        assert!(!self.connects(&self.stranger, SILENCE));
    }

    /// Waits for exactly one complaint, which must say all of `parts`.
    fn one_complaint(&self, parts: &[&str]) {
        let api = self.scene.api();
        eventually(&format!("one complaint with {parts:?}"), || {
            let status = api.status()?;
            let problems = status.problems;
            let good = problems.len() == 1
                && parts.iter().all(|part| problems[0].contains(part))
                && problems[0].len() < 1000;
            when(good && !status.healthy, problems)
        });
        self.assert_undisturbed();
    }

    fn healthy_again(&self) {
        let api = self.scene.api();
        eventually("healthy again", || {
            let status = api.status()?;
            when(status.healthy, status.problems)
        });
        self.assert_undisturbed();
    }
}

/// `flowd` with these arguments, ended.
fn flowd(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_flowd"))
        .args(arguments)
        .env("RUST_BACKTRACE", "0")
        .output();
    output.expect("it runs")
}

/// What it said on standard error, without its log lines.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("flowd: "))
        .collect();
    assert_eq!(lines.len(), 1, "one clear error: {text}");
    assert!(!text.contains("panicked"), "{text}");
    text[text.find("flowd: ").expect("found")..].to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("plain text")
}

#[test]
fn a_broken_policy_file_is_named_by_line_and_the_last_good_stays() {
    let shop = Shop::open();
    let good = policy("web", "backend", FRONTEND_ONLY);
    for (broken, line) in [
        (good.replace("8080", "80800"), "web.yaml:6"),
        (good.replace("fromEndpoints", "fromNowhere"), "web.yaml:6"),
        (good.replace("spec:", "spec: ]"), "web.yaml:"),
    ] {
        shop.scene
            .flowd
            .write_policy("web", &broken)
            .expect("written");
        shop.one_complaint(&[line]);
    }
    // A new file that was never good says so too, and is nobody's policy.
    shop.scene
        .flowd
        .write_policy("web", &good)
        .expect("written");
    shop.healthy_again();
    shop.scene
        .flowd
        .write_policy("other", "kind: [")
        .expect("written");
    shop.one_complaint(&["other.yaml:1"]);
    shop.scene.flowd.remove_policy("other").expect("removed");
    shop.healthy_again();
}

#[test]
fn an_endpoint_without_its_interface_fails_until_it_appears() {
    let shop = Shop::open();
    let late = shop.scene.unguarded("late");
    let device = late.interface.clone();
    shop.scene
        .edit_endpoint(&late, |text| text.replace(&device, "fd-late"));
    shop.one_complaint(&["shop/late", "fd-late"]);
    let state = shop.scene.api().endpoint("late").expect("it is listed");
    assert_eq!(state.state, "failed");
    assert!(state.detail.contains("fd-late"), "{}", state.detail);
    support::run_inside(
        shop.scene.bed.node(),
        &format!("ip link set {device} name fd-late"),
    );
    shop.healthy_again();
    let state = shop.scene.api().endpoint("late").expect("it is listed");
    assert_eq!(
        (state.state.as_str(), state.interface.as_str()),
        ("protected", "fd-late")
    );
    drop(late);
    shop.one_complaint(&["shop/late", "fd-late"]);
}

#[test]
fn a_second_daemon_on_the_same_bpffs_is_refused_and_the_first_goes_on() {
    let shop = Shop::open();
    let (bpffs, other) = (
        shop.scene.flowd.bpffs(),
        shop.scene.directory.path().join("second"),
    );
    let socket = other.join("flowd.sock");
    let started = flowd(&[
        "run",
        "--bpffs",
        text(&bpffs),
        "--state",
        text(&other),
        "--socket",
        text(&socket),
        "--policies",
        text(&other),
        "--endpoints",
        text(&other),
        "--web",
        "127.0.0.1:0",
        "--metrics",
        "127.0.0.1:0",
    ]);
    assert_eq!(started.status.code(), Some(1));
    let said = complaint(&started);
    assert!(
        said.contains("another flowd uses") && said.contains(text(&bpffs)),
        "{said}"
    );
    let detached = flowd(&["detach", "--bpffs", text(&bpffs)]);
    assert_eq!(detached.status.code(), Some(1));
    assert!(complaint(&detached).contains("another flowd uses"));
    shop.healthy_again();
}

#[test]
fn without_the_capabilities_the_missing_ones_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name| directory.path().join(name);
    let started = Command::new("setpriv")
        .args([
            "--bounding-set",
            "-bpf,-sys_admin,-perfmon",
            "--inh-caps",
            "-bpf,-sys_admin,-perfmon",
        ])
        .arg(env!("CARGO_BIN_EXE_flowd"))
        .arg("run")
        .args([
            "--bpffs",
            text(&at("bpffs")),
            "--state",
            text(&at("state")),
            "--socket",
            text(&at("sock")),
            "--policies",
            text(&at("p")),
            "--endpoints",
            text(&at("e")),
        ])
        .output()
        .expect("setpriv runs");
    assert_eq!(started.status.code(), Some(1));
    let said = complaint(&started);
    assert!(
        said.contains("CAP_BPF") && said.contains("CAP_PERFMON"),
        "{said}"
    );
    assert!(said.contains("run as root"), "{said}");
    assert!(
        !at("state").exists() && !at("bpffs").exists(),
        "nothing was touched"
    );
}

#[test]
fn a_corrupt_config_is_named_by_line_before_anything_is_touched() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("flowd.yaml");
    for (config, parts) in [
        ("state: /nowhere\nsokcet: /x\n", ["flowd.yaml:2", "sokcet"]),
        ("sizes:\n  peers: many\n", ["flowd.yaml:2", "u32"]),
        ("a: [\n", ["flowd.yaml:", ""]),
        (
            "sizes: {ring_bytes: 1000}\n",
            ["sizes.ring_bytes: 1000", "power of two"],
        ),
    ] {
        fs::write(&file, config).expect("written");
        let started = flowd(&["run", "--config", text(&file)]);
        assert_eq!(started.status.code(), Some(78), "{config}");
        let said = complaint(&started);
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
    let started = flowd(&["run", "--config", text(&directory.path().join("none.yaml"))]);
    assert_eq!(started.status.code(), Some(78));
    assert!(complaint(&started).contains("none.yaml"));
}

#[test]
fn an_unknown_field_of_a_mask_is_an_invalid_argument_that_names_it() {
    let shop = Shop::open();
    let api = shop.scene.api();
    let request = |path: &str| GetFlowsRequest {
        number: 1,
        field_mask: Some(FieldMask {
            paths: vec![path.to_owned()],
        }),
        ..GetFlowsRequest::default()
    };
    for path in ["sauce", "source.nickname", "verdict.deep"] {
        let refused = api.get_flows(request(path)).expect_err("refused");
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{path}");
        assert!(refused.message().contains(path), "{}", refused.message());
    }
    assert!(api.get_flows(request("source.pod_name")).is_ok());
    shop.healthy_again();
}

#[test]
fn a_huge_label_and_a_second_owner_of_an_address_are_refused() {
    let shop = Shop::open();
    let (scene, api) = (&shop.scene, shop.scene.api());
    let spec = PodSpec::new("shop", "huge").label("app", &"x".repeat(10 << 20));
    let huge = scene.bed.pod(spec).expect("a pod");
    scene.flowd.write_endpoint(&huge).expect("written");
    shop.one_complaint(&["shop.huge.yaml"]);
    assert!(api.endpoint("huge").is_none());
    // Below the limit of a file, but no label value.
    let long = "x".repeat(1 << 20);
    scene.edit_endpoint(&huge, |text| text.replace(&"x".repeat(10 << 20), &long));
    shop.one_complaint(&["shop.huge.yaml"]);
    fs::remove_file(scene.flowd.endpoints().join("shop.huge.yaml")).expect("removed");
    shop.healthy_again();

    let twin = scene.unguarded("twin");
    let (own, taken) = (twin.ipv4.to_string(), shop.frontend.ipv4.to_string());
    scene.edit_endpoint(&twin, |text| text.replace(&own, &taken));
    shop.one_complaint(&["shop/twin", &taken, "shop/frontend"]);
}

#[test]
fn a_directory_that_cannot_be_read_keeps_what_was_read_from_it() {
    let shop = Shop::open();
    let policies = shop.scene.flowd.policies();
    let away = policies.with_file_name("away");
    fs::rename(&policies, &away).expect("moved");
    shop.one_complaint(&[text(&policies), "cannot be read"]);
    fs::rename(&away, &policies).expect("moved back");
    shop.healthy_again();
    // One file that is no text, beside the good one.
    let file = policies.join("noise.yaml");
    fs::write(&file, [0xff, 0xfe, 0x00, 0x01]).expect("written");
    shop.one_complaint(&["noise.yaml"]);
    fs::remove_file(&file).expect("removed");
    shop.healthy_again();
    assert_eq!(
        fs::metadata(shop.scene.flowd.socket())
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777,
        0o660
    );
}

/// A file system of a few pages, unmounted when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Self {
        let size = c"size=64k";
        mount("fd-small-disk", at, "tmpfs", MountFlags::NODEV, size).expect("mounted");
        Self(at)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = unmount(self.0, UnmountFlags::DETACH);
    }
}

#[test]
fn a_full_disk_is_told_and_enforcement_follows_the_policies_all_the_same() {
    let mut scene = Scene::new();
    let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
    let state = scene.flowd.state();
    let _disk = SmallDisk::mount(&state);
    scene.launch();
    let mut rest = fs::File::create(state.join("rest")).expect("created");
    let full = std::io::copy(&mut std::io::repeat(0), &mut rest).expect_err("the disk is full");
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let yaml = policy("nobody", "backend", "ingress: [{}]");
    scene.flowd.write_policy("nobody", &yaml).expect("written");
    let api = scene.api();
    eventually("the policy is enforced and the full disk told", || {
        let status = api.status()?;
        let enforced = api.endpoint("backend").is_some_and(|one| {
            one.ingress_enforced && one.desired_generation == one.enforced_generation
        });
        let told = status
            .problems
            .iter()
            .any(|problem| problem.contains("cannot be written"));
        when(enforced && told, status.problems)
    });
    let any: IpAddr = "::".parse().expect("an address");
    let _server = TcpEcho::start(&backend.namespace, any, 8080).expect("listens");
    let outcome = tcp_connect(&frontend.namespace, backend.ipv4, 8080, SILENCE);
    assert!(!outcome.expect("the attempt is made").is_connected());
    drop(rest);
    fs::remove_file(state.join("rest")).expect("removed");
    eventually("healthy once there is room again", || {
        let status = api.status()?;
        when(status.healthy, status.problems)
    });
}
