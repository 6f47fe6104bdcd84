//! Names of workloads and services, and the namespaces that complete them: the API knows only
//! `namespace/name`.

use super::FilterError;
use super::pair::{Pair, pick};
use crate::args::{Field, Side, Term};

const SIDES: [Side; 3] = [Side::Either, Side::From, Side::To];

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pods: Vec<(Side, String)>,
    services: Vec<(Side, String)>,
    namespaces: Vec<(Side, String)>,
    any_namespace: Vec<Side>,
    inherited: Vec<(Side, String)>,
}

impl Names {
    pub(super) fn collect(terms: &[&Term]) -> Result<Self, FilterError> {
        let of = |field: Field| {
            let terms = terms.iter().filter(move |term| term.field == field);
            terms
                .map(|term| (term.side, term.value.clone()))
                .collect::<Vec<_>>()
        };
        let any = of(Field::AllNamespaces).into_iter().map(|(side, _)| side);
        let names = Self {
            pods: of(Field::Pod),
            services: of(Field::Service),
            namespaces: of(Field::Namespace),
            any_namespace: any.collect(),
            inherited: Vec::new(),
        };
        names.check()?;
        Ok(names)
    }

    fn check(&self) -> Result<(), FilterError> {
        if !self.any_namespace.is_empty() && !self.namespaces.is_empty() {
            return Err(FilterError::Conflict("--all-namespaces and --namespace"));
        }
        let one_sided = self
            .namespaces
            .iter()
            .any(|(side, _)| *side != Side::Either);
        for (list, flags) in [
            (&self.pods, "--pod and --from-namespace or --to-namespace"),
            (
                &self.services,
                "--service and --from-namespace or --to-namespace",
            ),
        ] {
            if one_sided && on(list, Side::Either).next().is_some() {
                return Err(FilterError::Conflict(flags));
            }
        }
        match self.namespaces.iter().find(|(_, ns)| ns.contains('/')) {
            Some((_, wrong)) => Err(FilterError::Value(format!("{wrong:?} is no namespace"))),
            None => Ok(()),
        }
    }

    /// With `-n shop --not --pod db`, the db that is meant is shop's.
    pub(super) fn inheriting(mut self, allowed: &Self) -> Self {
        if self.namespaces.is_empty() && self.any_namespace.is_empty() {
            self.any_namespace.clone_from(&allowed.any_namespace);
            self.inherited.clone_from(&allowed.namespaces);
        }
        self
    }

    pub(super) fn add_to(&self, pair: &mut Pair) -> Result<(), FilterError> {
        for side in SIDES {
            for text in self.whole_namespaces(side) {
                pair.ends(side, &text, |filter, end, text| {
                    pick(end, &mut filter.source_pod, &mut filter.destination_pod)
                        .push(text.to_owned());
                    Ok(())
                })?;
            }
            for text in self.patterns(side, &self.pods)? {
                pair.ends(side, &text, |filter, end, text| {
                    pick(end, &mut filter.source_pod, &mut filter.destination_pod)
                        .push(text.to_owned());
                    Ok(())
                })?;
            }
            for text in self.patterns(side, &self.services)? {
                pair.ends(side, &text, |filter, end, text| {
                    let (source, destination) =
                        (&mut filter.source_service, &mut filter.destination_service);
                    pick(end, source, destination).push(text.to_owned());
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// Namespaces that complete no name stand for all their workloads.
    fn whole_namespaces(&self, side: Side) -> Vec<String> {
        let named = |list: &[(Side, String)]| on(list, side).next().is_some();
        // `-n shop --from-pod web` means shop's web, and no more than that.
        let nameless = self.pods.is_empty() && self.services.is_empty();
        let used_up = side == Side::Either && !nameless;
        if used_up || named(&self.pods) || named(&self.services) {
            return Vec::new();
        }
        on(&self.namespaces, side)
            .map(|namespace| format!("{namespace}/"))
            .collect()
    }

    /// What the API is asked for on one side.
    fn patterns(&self, side: Side, list: &[(Side, String)]) -> Result<Vec<String>, FilterError> {
        let mut own: Vec<&str> = on(&self.namespaces, side).collect();
        if own.is_empty() {
            own.extend(on(&self.namespaces, Side::Either));
        }
        let inherited = on(&self.inherited, side).chain(on(&self.inherited, Side::Either));
        let mut completing: Vec<&str> = own.iter().copied().chain(inherited).collect();
        completing.dedup();
        let any = self
            .any_namespace
            .iter()
            .any(|of| *of == side || *of == Side::Either);
        let mut patterns = Vec::new();
        for name in on(list, side) {
            if let Some((namespace, _)) = name.split_once('/') {
                if !own.is_empty() && !own.contains(&namespace) {
                    let line = format!("{name:?} is not in namespace {}", own.join(" or "));
                    return Err(FilterError::Value(line));
                }
                patterns.push(name.to_owned());
            } else if any {
                patterns.push(format!("/{name}"));
            } else if completing.is_empty() {
                patterns.push(name.to_owned());
            } else {
                let completed = completing.iter();
                patterns.extend(completed.map(|namespace| format!("{namespace}/{name}")));
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
