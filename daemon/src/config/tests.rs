//! What wins over what, and what a configuration that cannot work is told.

use super::*;

pub(super) fn loaded(text: &str, flags: Flags) -> Result<Config, ConfigError> {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("flowd.yaml");
    fs::write(&path, text).expect("written");
    Config::load(Flags {
        config: Some(path),
        ..flags
    })
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let flags = Flags {
        state: Some("/a".into()),
        ..Flags::default()
    };
    let config =
        loaded("state: /b\nsocket: /c\nsizes: {connections: 4096}\n", flags).expect("valid");
    assert_eq!(config.state, Path::new("/a"));
    assert_eq!(config.socket, Path::new("/c"));
    assert_eq!(config.sizes.connections, 4096);
    assert_eq!(config.policies, Path::new("/etc/flowd/policies"));
}

#[test]
fn every_bad_value_is_named_at_once() {
    let text =
        "web: 0.0.0.0:80\nsizes: {ring_bytes: 100000, peers: 1}\ntimeouts: {icmp: 0}\nlog: '=='\n";
    let error = loaded(text, Flags::default())
        .expect_err("invalid")
        .to_string();
    for part in [
        "web: 0.0.0.0:80",
        "sizes.ring_bytes: 100000",
        "sizes.peers: 1",
        "timeouts.icmp: must",
        "log: ==",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_corrupt_file_names_its_line() {
    let error = loaded("state: /b\nsokcet: /c\n", Flags::default()).expect_err("invalid");
    let text = error.to_string();
    assert!(
        text.contains("flowd.yaml:2") && text.contains("sokcet"),
        "{text}"
    );
}
