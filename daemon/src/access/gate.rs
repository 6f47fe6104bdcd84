//! The gate every request goes through, whatever door it came by.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::audit::{Audit, Entry};
use super::limits::{Limits, StreamPermit};
use super::refusal::Refusals;
use super::rights::Call;
use super::rules::Rules;
use super::{Grant, Peer, Reason, Refusal};
use crate::clock::now;
use crate::config::access::{AccessSection, LimitsSection};

/// What lets requests through; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rules: ArcSwap<Rules>,
    limits: Limits,
    refusals: Refusals,
    audit: Audit,
}

/// A request that may go on.
#[derive(Debug)]
pub struct Passed {
    /// Who asks.
    pub grant: Grant,
    /// Held as long as its stream is open.
    pub permit: Option<StreamPermit>,
}

impl Gate {
    /// A gate.
    ///
    /// # Errors
    ///
    /// When the rules cannot be loaded.
    pub fn new(
        access: &AccessSection,
        limits: &LimitsSection,
        audit: Audit,
    ) -> Result<Self, String> {
        let inner = Inner {
            rules: ArcSwap::from_pointee(Rules::load(access)?),
            audit,
            ..Inner::default()
        };
        inner.limits.set(limits);
        Ok(Self(Arc::new(inner)))
    }

    /// Puts other rules and limits in force. What is open stays open.
    ///
    /// # Errors
    ///
    /// When the rules cannot be loaded; those before stay in force.
    pub fn reload(&self, access: &AccessSection, limits: &LimitsSection) -> Result<(), String> {
        self.0.limits.set(limits);
        self.0.rules.store(Arc::new(Rules::load(access)?));
        Ok(())
    }

    /// Whether a request may go on.
    ///
    /// # Errors
    ///
    /// When it may not. It is on record then.
    pub fn pass(&self, peer: &Peer, token: Option<&str>, call: &Call) -> Result<Passed, Refusal> {
        let grant = match self.0.rules.load().grant(peer, token) {
            Ok(grant) => grant,
            Err(refusal) => return Err(self.refuse(peer, call.path, refusal)),
        };
        let permit = self.allow(&grant, call)?;
        Ok(Passed { grant, permit })
    }

    /// Whether a request of somebody who was let in may go on.
    ///
    /// # Errors
    ///
    /// When it may not. It is on record then.
    pub fn allow(&self, grant: &Grant, call: &Call) -> Result<Option<StreamPermit>, Refusal> {
        let now = Instant::now();
        let allowed = self.0.limits.request(&grant.client, now).and_then(|()| {
            if !grant.has(call.right) {
                return Err(no_right(grant, call));
            }
            call.streams
                .then(|| self.0.limits.stream(&grant.client, now))
                .transpose()
        });
        allowed.map_err(|refusal| {
            let who = format!("{} ({})", grant.client, grant.role.name());
            self.refuse(&who, call.path, refusal)
        })
    }

    /// What the bearer of a token may do, for doors with logins of their own.
    ///
    /// # Errors
    ///
    /// When nobody knows the token.
    pub fn by_token(&self, token: &str) -> Result<Grant, Refusal> {
        self.0.rules.load().by_token(token)
    }

    /// Puts a refusal on record.
    pub fn refuse(&self, client: &dyn fmt::Display, path: &str, refusal: Refusal) -> Refusal {
        self.0.refusals.note(client, &refusal, now());
        self.0.audit.write(&Entry {
            client: client.to_string(),
            role: "",
            call: path,
            outcome: refusal.reason.name(),
            about: "",
        });
        refusal
    }

    /// Puts a request on record.
    pub fn record(&self, grant: &Grant, call: &str, outcome: &str, about: &str) {
        self.0.audit.write(&Entry {
            client: grant.client.clone(),
            role: grant.role.name(),
            call,
            outcome,
            about,
        });
    }

    /// Counts a refusal that happened while a request was answered.
    pub fn count(&self, client: &dyn fmt::Display, reason: Reason, text: &str) {
        let refusal = Refusal {
            reason,
            text: text.to_owned(),
        };
        self.0.refusals.note(client, &refusal, now());
    }

    /// The refusals so far.
    pub fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The audit log.
    pub fn audit(&self) -> &Audit {
        &self.0.audit
    }
}

fn no_right(grant: &Grant, call: &Call) -> Refusal {
    Refusal {
        reason: Reason::NoRight,
        text: format!(
            "{} is {} and may not do this: {} needs {}",
            grant.client,
            grant.role.name(),
            call.path.trim_start_matches('/'),
            call.right.needs()
        ),
    }
}
