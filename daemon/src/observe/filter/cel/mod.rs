//! CEL expressions over a flow, `_flow`: checked when the request comes, bounded when they run.
//!
//! The language of the CEL specification with its standard functions, less the making of messages,
//! `type()` and time zones other than UTC. Numbers of different kinds can be compared, so that
//! `port == 80` means what it says. An expression is of bounded size and depth, and each evaluation
//! of a bounded number of steps: one that fails or costs more does not match.

mod calls;
mod check;
mod eval;
mod functions;
#[cfg(test)]
mod hostile;
mod kind;
mod lex;
mod node;
mod parse;
mod pattern;
mod read;
mod same;
#[cfg(test)]
mod tests;
mod value;

use std::sync::{Arc, LazyLock};

use flowd_proto::FILE_DESCRIPTOR_SET;
use flowd_proto::descriptor::FLOW;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use super::{Build, FilterError};
use crate::flow::Record;
use crate::observe::flow::{View, build};
use crate::observe::mask::Parts;
use check::Checker;
use eval::Evaluation;
use kind::Type;
use node::Node;

/// What the flow is called in an expression.
const VARIABLE: &str = "_flow";
/// Expressions in one request, at most: each flow that passes the other fields is put to all.
pub(super) const MAX_EXPRESSIONS: usize = 16;
/// Parts of an expression, at most.
const MAX_NODES: usize = 512;
/// How deep an expression may be nested.
const MAX_DEPTH: usize = 32;
/// Patterns of `matches` in an expression, at most: each takes memory, and time to compile.
const MAX_PATTERNS: usize = 8;
/// Steps of one evaluation, at most: far below a millisecond.
const FUEL: u32 = 10_000;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET)
        .expect("the descriptor set is written by flowd-proto's build script")
});
static FLOW_SHAPE: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    POOL.get_message_by_name(FLOW)
        .expect("flow.Flow is one of flowd-proto's messages")
});

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mistake {
    at: usize,
    what: String,
}

impl Mistake {
    fn at(at: usize, what: String) -> Self {
        Self { at, what }
    }
}

/// A checked expression.
#[derive(Debug)]
struct Program {
    node: Node,
    parts: Parts,
}

impl Program {
    fn compile(text: &str) -> Result<Self, Mistake> {
        let expr = parse::parse(text)?;
        let mut checker = Checker {
            pool: &POOL,
            flow: &FLOW_SHAPE,
            locals: Vec::new(),
            read: Vec::new(),
            patterns: 0,
        };
        let (node, kind) = checker.check(&expr)?;
        if kind != Type::Bool {
            let what = format!("a filter must be true or false, not {kind}");
            return Err(Mistake::at(0, what));
        }
        let parts = checker
            .read
            .iter()
            .fold(Parts::NONE, |parts, field| match field {
                Some(name) => parts.union(Parts::of_field(name)),
                None => Parts::ALL,
            });
        Ok(Self { node, parts })
    }

    /// Whether it holds for a flow; a failure is a no.
    fn matches(&self, flow: &Arc<DynamicMessage>) -> bool {
        let mut evaluation = Evaluation {
            flow,
            locals: Vec::new(),
            fuel: FUEL,
        };
        evaluation.holds(&self.node).unwrap_or(false)
    }
}

pub(super) fn compile(build: &mut Build<'_>) -> Result<(), FilterError> {
    let Some(experimental) = &build.filter.experimental else {
        return Ok(());
    };
    let mut programs = Vec::with_capacity(experimental.cel_expression.len());
    for text in &experimental.cel_expression {
        let program = Program::compile(text).map_err(|mistake| {
            let before = text.get(..mistake.at).unwrap_or(text);
            let place = before.chars().count() + 1;
            let reason = format!("{} (at character {place})", mistake.what);
            FilterError::value("cel_expression", text, reason)
        })?;
        programs.push(program);
    }
    if programs.is_empty() {
        return Ok(());
    }
    let parts = programs
        .iter()
        .fold(Parts::NONE, |parts, program| parts.union(program.parts));
    let view = View {
        directory: build.context.directory.clone(),
        boot: build.context.boot,
    };
    build.test(move |record| {
        let flow = Arc::new(reflected(record, &view, parts));
        programs.iter().any(|program| program.matches(&flow))
    });
    Ok(())
}

/// The parts of a record's flow, in the form fields are looked up in by name.
fn reflected(record: &Record, view: &View, parts: Parts) -> DynamicMessage {
    let bytes = build(record, view, parts).encode_to_vec();
    // What has just been encoded is a message.
    DynamicMessage::decode(FLOW_SHAPE.clone(), bytes.as_slice())
        .unwrap_or_else(|_| DynamicMessage::new(FLOW_SHAPE.clone()))
}
