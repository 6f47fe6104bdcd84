//! What survives, what is refused, what undoes itself.

use std::path::Path;

use super::{Applied, Change, Elsewhere, StoreError, Wish};

fn policy(name: &str, port: u16) -> String {
    format!(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         endpointSelector: {{}}\n  ingress:\n  - toPorts: [{{ports: [{{port: \"{port}\"}}]}}]\n"
    )
}

fn store(root: &Path) -> Applied {
    Applied::open(&root.join("applied")).expect("made")
}

/// Applies a text, to wait for `confirm` seconds from second `now` on.
fn apply(store: &Applied, text: &str, now: u64, confirm: u32) -> Result<Change, StoreError> {
    let wish = Wish {
        text,
        confirm,
        ..Wish::default()
    };
    store.apply(wish, &Elsewhere::default(), now)
}

fn shadow(store: &Applied, text: &str) -> Result<Change, StoreError> {
    let wish = Wish {
        text,
        shadow: true,
        ..Wish::default()
    };
    store.apply(wish, &Elsewhere::default(), 0)
}

const A: &str = "CiliumNetworkPolicy/default/a";
const B: &str = "CiliumNetworkPolicy/default/b";

#[test]
fn an_applied_policy_is_replaced_and_deleted_by_name() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    let change = apply(&store, &policy("a", 80), 0, 0).expect("applied");
    assert_eq!(
        (change.objects.as_slice(), change.pending),
        ([A.to_owned()].as_slice(), None)
    );
    apply(&store, &policy("a", 81), 0, 0).expect("replaced");
    assert!(store.text_of(A, false).expect("kept").contains("\"81\""));
    assert!(matches!(
        store.delete("b", false),
        Err(StoreError::NotFound(_))
    ));
    assert_eq!(store.delete("a", false).expect("deleted").objects, [A]);
    assert_eq!(store.text_of(A, false), None);
}

#[test]
fn a_change_nobody_confirms_is_undone_also_by_the_next_daemon() {
    let root = tempfile::tempdir().expect("a directory");
    let first = store(root.path());
    apply(&first, &policy("a", 80), 0, 0).expect("applied");
    let both = format!("{}---\n{}", policy("a", 81), policy("b", 82));
    let pending = apply(&first, &both, 100, 60)
        .expect("applied")
        .pending
        .expect("waits");
    assert_eq!(pending.undone_at, 160);
    let next = store(root.path());
    assert_eq!(next.undo_overdue(159).expect("readable"), None);
    assert_eq!(next.undo_overdue(160).expect("undone"), Some(pending));
    assert!(next.text_of(A, false).expect("kept").contains("\"80\""));
    assert_eq!(next.text_of(B, false), None);
    assert_eq!(next.undo_overdue(1000).expect("readable"), None);
}

#[test]
fn a_confirmed_change_stays() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    let change = apply(&store, &policy("a", 80), 100, 60).expect("applied");
    let number = change.pending.expect("waits").confirmation;
    let second = apply(&store, &policy("b", 80), 100, 0);
    assert!(matches!(second, Err(StoreError::Refused(text)) if text.contains(&number)));
    assert!(matches!(
        store.confirm("other"),
        Err(StoreError::NotFound(_))
    ));
    store.confirm(&number).expect("confirmed");
    assert_eq!(store.undo_overdue(1000).expect("readable"), None);
    assert!(store.text_of(A, false).is_some());
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
        apply(&store, &text, 0, 0),
        Err(StoreError::Invalid(_))
    ));
    let elsewhere = Elsewhere {
        enforced: vec![A.to_owned()],
        ..Elsewhere::default()
    };
    let text = policy("a", 80);
    let wish = Wish {
        text: &text,
        ..Wish::default()
    };
    let taken = store.apply(wish, &elsewhere, 0);
    assert!(matches!(taken, Err(StoreError::Refused(text)) if text.contains("policy directory")));
    assert!(matches!(
        apply(&store, "", 0, 0),
        Err(StoreError::Refused(_))
    ));
    assert_eq!(store.text_of(A, false), None);
}

#[test]
fn a_shadow_policy_lies_beside_the_enforced_one_until_it_is_promoted() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    apply(&store, &policy("a", 80), 0, 0).expect("applied");
    shadow(&store, &policy("a", 81)).expect("applied");
    let of = |shadow| store.text_of(A, shadow).unwrap_or_default();
    assert!(of(false).contains("\"80\"") && of(true).contains("\"81\""));
    // An enforced change of one with a shadow is its promotion.
    apply(&store, &policy("a", 81), 0, 0).expect("applied");
    assert!(of(false).contains("\"81\"") && of(true).is_empty());
    // The enforced one goes first, and a shadow on its own by its name alone.
    shadow(&store, &policy("a", 82)).expect("applied");
    shadow(&store, &policy("b", 82)).expect("applied");
    store.delete("a", true).expect("the shadow");
    assert!(matches!(
        store.delete("a", true),
        Err(StoreError::NotFound(_))
    ));
    store.delete("b", false).expect("there is no other");
    assert!(of(false).contains("\"81\""));
    // A promotion that nobody confirms brings the shadow back.
    shadow(&store, &policy("a", 83)).expect("applied");
    apply(&store, &policy("a", 83), 100, 60).expect("applied");
    assert!(of(true).is_empty());
    store.undo_overdue(160).expect("undone").expect("it waited");
    assert!(of(false).contains("\"81\"") && of(true).contains("\"83\""));
}

#[test]
fn only_policies_can_be_shadow_and_their_text_can_say_so() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    let group = "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: g}\nspec: \
                 {externalCIDRs: [10.0.0.0/8]}\n";
    let refused = shadow(&store, group).expect_err("no policy").to_string();
    assert!(refused.contains("without --shadow"), "{refused}");
    let annotated = policy("a", 80).replace(
        "{name: a}",
        "{name: a, annotations: {flowd.io/mode: shadow}}",
    );
    apply(&store, &annotated, 0, 0).expect("applied");
    assert!(store.text_of(A, false).is_none() && store.text_of(A, true).is_some());
}

