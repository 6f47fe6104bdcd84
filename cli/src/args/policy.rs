//! `flowctl policy`: policy files checked and asked without a daemon, policies applied to one.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Check policy files: every mistake with its place, and what is accepted but not enforced
    ///
    /// Exits with 0 if all files are valid, with 1 if there are errors, with 2 if the files cannot be
    /// found. Needs no server.
    #[command(after_help = VALIDATE)]
    Validate(ValidateArgs),
    /// Answer cases: who may talk to whom under these policies
    ///
    /// Exits with 1 if an answer is not what its case expects, or a file is wrong. Needs no server.
    #[command(after_help = TEST)]
    Test(TestArgs),
    /// Put policies in force, kept over restarts
    ///
    /// All objects of all files, or none. With --confirm the change undoes itself after that time,
    /// also when the daemon restarts, unless `flowctl policy confirm` makes it stay.
    #[command(after_help = APPLY)]
    Apply(ApplyArgs),
    /// Show which live connections and recent flows a change would give another verdict
    ///
    /// Asks what is in the daemon's tables and its log about the policies as they would be; changes
    /// nothing. Exits with 0 if no verdict would change, with 1 if one would.
    #[command(after_help = DIFF)]
    Diff(DiffArgs),
    /// Make a change stay that waits for its confirmation
    Confirm {
        /// Its number; needed only to be sure it is that one
        confirmation: Option<String>,
    },
    /// Take applied policies out of force
    Delete {
        /// `Kind/namespace/name`, `namespace/name` or `name`
        #[arg(required = true, value_name = "POLICY")]
        policies: Vec<String>,
        /// Delete the shadow policy of that name, not the enforced one
        #[arg(long)]
        shadow: bool,
    },
    /// List the policies in force
    List {
        /// How to print them
        #[arg(short, long, value_enum, default_value_t)]
        output: TestOutput,
    },
    /// Print the text of an applied policy
    Get {
        /// `Kind/namespace/name`, `namespace/name` or `name`
        #[arg(value_name = "POLICY")]
        policy: String,
        /// The shadow policy of that name, not the enforced one
        #[arg(long)]
        shadow: bool,
    },
}

const APPLY: &str = "\
Examples:
  flowctl policy apply -f policy.yaml --confirm 60s
  flowctl policy confirm                        still connected: keep it
  flowctl policy apply -f policy.yaml --shadow  what would it do? see observe --shadow changed
  flowctl policy apply -f policy.yaml           it is right: enforce it
  cat policy.yaml | flowctl policy apply -f - --dry-run";

/// What to put in force.
#[derive(Args, Debug)]
pub struct ApplyArgs {
    /// Files of policies; `-` is standard input
    #[arg(short, long = "file", required = true, num_args = 1.., value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Undo the change after this time unless it is confirmed
    #[arg(long, value_name = "DURATION", value_parser = super::time::go_duration)]
    pub confirm: Option<Duration>,
    /// Check only
    #[arg(long)]
    pub dry_run: bool,
    /// Judge the policies beside the enforced ones, and never enforce them
    ///
    /// Flows then say what would have become of them, and by which rule. What is enforced under the
    /// same name stays; to enforce the new policy, apply it without --shadow.
    #[arg(long)]
    pub shadow: bool,
}

const DIFF: &str = "\
Examples:
  flowctl policy diff -f new.yaml               in the place of the policies of the same name
  flowctl policy diff --delete shop/web --since 10m -o json";

/// What would change.
#[derive(Args, Debug)]
pub struct DiffArgs {
    /// Files of policies that would be put in force; `-` is standard input
    #[arg(short, long = "file", num_args = 1.., value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A policy that would be gone: `Kind/namespace/name`, `namespace/name` or `name`
    #[arg(long, value_name = "POLICY")]
    pub delete: Vec<String>,
    /// Look at flows of this time only, not at the whole log
    #[arg(long, value_name = "DURATION", value_parser = super::time::go_duration)]
    pub since: Option<Duration>,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub output: TestOutput,
}

const VALIDATE: &str = "\
Examples:
  flowctl policy validate policies/             every .yaml, .yml and .json file in it
  flowctl policy validate -o json a.yaml b.yaml";

const TEST: &str = "\
Examples:
  flowctl policy test --policies policies/ --world world.yaml --cases cases.yaml
  sudo flowctl policy test --live --policies policies/ --world world.yaml --cases cases.yaml -o json

The world is a file such as
  namespaces: [{name: shop, labels: {env: prod}}]
  endpoints: [{name: web, namespace: shop, labels: {app: web}, ips: [10.1.1.1],
               ports: [{name: http, port: 8080, protocol: TCP}]}]
  externals: [{name: office, ip: 203.0.113.7}]
and the cases are a list such as
  - {id: a, from: office, to: shop/web, protocol: TCP, port: 8080, expect: allowed}
  - {id: b, from: shop/web, to: 192.0.2.1, protocol: ICMP, icmpType: 8}";

/// What to check.
#[derive(Args, Debug)]
pub struct ValidateArgs {
    /// Files, or directories of them
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
    /// How to print the findings
    #[arg(short, long, value_enum, default_value_t)]
    pub output: ValidateOutput,
}

/// What to ask of which policies.
#[derive(Args, Debug)]
pub struct TestArgs {
    /// Files of policies, or directories of them
    #[arg(long, required = true, num_args = 1.., value_name = "FILE|DIR")]
    pub policies: Vec<PathBuf>,
    /// The file that says who there is
    #[arg(long, value_name = "FILE")]
    pub world: PathBuf,
    /// Files of cases
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub cases: Vec<PathBuf>,
    /// Try the cases with real packets too, in network namespaces of their own; needs root, and flowd
    /// and flowd-policy-live beside flowctl or in PATH
    #[arg(long)]
    pub live: bool,
    /// How to print the answers
    #[arg(short, long, value_enum, default_value_t)]
    pub output: TestOutput,
}

/// How to print findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ValidateOutput {
    /// A line for each.
    #[default]
    Compact,
    /// For programs.
    Json,
}

/// How to print answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TestOutput {
    /// Aligned columns.
    #[default]
    Table,
    /// For programs.
    Json,
}
