//! Wrong policies with what must be said about them, from the tables beside this file: `== kind`, a
//! text, `--`, and the findings. The kind says what stands around the text, so that a case shows
//! only what is wrong.

/// What stands above the spec in most cases; the spec is in line 4.
const HEAD: &str = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\n";

const TABLES: [(&str, &str); 7] = [
    ("cluster_policies", include_str!("cluster_policies.txt")),
    ("documents", include_str!("documents.txt")),
    ("specs", include_str!("specs.txt")),
    ("selectors", include_str!("selectors.txt")),
    ("peers", include_str!("peers.txt")),
    ("network_policies", include_str!("network_policies.txt")),
    ("destinations", include_str!("destinations.txt")),
];

/// One wrong policy.
pub(crate) struct Case {
    /// The table it stands in.
    pub(crate) table: &'static str,
    /// The whole file.
    pub(crate) text: String,
    /// What must be said about it, a line each.
    pub(crate) findings: &'static str,
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let of_table = |(table, text): (&'static str, &'static str)| {
        let cases = text.split("== ").skip(1);
        cases.map(move |case| {
            let (kind, rest) = case.split_once('\n').unwrap();
            let (text, findings) = rest.split_once("\n--\n").unwrap();
            Case {
                table,
                text: whole(kind, text),
                findings,
            }
        })
    };
    TABLES.into_iter().flat_map(of_table).collect()
}

/// The file of a case.
pub(crate) fn whole(kind: &str, text: &str) -> String {
    match kind {
        "doc" => text.to_owned(),
        "headed" => format!("{HEAD}{text}\n"),
        "spec" => whole(
            "headed",
            &format!("spec:\n  endpointSelector: {{}}\n  {text}"),
        ),
        "rule" => whole("spec", &format!("ingress:\n  - {text}")),
        "port" => whole("rule", &format!("toPorts: [{{ports: [{{{text}}}]}}]")),
        "knp" => whole(
            "doc",
            &format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
                 metadata: {{name: p}}\nspec:\n  {text}\n"
            ),
        ),
        "cluster" => whole(
            "doc",
            &format!(
                "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\n\
                 metadata: {{name: p}}\nspec:\n  {text}\n"
            ),
        ),
        "ordered" | "leaving" => {
            let list = if kind == "ordered" {
                "ingress"
            } else {
                "egress"
            };
            let spec = "tier: Admin\n  priority: 1\n  subject: {namespaces: {}}";
            whole("cluster", &format!("{spec}\n  {list}:\n  - {text}"))
        }
        other => panic!("unknown kind {other}"),
    }
}
