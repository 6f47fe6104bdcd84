//! Workload names and namespaces, which complete each other: the API knows only `namespace/pod`.

use super::FilterError;
use super::pair::{Pair, pick};
use crate::args::{Field, Side, Term};

const SIDES: [Side; 3] = [Side::Either, Side::From, Side::To];

#[derive(Clone, Debug, Default)]
pub(super) struct Pods {
    names: Vec<(Side, String)>,
    namespaces: Vec<(Side, String)>,
    any_namespace: bool,
    inherited: Vec<(Side, String)>,
}

impl Pods {
    pub(super) fn collect(terms: &[&Term]) -> Result<Self, FilterError> {
        let of = |field: Field| {
            let terms = terms.iter().filter(move |term| term.field == field);
            terms
                .map(|term| (term.side, term.value.clone()))
                .collect::<Vec<_>>()
        };
        let pods = Self {
            names: of(Field::Pod),
            namespaces: of(Field::Namespace),
            any_namespace: !of(Field::AllNamespaces).is_empty(),
            inherited: Vec::new(),
        };
        if pods.any_namespace && !pods.namespaces.is_empty() {
            return Err(FilterError::Conflict("--all-namespaces and --namespace"));
        }
        let one_sided = |(side, _): &(Side, String)| *side != Side::Either;
        if on(&pods.names, Side::Either).next().is_some() && pods.namespaces.iter().any(one_sided) {
            return Err(FilterError::Conflict(
                "--pod and --from-namespace or --to-namespace",
            ));
        }
        if let Some((_, wrong)) = pods.namespaces.iter().find(|(_, ns)| ns.contains('/')) {
            return Err(FilterError::Value(format!("{wrong:?} is no namespace")));
        }
        Ok(pods)
    }

    /// With `-n shop --not --pod db`, the db that is meant is shop's.
    pub(super) fn inheriting(mut self, allowed: &Self) -> Self {
        if self.namespaces.is_empty() && !self.any_namespace {
            self.any_namespace = allowed.any_namespace;
            self.inherited.clone_from(&allowed.namespaces);
        }
        self
    }

    pub(super) fn add_to(&self, pair: &mut Pair) -> Result<(), FilterError> {
        for side in SIDES {
            for text in self.patterns(side)? {
                pair.ends(side, &text, |filter, end, text| {
                    pick(end, &mut filter.source_pod, &mut filter.destination_pod)
                        .push(text.to_owned());
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// What the API is asked for on one side.
    fn patterns(&self, side: Side) -> Result<Vec<String>, FilterError> {
        let names: Vec<&str> = on(&self.names, side).collect();
        let mut own: Vec<&str> = on(&self.namespaces, side).collect();
        if names.is_empty() {
            // `-n shop --from-pod web` means shop's web, and no more than that.
            let used_up = side == Side::Either && !self.names.is_empty();
            let own = own.iter().filter(|_| !used_up);
            return Ok(own.map(|namespace| format!("{namespace}/")).collect());
        }
        if own.is_empty() {
            own.extend(on(&self.namespaces, Side::Either));
        }
        let inherited = on(&self.inherited, side).chain(on(&self.inherited, Side::Either));
        let mut completing: Vec<&str> = own.iter().copied().chain(inherited).collect();
        completing.dedup();
        let mut patterns = Vec::new();
        for name in names {
            if let Some((namespace, _)) = name.split_once('/') {
                if !own.is_empty() && !own.contains(&namespace) {
                    let line = format!("{name:?} is not in namespace {}", own.join(" or "));
                    return Err(FilterError::Value(line));
                }
                patterns.push(name.to_owned());
            } else if self.any_namespace {
                patterns.push(format!("/{name}"));
            } else if completing.is_empty() {
                patterns.push(name.to_owned());
            } else {
                patterns.extend(
                    completing
                        .iter()
                        .map(|namespace| format!("{namespace}/{name}")),
                );
            }
        }
        Ok(patterns)
    }
}

fn on(list: &[(Side, String)], side: Side) -> impl Iterator<Item = &str> {
    list.iter()
        .filter(move |(of, _)| *of == side)
        .map(|(_, text)| text.as_str())
}
