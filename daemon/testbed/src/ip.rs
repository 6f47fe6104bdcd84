//! Batches of iproute2 commands: one process for many changes keeps set-up fast.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::namespace::Namespace;

/// Runs `lines` as one `ip -batch`, in `namespace` or in the caller's own.
///
/// The thread enters the namespace rather than asking `ip -n` to: that option also unshares mounts, and then
/// a namespace created by the batch would be visible to nobody else.
pub(crate) fn batch(namespace: Option<&Namespace>, lines: &[String]) -> Result<()> {
    match namespace {
        None => run(lines),
        Some(namespace) => namespace.run(|| run(lines))?,
    }
}

fn run(lines: &[String]) -> Result<()> {
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run `ip`: install iproute2")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all((lines.join("\n") + "\n").as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`ip -batch` failed: {}; it was given:\n{}",
            said.trim(),
            lines.join("\n")
        );
    }
    Ok(())
}
