//! How to look at the demo, and `flowctl` looking at it.

use std::io::IsTerminal;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use flowd_testbed::{Flowd, binary};

/// One line for each verdict; the packets that follow it are left to those who ask for them.
const FOLLOW: [&str; 4] = ["observe", "-f", "--type=policy-verdict", "--type=drop"];

/// `flowctl`, following flows on our screen until dropped.
#[derive(Debug)]
pub(crate) struct Watch(Option<Child>);

impl Watch {
    /// Tells how to look, then follows the flows if there is a `flowctl`.
    pub(crate) fn start(flowd: &Flowd, limit: Option<Duration>) -> Result<Self> {
        tell(flowd, limit)?;
        let Ok(mut follow) = flowd.flowctl() else {
            println!("(No flowctl beside the demo: verdicts are not shown here.)");
            return Ok(Self(None));
        };
        let follower = follow.args(FOLLOW).stdin(Stdio::null()).spawn();
        Ok(Self(Some(follower.context("cannot start flowctl")?)))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(follower) = &mut self.0 {
            let _ = follower.kill();
            let _ = follower.wait();
        }
    }
}

fn tell(flowd: &Flowd, limit: Option<Duration>) -> Result<()> {
    let program =
        binary("flowctl").map_or_else(|_| "flowctl".to_owned(), |path| path.display().to_string());
    let web = flowd.web_address()?;
    println!("How to look:");
    println!(
        "  terminal  {program} observe -f --server {}",
        flowd.server()
    );
    println!("  browser   http://{web}/#token={}", flowd.web_token()?);
    println!("  metrics   http://{}/metrics", flowd.metrics_address()?);
    println!(
        "  policy    {} (edit it)",
        flowd.policies().join("shop.yaml").display()
    );
    println!("  log       {}", flowd.log_file().display());
    match limit {
        Some(limit) => println!("Running for {} s.\n", limit.as_secs()),
        None if std::io::stdin().is_terminal() => println!("Running until Ctrl-C.\n"),
        None => println!("Running until SIGTERM.\n"),
    }
    Ok(())
}
