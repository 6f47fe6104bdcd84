//! The directory of one flowd: what is where in it, and how tests write into it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Flowd, probe};
use crate::{Pod, endpoint_yaml};

impl Flowd {
    /// Writes the endpoint file of `pod`, in place of an older one.
    pub fn write_endpoint(&self, pod: &Pod) -> Result<()> {
        let name = format!("{}.{}.yaml", pod.kubernetes_namespace, pod.name);
        replace(&self.endpoints().join(name), &endpoint_yaml(pod))
    }

    /// Writes the policy file `<name>.yaml`, in place of an older one.
    pub fn write_policy(&self, name: &str, yaml: &str) -> Result<()> {
        replace(&self.policies().join(format!("{name}.yaml")), yaml)
    }

    /// Removes the policy file `<name>.yaml`.
    pub fn remove_policy(&self, name: &str) -> Result<()> {
        let file = self.policies().join(format!("{name}.yaml"));
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))
    }

    /// The directory with all its files.
    pub fn directory(&self) -> &Path {
        &self.plan.directory
    }

    /// The directory its policies are read from.
    pub fn policies(&self) -> PathBuf {
        self.plan.directory.join("policies")
    }

    /// The directory its endpoints are read from.
    pub fn endpoints(&self) -> PathBuf {
        self.plan.directory.join("endpoints")
    }

    /// The directory it keeps its state in.
    pub fn state(&self) -> PathBuf {
        self.plan.directory.join("state")
    }

    /// The bpffs its links and maps are pinned in.
    pub fn bpffs(&self) -> PathBuf {
        self.plan.directory.join("bpffs")
    }

    /// The gRPC socket.
    pub fn socket(&self) -> PathBuf {
        self.plan.directory.join("flowd.sock")
    }

    /// The gRPC socket as clients are told it: `unix:///…`.
    pub fn server(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Where gRPC listens on loopback.
    pub fn grpc_address(&self) -> Result<SocketAddr> {
        probe::address(&self.addresses_file(), "grpc")
    }

    /// Where metrics and health are served.
    pub fn metrics_address(&self) -> Result<SocketAddr> {
        probe::address(&self.addresses_file(), "metrics")
    }

    /// Where the page is served.
    pub fn web_address(&self) -> Result<SocketAddr> {
        probe::address(&self.addresses_file(), "web")
    }

    /// The login token of the page.
    pub fn web_token(&self) -> Result<String> {
        let file = self.state().join("web-token");
        let token = fs::read_to_string(&file)
            .with_context(|| format!("cannot read the web token in {}", file.display()))?;
        Ok(token.trim().to_owned())
    }

    /// The file standard output and error of every start are appended to.
    pub fn log_file(&self) -> PathBuf {
        self.plan.directory.join("flowd.log")
    }

    /// The whole log.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.log_file())?)
    }

    pub(super) fn addresses_file(&self) -> PathBuf {
        self.state().join("addresses.json")
    }
}

/// Written beside and renamed, so that a watcher never reads half a file.
fn replace(file: &Path, text: &str) -> Result<()> {
    let beside = file.with_extension("new");
    fs::write(&beside, text)
        .and_then(|()| fs::rename(&beside, file))
        .with_context(|| format!("cannot write {}", file.display()))
}
