//! Audit by namespace and by endpoint: traffic passes and is told, whoever dies in between, until it
//! is enforced again.

mod support;

use flowd_proto::flow::Verdict;
use flowd_testbed::{
    Pod,
    traffic::{TcpEcho, tcp_connect},
};
use support::{PATIENCE, SILENCE, Scene, eventually, flow_of, policy, put, text, when};

const PORT: u16 = 8080;

struct Shop {
    scene: Scene,
    frontend: Pod,
    backend: Pod,
    _server: TcpEcho,
}

impl Shop {
    /// Nobody may reach the backend; its own file says nothing about its mode.
    fn open() -> Self {
        let mut scene = Scene::new();
        let [frontend, backend] = ["frontend", "backend"].map(|name| scene.pod(name));
        scene.edit_endpoint(&backend, |text| text.replace("  mode: enforce\n", ""));
        let yaml = policy(
            "closed",
            "backend",
            "ingress: [{fromEndpoints: [{matchLabels: {app: nobody}}]}]",
        );
        scene.flowd.write_policy("closed", &yaml).expect("written");
        scene.launch();
        let server = TcpEcho::start(&backend.namespace, backend.ipv4, PORT).expect("listens");
        Self {
            scene,
            frontend,
            backend,
            _server: server,
        }
    }

    fn passes(&self, passes: bool) {
        let patience = if passes { PATIENCE } else { SILENCE };
        let (from, to) = (&self.frontend.namespace, self.backend.ipv4);
        let outcome = tcp_connect(from, to, PORT, patience).expect("attempted");
        assert_eq!(outcome.is_connected(), passes, "{outcome:?}");
    }

    /// The backend's mode and who set it, once they are these.
    fn mode(&self, mode: &str, source: &str) {
        eventually("the mode is served", || {
            let endpoint = self.scene.api().endpoint("backend").ok_or("no backend")?;
            let seen = (endpoint.mode, endpoint.mode_source);
            when(seen == (mode.to_owned(), source.to_owned()), seen)
        });
    }

    fn say(&self, words: &[&str]) -> String {
        self.scene.lines(words).join("\n")
    }
}

#[test]
fn an_audited_namespace_stays_audited_over_a_crash_until_it_is_enforced_again() {
    let mut shop = Shop::open();
    shop.passes(false);
    let said = shop.say(&["mode", "set", "namespace/shop", "audit"]);
    assert!(
        said.contains("namespace/shop: audit, for 1 endpoint as of"),
        "{said}"
    );
    assert!(
        said.contains("have a mode of their own: frontend"),
        "{said}"
    );
    shop.passes(true);
    let audited = flow_of("tcp").to(&shop.backend).port(PORT).audited();
    let flow = shop.scene.flow(&audited);
    assert_eq!(flow.verdict(), Verdict::Audit);
    let extension = flow.extension().expect("an extension");
    assert_eq!(extension.default_denied_by[0].name, "closed");
    let log = shop.scene.flowd.log().expect("a log");
    assert!(log.contains("mode set through the API"), "{log}");

    shop.scene.flowd.kill9().expect("killed");
    shop.passes(true);
    shop.scene.launch();
    shop.passes(true);
    shop.mode("audit", "set for the namespace");
    assert!(
        shop.say(&["status"])
            .contains("audit (set for the namespace)")
    );
    // One of it that is enforced all the same.
    shop.say(&["mode", "set", "endpoint/shop/backend", "enforce"]);
    shop.passes(false);
    let listed = shop.say(&["mode", "list"]);
    for row in [
        "namespace/shop          audit    0",
        "endpoint/shop/backend   enforce   1",
    ] {
        let words: Vec<&str> = row.split_whitespace().collect();
        let mut rows = listed
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        assert!(rows.any(|row| row == words), "{words:?}: {listed}");
    }
    shop.say(&["mode", "clear", "endpoint/shop/backend"]);
    shop.passes(true);

    shop.say(&["mode", "set", "namespace/shop", "enforce"]);
    shop.passes(false);
    shop.mode("enforce", "set for the namespace");
    shop.say(&["mode", "clear", "namespace/shop"]);
    shop.mode("enforce", "default");
    let output = shop.scene.run_flowctl(&["mode", "clear", "namespace/shop"]);
    assert!(!output.status.success() && text(&output.stderr).contains("no mode was set"));
    let output = shop.scene.run_flowctl(&["mode", "set", "shop", "audit"]);
    assert!(
        text(&output.stderr).contains("endpoint/NAMESPACE/NAME"),
        "{output:?}"
    );
}

#[test]
fn a_namespace_object_and_an_endpoints_own_file_say_the_mode() {
    let shop = Shop::open();
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  annotations: \
                     {flowd.io/mode: audit}\n";
    put(&shop.scene.flowd.policies().join("shop.yaml"), namespace);
    shop.mode("audit", "Namespace object");
    shop.passes(true);
    shop.scene.edit_endpoint(&shop.backend, |text| text);
    shop.mode("enforce", "endpoint file");
    shop.passes(false);
}
