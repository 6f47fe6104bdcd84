//! Builds the eBPF object the daemon carries, with whichever eBPF toolchain this machine has.
//!
//! `FLOWD_EBPF_OBJECT=path` hands in a ready object instead (package builds). Otherwise: Debian's
//! `rustc-web` with its prebuilt `core` for bpfel, or a rustup nightly with `rust-src`; both need
//! `bpf-linker`. Where neither is there, the build stops and says what to run.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, exit},
};

const TARGET: &str = "bpfel-unknown-none";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

fn main() {
    println!("cargo:rerun-if-env-changed=FLOWD_EBPF_OBJECT");
    for input in [
        "../ebpf/src",
        "../ebpf/abi/src",
        "../ebpf/Cargo.toml",
        "../Cargo.lock",
    ] {
        println!("cargo:rerun-if-changed={input}");
    }
    let object = match env::var_os("FLOWD_EBPF_OBJECT") {
        Some(path) => PathBuf::from(path),
        None => build(),
    };
    if !object.is_file() {
        fail(&format!(
            "the eBPF object {} does not exist",
            object.display()
        ));
    }
    println!("cargo:rustc-env=FLOWD_EBPF_OBJECT={}", object.display());
}

fn build() -> PathBuf {
    if !runs("bpf-linker", &["--version"]) {
        fail("bpf-linker is not installed");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let target = out.join("ebpf");
    let mut command = toolchain().unwrap_or_else(|| {
        fail("no Rust toolchain that can build for bpfel-unknown-none is installed")
    });
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_else(|_| "x86_64".to_owned());
    command
        .args(["build", "--release", "--quiet", "--target", TARGET])
        .args([
            "--package",
            "flowd-ebpf",
            "--bin",
            "programs",
            "--features",
            "kernel",
        ])
        .arg("--target-dir")
        .arg(&target)
        .current_dir("..")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "RUSTFLAGS",
            format!(
                "-C linker=bpf-linker -C link-arg=--btf -C debuginfo=2 \
                 --cfg bpf_target_arch=\"{arch}\""
            ),
        );
    match command.status() {
        Ok(status) if status.success() => target.join(TARGET).join("release/programs"),
        Ok(status) => fail(&format!("building the eBPF object failed ({status})")),
        Err(error) => fail(&format!("cannot run the eBPF toolchain: {error}")),
    }
}

/// The cargo that can build for BPF.
fn toolchain() -> Option<Command> {
    let sysroot = output(DEBIAN_RUSTC, &["--print", "sysroot"]);
    if let Some(sysroot) = sysroot
        && Path::new(&sysroot)
            .join("lib/rustlib")
            .join(TARGET)
            .is_dir()
        && Path::new(DEBIAN_CARGO).is_file()
    {
        let mut command = Command::new(DEBIAN_CARGO);
        command.env("RUSTC", DEBIAN_RUSTC);
        return Some(command);
    }
    let sysroot = output("rustup", &["run", "nightly", "rustc", "--print", "sysroot"])?;
    if !Path::new(&sysroot)
        .join("lib/rustlib/src/rust/library/core")
        .is_dir()
    {
        return None;
    }
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly", "cargo", "-Z", "build-std=core"])
        .env_remove("RUSTC");
    Some(command)
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    output(program, arguments).is_some()
}

fn fail(cause: &str) -> ! {
    println!("cargo::error={cause}: run `make setup`, or set FLOWD_EBPF_OBJECT to a built object");
    exit(1)
}
