//! The command line client, as people run it.

use std::process::{Command, Output};

use super::Scene;

impl Scene {
    /// `flowctl` with these arguments, asked of this scene's flowd.
    pub(crate) fn flowctl(&self, arguments: &[&str]) -> Command {
        build_flowctl();
        let mut command = self.flowd.flowctl().expect("flowctl");
        command.args(arguments);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run_flowctl(&self, arguments: &[&str]) -> Output {
        self.flowctl(arguments).output().expect("it runs")
    }

    /// Runs it to its good end; the lines it printed.
    pub(crate) fn lines(&self, arguments: &[&str]) -> Vec<String> {
        let output = self.run_flowctl(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        text(&output.stdout).lines().map(str::to_owned).collect()
    }
}

/// Cargo builds a package's own programs for its tests; flowctl and the testbed's are other packages'.
pub(crate) fn build_flowctl() {
    for (program, package) in [
        ("flowctl", "flowctl"),
        ("flowd-policy-live", "flowd-testbed"),
    ] {
        if flowd_testbed::binary(program).is_err() {
            let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
            let status = Command::new(cargo)
                .args(["build", "--package", package])
                .status();
            assert!(status.expect("cargo runs").success());
        }
    }
}

/// Output as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
