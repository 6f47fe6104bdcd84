//! Bearer tokens: only their hashes are kept, one `NAME sha256:HEX` a line.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use ring::digest::{SHA256, digest};

/// Tokens in a file, at most.
const MAX: usize = 4_096;

/// The names of tokens by their hashes. To look one up takes a time that says nothing of the token,
/// since who does not know it does not choose its hash.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens(HashMap<[u8; 32], String>);

impl Tokens {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|(line, why)| format!("{}:{line}: {why}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut tokens = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let hash = line
                .split_once(char::is_whitespace)
                .and_then(|(name, hash)| {
                    Some((name, unhex(hash.trim().strip_prefix("sha256:")?)?))
                });
            let Some((name, hash)) = hash else {
                let why = "a line is NAME sha256:HEX, with 64 digits as `sha256sum` prints them";
                return Err((number, why.to_owned()));
            };
            tokens.insert(hash, name.to_owned());
            if tokens.len() > MAX {
                return Err((number, format!("more than {MAX} tokens")));
            }
        }
        Ok(Self(tokens))
    }

    /// The name of a token.
    pub(super) fn name(&self, token: &str) -> Option<&str> {
        let hash: [u8; 32] = digest(&SHA256, token.as_bytes()).as_ref().try_into().ok()?;
        self.0.get(&hash).map(String::as_str)
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash() {
        // printf %s secret | sha256sum
        let text =
            "# who\nci sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n";
        let tokens = Tokens::parse(text).unwrap();
        assert_eq!(tokens.name("secret"), Some("ci"));
        assert_eq!(tokens.name("secret "), None);
        assert_eq!(Tokens::parse("\nci secret\n").unwrap_err().0, 2);
    }
}
