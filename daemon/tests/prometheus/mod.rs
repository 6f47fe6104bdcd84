//! A real Prometheus that scrapes one flowd, and the expressions that people ask it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(20);

/// The folder of what is shipped beside the programs.
pub(crate) fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// A Prometheus on loopback. It ends with the value.
#[derive(Debug)]
pub(crate) struct Prometheus {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Prometheus {
    /// Starts one that scrapes `target` twice a second, with the rules that are shipped.
    pub(crate) fn start(target: SocketAddr, directory: &Path) -> Self {
        let rules = deploy().join("prometheus/flowd.rules.yaml");
        let config = directory.join("prometheus.yml");
        let text = serde_json::json!({
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": [rules],
            "scrape_configs": [{
                "job_name": "flowd",
                "static_configs": [{
                    "targets": [target.to_string()],
                    "labels": {"cluster": "default", "pod": "flowd"},
                }],
            }],
        });
        // JSON is YAML.
        fs::write(&config, text.to_string()).expect("the configuration is written");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let log = directory.join("prometheus.log");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("a log"))
            .spawn()
            .expect("prometheus runs: `make setup` installs it");
        Self {
            child,
            address,
            log,
        }
    }

    /// What `/api/v1/PATH` answers.
    fn get(&self, path: &str, form: &str) -> Result<Value, String> {
        // Rules can be read with GET only.
        let method = if form.is_empty() { "GET" } else { "POST" };
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(ANSWER))?;
            let length = form.len();
            write!(
                stream,
                "{method} /api/v1/{path} HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {length}\r\n\r\n{form}"
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().map_err(|error| {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            format!("{error}; its log:\n{log}")
        })?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let value: Value =
            serde_json::from_str(body).map_err(|error| format!("{error}: {answer}"))?;
        if value["status"] == "success" {
            Ok(value["data"].clone())
        } else {
            Err(value.to_string())
        }
    }

    /// The expressions of the rules, and whether Prometheus could evaluate each.
    pub(crate) fn rules(&self) -> Result<Vec<(String, String)>, String> {
        let data = self.get("rules", "")?;
        let text = |rule: &Value, key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        let groups = data["groups"].as_array().into_iter().flatten();
        let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
        Ok(rules
            .map(|rule| (text(rule, "query"), text(rule, "health")))
            .collect())
    }

    /// The samples of an expression, as of now: labels and value each.
    pub(crate) fn query(&self, expression: &str) -> Result<Vec<(Value, f64)>, String> {
        let data = self.get("query", &format!("query={}", escaped(expression)))?;
        let samples = data["result"].as_array().cloned().unwrap_or_default();
        let sample = |sample: Value| {
            let value = sample["value"][1]
                .as_str()
                .and_then(|text| text.parse().ok());
            (sample["metric"].clone(), value.unwrap_or(f64::NAN))
        };
        Ok(samples.into_iter().map(sample).collect())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has been told by then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// For a form.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(byte).collect()
}

/// An expression that somebody ships.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    /// Where it stands.
    pub(crate) place: String,
    /// As Prometheus is asked it.
    pub(crate) text: String,
    /// What it needs that no flow has.
    pub(crate) needs: Option<String>,
}

/// The expressions of our dashboards, with Grafana's variables put in.
pub(crate) fn dashboards() -> Vec<Expression> {
    let mut found = Vec::new();
    for entry in fs::read_dir(deploy().join("grafana")).expect("dashboards") {
        let path = entry.expect("a dashboard").path();
        let board = json(&path);
        for panel in board["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let text = target["expr"].as_str().expect("an expression");
                let text = text
                    .replace("$__rate_interval", "3s")
                    .replace("$__range", "1m");
                found.push(Expression {
                    place: format!("{}, {}", board["title"], panel["title"]),
                    text: all_values(&text),
                    needs: None,
                });
            }
        }
    }
    found
}

/// The variables that choose among label values, all of them chosen.
fn all_values(text: &str) -> String {
    [
        "instance",
        "source",
        "destination",
        "workload",
        "policy",
        "shadow",
    ]
    .iter()
    .fold(text.to_owned(), |text, name| {
        text.replace(&format!("\"${name}\""), "\".*\"")
    })
}

/// What Hubble's dashboards ask.
pub(crate) fn hubble() -> Vec<Expression> {
    let all = json(&deploy().join("prometheus/hubble-dashboards.json"));
    let boards = all["dashboards"].as_array().expect("dashboards").clone();
    let expressions = boards.into_iter().flat_map(|board| {
        let list = board["expressions"].as_array().cloned().unwrap_or_default();
        list.into_iter().map(move |one| Expression {
            place: format!("Hubble's {}", board["title"]),
            text: one["expr"].as_str().expect("an expression").to_owned(),
            needs: one["needs"].as_str().map(str::to_owned),
        })
    });
    expressions.collect()
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("it is there");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The metrics with their label matchers that occur in an expression.
pub(crate) fn selectors(expression: &str) -> Vec<String> {
    let pattern =
        regex::Regex::new(r"\b(?:up|(?:flowd|hubble)_[a-z_]+)\b(?:\{[^}]*\})?").expect("valid");
    let found = pattern.find_iter(expression);
    found.map(|found| found.as_str().to_owned()).collect()
}
