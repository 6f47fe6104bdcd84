//! `flowctl policy`: work on policy files, without a daemon.

use std::path::PathBuf;

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
}

const VALIDATE: &str = "\
Examples:
  flowctl policy validate policies/             every .yaml, .yml and .json file in it
  flowctl policy validate -o json a.yaml b.yaml";

const TEST: &str = "\
Examples:
  flowctl policy test --policies policies/ --world world.yaml --cases cases.yaml

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
