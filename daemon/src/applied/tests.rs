//! What survives, what is refused, what undoes itself.

use std::path::Path;

use super::{Applied, StoreError};

fn policy(name: &str, port: u16) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         endpointSelector: {{}}\n  ingress:\n  - toPorts: [{{ports: [{{port: \"{port}\"}}]}}]\n"
    )
}

fn store(root: &Path) -> Applied {
    Applied::open(&root.join("applied")).expect("made")
}

const A: &str = "CiliumNetworkPolicy/default/a";

#[test]
fn an_applied_policy_is_replaced_and_deleted_by_name() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    let change = store.apply(&policy("a", 80), &[], 0, 0).expect("applied");
    assert_eq!(
        (change.objects.as_slice(), change.pending),
        ([A.to_owned()].as_slice(), None)
    );
    store.apply(&policy("a", 81), &[], 0, 0).expect("replaced");
    assert!(store.text_of(A).expect("kept").contains("\"81\""));
    assert!(matches!(store.delete("b"), Err(StoreError::NotFound(_))));
    assert_eq!(store.delete("a").expect("deleted").objects, [A]);
    assert_eq!(store.text_of(A), None);
}

#[test]
fn a_change_nobody_confirms_is_undone_also_by_the_next_daemon() {
    let root = tempfile::tempdir().expect("a directory");
    let first = store(root.path());
    first.apply(&policy("a", 80), &[], 0, 0).expect("applied");
    let both = format!("{}---\n{}", policy("a", 81), policy("b", 82));
    let pending = first
        .apply(&both, &[], 100, 60)
        .expect("applied")
        .pending
        .expect("waits");
    assert_eq!(pending.undone_at, 160);
    let next = store(root.path());
    assert_eq!(next.undo_overdue(159).expect("readable"), None);
    assert_eq!(next.undo_overdue(160).expect("undone"), Some(pending));
    assert!(next.text_of(A).expect("kept").contains("\"80\""));
    assert_eq!(next.text_of("CiliumNetworkPolicy/default/b"), None);
    assert_eq!(next.undo_overdue(1000).expect("readable"), None);
}

#[test]
fn a_confirmed_change_stays() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    let change = store
        .apply(&policy("a", 80), &[], 100, 60)
        .expect("applied");
    let number = change.pending.expect("waits").confirmation;
    let second = store.apply(&policy("b", 80), &[], 100, 0);
    assert!(matches!(second, Err(StoreError::Refused(text)) if text.contains(&number)));
    assert!(matches!(
        store.confirm("other"),
        Err(StoreError::NotFound(_))
    ));
    store.confirm(&number).expect("confirmed");
    assert_eq!(store.undo_overdue(1000).expect("readable"), None);
    assert!(store.text_of(A).is_some());
}

#[test]
fn what_is_wrong_changes_nothing() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    let text = format!(
        "{}---\n{}",
        policy("a", 80),
        policy("b", 80).replace("toPorts", "toPort")
    );
    assert!(matches!(
        store.apply(&text, &[], 0, 0),
        Err(StoreError::Invalid(_))
    ));
    let taken = store.apply(&policy("a", 80), &[A.to_owned()], 0, 0);
    assert!(matches!(taken, Err(StoreError::Refused(text)) if text.contains("policy directory")));
    assert!(matches!(
        store.apply("", &[], 0, 0),
        Err(StoreError::Refused(_))
    ));
    assert_eq!(store.text_of(A), None);
}
