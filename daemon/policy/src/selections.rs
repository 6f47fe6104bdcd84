//! What each selector selects, kept up to date without asking every selector about every identity.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::{
    labels::{Labels, NAMESPACE_KEY},
    selector::{Requirement, Selector},
};

/// The identities a selector selects.
pub(crate) type Selection = Arc<BTreeSet<u32>>;

/// Selections by number. A number is never given twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selections {
    numbers: HashMap<Selector, u32>,
    kept: HashMap<u32, (Selector, Selection)>,
    /// Those that insist on a label, by its key and value.
    insisting: HashMap<String, HashMap<String, BTreeSet<u32>>>,
    /// All others.
    others: BTreeSet<u32>,
    next: u32,
}

impl Selections {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        *self = Self {
            next: self.next,
            ..Self::default()
        };
    }

    /// The selection of a selector, with its number.
    pub(crate) fn get(&self, selector: &Selector) -> Option<(u32, Selection)> {
        let number = *self.numbers.get(selector)?;
        let (_, selection) = self.kept.get(&number)?;
        Some((number, Arc::clone(selection)))
    }

    /// Keeps a selection; its number.
    pub(crate) fn keep(&mut self, selector: &Selector, selection: &Selection) -> u32 {
        let number = self.next;
        self.next = number.wrapping_add(1);
        match insisted(selector) {
            None => {
                self.others.insert(number);
            }
            Some((key, values)) => {
                let by_value = self.insisting.entry(key.clone()).or_default();
                for value in values {
                    by_value.entry(value.clone()).or_default().insert(number);
                }
            }
        }
        self.numbers.insert(selector.clone(), number);
        let kept = (selector.clone(), Arc::clone(selection));
        self.kept.insert(number, kept);
        number
    }

    /// Takes in an identity; the numbers of the selections that changed.
    pub(crate) fn insert(&mut self, identity: u32, labels: &Labels) -> Vec<u32> {
        self.change(labels, |selection| selection.insert(identity))
    }

    /// Leaves an identity out; the numbers of the selections that changed.
    pub(crate) fn remove(&mut self, identity: u32, labels: &Labels) -> Vec<u32> {
        self.change(labels, |selection| selection.remove(&identity))
    }

    fn change(&mut self, labels: &Labels, change: impl Fn(&mut BTreeSet<u32>) -> bool) -> Vec<u32> {
        let asked = |label: &crate::labels::Label| {
            let by_value = self.insisting.get(label.key())?;
            by_value.get(label.value())
        };
        let mut changed: BTreeSet<u32> =
            labels.iter().filter_map(asked).flatten().copied().collect();
        changed.extend(&self.others);
        let kept = &mut self.kept;
        let selecting = changed.into_iter().filter(|number| {
            let Some((selector, selection)) = kept.get_mut(number) else {
                return false;
            };
            selector.matches(labels) && change(Arc::make_mut(selection))
        });
        selecting.collect()
    }
}

/// A key that whoever is selected carries with one of these values: the namespace where there is a
/// choice, of which each holds few.
fn insisted(selector: &Selector) -> Option<(&String, &BTreeSet<String>)> {
    let required = || {
        selector
            .requirements()
            .filter_map(|requirement| match requirement {
                Requirement::In(key, values) => Some((&key.name, values)),
                Requirement::NotIn(..) | Requirement::Exists(_) | Requirement::DoesNotExist(_) => {
                    None
                }
            })
    };
    let namespace = required().find(|(key, _)| *key == NAMESPACE_KEY);
    namespace.or_else(|| required().next())
}
