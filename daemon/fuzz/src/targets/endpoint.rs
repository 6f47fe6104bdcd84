//! Endpoint files: each endpoint, or a finding within the file.

use flowd::endpoints::parse;

/// Text of an endpoint file.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let lines = super::lines(text);
    for finding in parse("x.yaml", text).err().unwrap_or_default() {
        let line = usize::try_from(finding.line).unwrap_or(usize::MAX);
        assert!(line <= lines, "{finding}: of {lines} lines");
        assert!(finding.to_string().len() < 4_096, "a finding without end");
    }
}