/// A list of policies, as one document.
fn list(names: &[&str]) -> String {
    let items: String = names
        .iter()
        .map(|name| {
            format!(
                "- apiVersion: cilium.io/v2\n  kind: CiliumNetworkPolicy\n  metadata: {{name: \
                 {name}}}\n  spec: {{endpointSelector: {{}}, ingress: [{{}}]}}\n"
            )
        })
        .collect();
    format!("apiVersion: v1\nkind: List\nitems:\n{items}")
}

#[test]
fn each_object_is_in_force_once() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    let both = format!("{}---\n{}", policy("a", 80), policy("a", 81));
    for twice in [list(&["a", "a"]), both] {
        let refused = apply(&store, &twice, 0, 0)
            .expect_err("refused")
            .to_string();
        assert!(refused.contains("a is in the text twice"), "{refused}");
    }
    assert_eq!(store.text_of(A, false), None);
    // A list takes the place of what was applied one by one, and gives it back.
    apply(&store, &policy("a", 80), 0, 0).expect("applied");
    apply(&store, &policy("b", 80), 0, 0).expect("applied");
    apply(&store, &list(&["b", "a"]), 100, 60).expect("applied");
    let files = || {
        let files = std::fs::read_dir(root.path().join("applied")).expect("there");
        let names = files.map(|file| file.expect("there").file_name());
        let yaml = names.filter(|name| name.to_string_lossy().ends_with(".yaml"));
        yaml.count()
    };
    assert_eq!(files(), 1);
    store.undo_overdue(160).expect("undone").expect("it waited");
    assert_eq!(files(), 2);
    assert!(store.text_of(B, false).expect("kept").contains("\"80\""));
    // One of a list is not replaced on its own: the others would go with it.
    apply(&store, &list(&["a", "b"]), 0, 0).expect("applied");
    let refused = apply(&store, &policy("a", 80), 0, 0)
        .expect_err("refused")
        .to_string();
    assert!(refused.contains(B), "{refused}");
    assert!(store.text_of(B, false).is_some());
    apply(&store, &list(&["a"]), 0, 0).expect_err("b would go");
}

#[test]
fn what_waits_for_its_confirmation_cannot_be_deleted() {
    let root = tempfile::tempdir().expect("a directory");
    let store = store(root.path());
    apply(&store, &policy("a", 80), 0, 0).expect("applied");
    apply(&store, &policy("b", 80), 0, 0).expect("applied");
    let waits = apply(&store, &policy("a", 81), 100, 60).expect("applied");
    let number = waits.pending.expect("waits").confirmation;
    let refused = store.delete("a", false).expect_err("it would come back");
    assert!(refused.to_string().contains(&number), "{refused}");
    store.delete("b", false).expect("it has no part in it");
    store.confirm(&number).expect("confirmed");
    store.delete("a", false).expect("deleted");
    assert_eq!(store.text_of(A, false), None);
}
