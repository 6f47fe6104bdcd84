//! A testbed and a flowd that guards it, with what nearly every test does to them.

use std::path::Path;

use flowd_proto::{flow::Flow, flowd::v1::StatusResponse};
use flowd_testbed::{Flowd, FlowdBuilder, Namespace, Pod, PodSpec, Testbed};
use tempfile::TempDir;

use super::{Api, Wanted, eventually, line, when};

/// One private network with its own flowd. Pods are kept by the test.
#[derive(Debug)]
pub(crate) struct Scene {
    // In the order in which they are to go.
    pub(crate) flowd: Flowd,
    pub(crate) bed: Testbed,
    pub(crate) directory: TempDir,
}

impl Scene {
    /// A testbed with a flowd that is not running yet.
    pub(crate) fn new() -> Self {
        Self::with(|builder, _| builder)
    }

    /// The same with other options; the path is the scene's directory.
    pub(crate) fn with(options: impl FnOnce(FlowdBuilder, &Path) -> FlowdBuilder) -> Self {
        let bed = Testbed::new().expect("a testbed");
        let directory = tempfile::tempdir().expect("a directory");
        let builder = Flowd::builder(&bed, directory.path()).binary(env!("CARGO_BIN_EXE_flowd"));
        let flowd = options(builder, directory.path())
            .prepare()
            .expect("a prepared flowd");
        Self {
            flowd,
            bed,
            directory,
        }
    }

    /// The same with a config file.
    pub(crate) fn configured(config: &str) -> Self {
        Self::with(|builder, directory| {
            let path = directory.join("flowd.yaml");
            std::fs::write(&path, config).expect("the config is written");
            builder.arg("--config").arg(path)
        })
    }

    /// A guarded pod of the shop whose only label is `app: name`.
    pub(crate) fn pod(&self, name: &str) -> Pod {
        let pod = self.unguarded(name);
        self.flowd.write_endpoint(&pod).expect("an endpoint file");
        pod
    }

    /// A pod flowd knows nothing of.
    pub(crate) fn unguarded(&self, name: &str) -> Pod {
        let spec = PodSpec::app("shop", name);
        self.bed.pod(spec).expect("a pod")
    }

    /// Replaces a pod's endpoint file by one with `change` made to it.
    pub(crate) fn edit_endpoint(&self, pod: &Pod, change: impl FnOnce(String) -> String) {
        let name = format!("{}.{}.yaml", pod.kubernetes_namespace, pod.name);
        let text = change(flowd_testbed::endpoint_yaml(pod));
        put(&self.flowd.endpoints().join(name), &text);
    }

    /// Starts flowd; everything written so far is enforced when this returns.
    pub(crate) fn launch(&mut self) {
        self.flowd.launch().expect("flowd starts");
    }

    /// Writes a policy file and waits until it is enforced. It must change something.
    pub(crate) fn enforce(&self, name: &str, yaml: &str) {
        let api = self.api();
        self.change(&api, |flowd| flowd.write_policy(name, yaml));
    }

    /// Removes a policy file and waits until it is enforced no more.
    pub(crate) fn lift(&self, name: &str) {
        let api = self.api();
        self.change(&api, |flowd| flowd.remove_policy(name));
    }

    /// Makes a change and waits until a newer generation is enforced everywhere.
    pub(crate) fn change<T>(&self, api: &Api, change: impl FnOnce(&Flowd) -> anyhow::Result<T>) {
        let before = newest(&api.status().expect("a status"));
        change(&self.flowd).expect("the change is made");
        eventually("a newer generation is enforced", || {
            let status = api.status()?;
            let good = newest(&status) > before && status.healthy;
            when(good, status).map(drop)
        });
    }

    /// A connection to the API.
    pub(crate) fn api(&self) -> Api {
        Api::connect(&self.flowd.socket()).expect("flowd serves")
    }

    /// Waits for a flow and gives the newest that matches.
    pub(crate) fn flow(&self, wanted: &Wanted) -> Flow {
        let api = self.api();
        eventually(&format!("a flow like {wanted:?}"), || {
            let mut flows = api.flows(wanted.0.clone());
            flows.pop().ok_or_else(|| {
                let all = api.flows(Wanted::default().0);
                let lines: Vec<String> = all.iter().map(line).collect();
                lines.join("\n")
            })
        })
    }

    /// The flows there are now.
    pub(crate) fn flows(&self, wanted: &Wanted) -> Vec<Flow> {
        self.api().flows(wanted.0.clone())
    }
}

/// The newest generation any endpoint enforces; 0 while one lags behind.
fn newest(status: &StatusResponse) -> u32 {
    let behind = |endpoint: &flowd_proto::flowd::v1::EndpointStatus| {
        endpoint.desired_generation != endpoint.enforced_generation
    };
    if status.endpoints.iter().any(behind) {
        return 0;
    }
    let generations = status.endpoints.iter();
    generations
        .map(|endpoint| endpoint.enforced_generation)
        .max()
        .unwrap_or_default()
}

/// Written beside and renamed: a watcher never reads half a file.
pub(crate) fn put(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, text).expect("written");
    std::fs::rename(&beside, file).expect("renamed");
}

/// A policy of the shop for the pods with this `app` label; `rules` are lines of its spec.
pub(crate) fn policy(name: &str, app: &str, rules: &str) -> String {
    format!(
        "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  endpointSelector: {{matchLabels: {{app: {app}}}}}
  {rules}
"
    )
}

/// Runs a command line inside a namespace; it must succeed.
pub(crate) fn run_inside(namespace: &Namespace, line: &str) -> String {
    let mut words = line.split_whitespace();
    let program = words.next().expect("a program");
    let output = namespace
        .command(program)
        .args(words)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
