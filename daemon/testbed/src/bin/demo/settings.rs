//! What the environment asks of the demo.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// The demo's settings.
#[derive(Debug)]
pub(crate) struct Settings {
    /// How long to run; until told to end if absent.
    pub(crate) seconds: Option<Duration>,
    /// Where files go; a temporary directory if absent.
    pub(crate) directory: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self> {
        let text = env::var("DEMO_SECONDS")
            .ok()
            .filter(|text| !text.is_empty());
        let directory = env::var_os("DEMO_DIR")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        Ok(Self {
            seconds: text.as_deref().map(seconds).transpose()?,
            directory,
        })
    }
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds: u64 = text
        .parse()
        .with_context(|| format!("DEMO_SECONDS={text}: give a whole number of seconds"))?;
    ensure!(seconds > 0, "DEMO_SECONDS=0: give at least one second");
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_whole_and_some() {
        assert_eq!(seconds("20").unwrap(), Duration::from_secs(20));
        assert!(seconds("0").is_err());
        assert!(seconds("-1").is_err());
        assert!(seconds("20s").is_err());
    }
}
