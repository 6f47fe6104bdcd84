//! The page's interface at a daemon that runs, over real HTTP: who dropped my packet, by which rule,
//! what happened before, and who may see it.

mod support;

use std::io::{BufRead, BufReader};

use flowd_testbed::traffic::{Outcome, TcpEcho, tcp_connect};
use serde_json::{Value, json};
use support::{SILENCE, Scene, eventually, flow_of, policy, put, when};

const PORT: u16 = 8080;

// printf %s open-sesame | sha256sum
const TOKENS: &str =
    "bank-robot sha256:d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7\n";

/// Somebody with the page open.
struct Browser {
    agent: ureq::Agent,
    page: String,
    cookie: String,
}

impl Browser {
    fn log_in(scene: &Scene, token: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.build().new_agent();
        let address = scene.flowd.web_address().expect("an address");
        let page = format!("http://{address}");
        let login = format!("{page}/api/v1/login");
        let login = agent.post(login).content_type("application/json");
        let answer = login.send(json!({ "token": token }).to_string());
        let answer = answer.expect("flowd answers");
        assert_eq!(answer.status(), 200);
        let set = answer.headers()["set-cookie"].to_str().expect("text");
        let cookie = set.split(';').next().expect("a part").to_owned();
        Self {
            agent,
            page,
            cookie,
        }
    }

    fn ask(&self, path: &str) -> ureq::http::Response<ureq::Body> {
        let request = self.agent.get(format!("{}{path}", self.page));
        let answer = request.header("cookie", &self.cookie).call();
        answer.expect("flowd answers")
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let mut answer = self.ask(path);
        let body = answer.body_mut().read_to_string().expect("text");
        let body = serde_json::from_str(&body).expect("JSON");
        (answer.status().as_u16(), body)
    }

    /// The messages of a stream, as they come.
    fn stream(&self, query: &str) -> impl Iterator<Item = Value> + use<> {
        let answer = self.ask(&format!("/api/v1/flows/stream?{query}"));
        assert_eq!(answer.status(), 200);
        let lines = BufReader::new(answer.into_body().into_reader()).lines();
        lines.map_while(Result::ok).filter_map(|line| {
            let data = line.strip_prefix("data:")?.trim();
            Some(serde_json::from_str(data).expect("JSON"))
        })
    }
}

/// A shop whose backend lets nobody in, which somebody has tried; and a bank's robot.
fn robbed() -> (Scene, Vec<flowd_testbed::Pod>) {
    let mut scene =
        Scene::with(|builder, directory| builder.arg("--config").arg(directory.join("flowd.yaml")));
    let tokens = scene.directory.path().join("tokens");
    put(&tokens, TOKENS);
    let config = format!(
        "access:\n  tokens: {}\n  clients: [{{token: bank-robot, role: observer, namespaces: [bank]}}]\n",
        tokens.display()
    );
    put(&scene.directory.path().join("flowd.yaml"), &config);
    let pods: Vec<_> = ["backend", "stranger"].map(|name| scene.pod(name)).into();
    scene.launch();
    scene.enforce("nobody", &policy("nobody", "backend", "ingress: [{}]"));
    let outcome = tcp_connect(&pods[1].namespace, pods[0].ipv4, PORT, SILENCE);
    assert_ne!(outcome.expect("a try"), Outcome::Connected);
    scene.flow(&flow_of("tcp").ingress().dropped());
    (scene, pods)
}

#[test]
fn who_dropped_my_packet_and_what_happened_before() {
    let (scene, pods) = robbed();
    let _server = TcpEcho::start(&pods[0].namespace, pods[0].ipv4, PORT).expect("listens");
    let browser = Browser::log_in(&scene, &scene.flowd.web_token().expect("a token"));

    let dropped = "verdict=DROPPED&pod=shop/stranger&direction=ingress&port=8080";
    let (status, flows) = browser.get(&format!("/api/v1/flows?{dropped}"));
    assert_eq!(status, 200);
    let uuid = flows[0]["flow"]["uuid"]
        .as_str()
        .expect("a uuid")
        .to_owned();
    let (status, why) = browser.get(&format!("/api/v1/why?uuid={uuid}"));
    assert_eq!(status, 200, "{why}");
    let ends = why["ends"].as_array().expect("ends");
    let end = ends.iter().find(|end| end["endpoint"] == "shop/backend");
    let end = end.expect("the end that dropped it");
    assert_eq!(end["verdict"], "DROPPED");
    let denier = &end["default_denied_by"][0]["policy"];
    assert_eq!(
        (&denier["name"], &denier["line"]),
        (&json!("nobody"), &json!(1))
    );
    assert!(
        end["suggestion"]
            .as_str()
            .is_some_and(|yaml| yaml.contains("8080"))
    );

    // What is suggested is put in force while the page looks on.
    let mut stream = browser.stream(&format!("{dropped}&events=true&last=1"));
    let first = stream.next().expect("a message");
    assert_eq!(first["flows"][0]["flow"]["uuid"], json!(uuid));
    let events = first["events"].as_array().expect("events");
    let added = events
        .iter()
        .find(|told| told["event"]["policy"]["name"] == "nobody");
    assert_eq!(added.expect("the policy came")["at"], 0, "before the drop");
    scene.enforce("suggested", end["suggestion"].as_str().expect("text"));
    let told = stream.take(20).find_map(|message| {
        let events = message["events"].as_array()?;
        let added = events
            .iter()
            .find(|told| !told["event"]["policy"].is_null())?;
        Some(added["event"]["policy"]["change"].clone())
    });
    assert_eq!(told, Some(json!("ADDED")));
    eventually("what is suggested lets it pass", || {
        let outcome = tcp_connect(&pods[1].namespace, pods[0].ipv4, PORT, SILENCE);
        let outcome = outcome.map_err(|error| error.to_string())?;
        when(outcome == Outcome::Connected, format!("{outcome:?}"))
    });
}

#[test]
fn an_observer_of_another_namespace_learns_nothing_from_the_page() {
    let (scene, _pods) = robbed();
    let owner = Browser::log_in(&scene, &scene.flowd.web_token().expect("a token"));
    let robot = Browser::log_in(&scene, "open-sesame");
    let (_, flows) = owner.get("/api/v1/flows?verdict=DROPPED");
    let uuid = flows[0]["flow"]["uuid"]
        .as_str()
        .expect("a uuid")
        .to_owned();
    assert_eq!(robot.get("/api/v1/flows?last=100"), (200, json!([])));
    let (status, error) = robot.get(&format!("/api/v1/why?uuid={uuid}"));
    assert_eq!(status, 404, "{error}");
    let (_, state) = robot.get("/api/v1/status");
    assert_eq!(state["endpoints"], Value::Null);

    let of_shop = |message: &Value| message.to_string().contains("shop");
    let first = |browser: &Browser| {
        let mut stream = browser.stream("events=true&last=100");
        stream.next().expect("a message")
    };
    assert!(of_shop(&first(&owner)));
    let message = first(&robot);
    assert!(!of_shop(&message), "{message}");
    assert!(
        message["events"].to_string().contains("started"),
        "{message}"
    );
}
