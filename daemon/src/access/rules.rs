//! From who somebody is to what they may do.

use super::tokens::Tokens;
use super::{Grant, Peer, Reason, Refusal, Role, Scope, accounts};
use crate::config::access::{AccessSection, ClientRule, RoleName};

/// The rules in force.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    section: AccessSection,
    tokens: Tokens,
}

impl Rules {
    /// The rules of a section, with the tokens of its file.
    ///
    /// # Errors
    ///
    /// When the file of tokens cannot be read or is wrong.
    pub fn load(section: &AccessSection) -> Result<Self, String> {
        let tokens = match &section.tokens {
            Some(path) => Tokens::read(path)?,
            None => Tokens::default(),
        };
        Ok(Self {
            section: section.clone(),
            tokens,
        })
    }

    /// Who is asking, and what they may do.
    ///
    /// # Errors
    ///
    /// When no rule lets them in.
    pub fn grant(&self, peer: &Peer, token: Option<&str>) -> Result<Grant, Refusal> {
        match token {
            Some(token) => self.by_token(token),
            None => self.by_peer(peer),
        }
    }

    /// What the bearer of a token may do.
    ///
    /// # Errors
    ///
    /// When nobody knows the token.
    pub fn by_token(&self, token: &str) -> Result<Grant, Refusal> {
        let Some(name) = self.tokens.name(token) else {
            return Err(Refusal {
                reason: Reason::UnknownToken,
                text: "this token is unknown; its hash must be in the file access.tokens"
                    .to_owned(),
            });
        };
        let client = format!("token {name}");
        let rule = self.rule(|rule| rule.token.as_deref() == Some(name));
        granted(client, rule.map(role), "token")
    }

    fn by_peer(&self, peer: &Peer) -> Result<Grant, Refusal> {
        match peer {
            Peer::Unix { uid, gid, .. } => {
                let rule = self.rule(|rule| {
                    let user = rule.user.as_ref();
                    let group = rule.group.as_ref();
                    user.is_some_and(|name| accounts::is_user(*uid, name))
                        || group.is_some_and(|name| accounts::in_group(*uid, *gid, name))
                });
                let other = self.section.unix.unwrap_or(RoleName::Operator);
                let role = match rule {
                    Some(rule) => role(rule),
                    // Root reads and writes everything anyway.
                    None if *uid == 0 => Some(Role::Operator),
                    None => plain(other),
                };
                granted(format!("uid {uid}"), Some(role), "user or group")
            }
            Peer::Loopback(address) => {
                let other = self.section.loopback.unwrap_or(RoleName::Observer);
                let client = format!("loopback {}", address.ip());
                granted(client, Some(plain(other)), "token")
            }
            Peer::Tls { names, address } => {
                let rule = self.rule(|rule| {
                    let pattern = rule.certificate.as_ref();
                    pattern.is_some_and(|pattern| names.iter().any(|name| fits(pattern, name)))
                });
                let client = match names.first() {
                    Some(name) => format!("certificate {name}"),
                    None => format!("anonymous {}", address.ip()),
                };
                granted(client, rule.map(role), "certificate or token")
            }
        }
    }

    fn rule(&self, fits: impl Fn(&ClientRule) -> bool) -> Option<&ClientRule> {
        self.section.clients.iter().find(|rule| fits(rule))
    }
}

fn granted(client: String, role: Option<Option<Role>>, by: &str) -> Result<Grant, Refusal> {
    match role.flatten() {
        Some(role) => Ok(Grant { client, role }),
        None => Err(Refusal {
            reason: Reason::UnknownClient,
            text: format!(
                "{client} has no role here; flowd's configuration gives one to a {by} under \
                 access.clients"
            ),
        }),
    }
}

fn role(rule: &ClientRule) -> Option<Role> {
    match rule.role {
        RoleName::Observer if !rule.namespaces.is_empty() => {
            Some(Role::Observer(Scope::of(rule.namespaces.iter().cloned())))
        }
        name @ (RoleName::None | RoleName::Observer | RoleName::Operator) => plain(name),
    }
}

fn plain(name: RoleName) -> Option<Role> {
    match name {
        RoleName::None => None,
        RoleName::Observer => Some(Role::Observer(Scope::All)),
        RoleName::Operator => Some(Role::Operator),
    }
}

/// Whether a name is the pattern, where `*` stands for one whole part between dots.
fn fits(pattern: &str, name: &str) -> bool {
    let (mut wanted, mut parts) = (pattern.split('.'), name.split('.'));
    loop {
        match (wanted.next(), parts.next()) {
            (None, None) => return true,
            (Some("*"), Some(part)) if !part.is_empty() => {}
            (Some(wanted), Some(part)) if wanted.eq_ignore_ascii_case(part) => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}
