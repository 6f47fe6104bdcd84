//! A checked expression: names are resolved, functions chosen, constants known.

use prost_reflect::FieldDescriptor;

use super::pattern::Pattern;
use super::value::Value;

#[derive(Debug)]
pub(super) enum Node {
    Constant(Value),
    /// The flow.
    Flow,
    /// A variable of a macro, counted from the outermost.
    Local(usize),
    /// Fields of messages, one in the other.
    Path(Box<Node>, Vec<FieldDescriptor>),
    /// Whether the last field of a path is set.
    Has(Box<Node>, Vec<FieldDescriptor>),
    /// A field whose message is known only when a flow is seen; whether it is set if `has`.
    Named {
        of: Box<Node>,
        name: String,
        has: bool,
    },
    Index(Box<Node>, Box<Node>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Not(Box<Node>),
    Negative(Box<Node>),
    /// All of them, or any of them.
    Logic {
        any: bool,
        of: Vec<Node>,
    },
    If(Box<[Node; 3]>),
    Compare(Comparison, Box<[Node; 2]>),
    Calculate(Operator, Box<[Node; 2]>),
    Call(Function, Vec<Node>),
    Matches(Box<Node>, Pattern),
    Macro {
        which: Macro,
        over: Box<Node>,
        /// The condition, or what is made of each element.
        each: Box<Node>,
        /// What is made of each element that meets the condition.
        made: Option<Box<Node>>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Macro {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    ToInt,
    ToUint,
    ToDouble,
    ToText,
    ToBytes,
    ToTime,
    ToSpan,
    Dyn,
    Clock(Clock),
}

/// A part of a time, in UTC, or the whole of a duration in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    FullYear,
    Month,
    DayOfMonth,
    DateOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Function {
    /// The function of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "size" => Self::Size,
            "contains" => Self::Contains,
            "startsWith" => Self::StartsWith,
            "endsWith" => Self::EndsWith,
            "int" => Self::ToInt,
            "uint" => Self::ToUint,
            "double" => Self::ToDouble,
            "string" => Self::ToText,
            "bytes" => Self::ToBytes,
            "timestamp" => Self::ToTime,
            "duration" => Self::ToSpan,
            "dyn" => Self::Dyn,
            "getFullYear" => Self::Clock(Clock::FullYear),
            "getMonth" => Self::Clock(Clock::Month),
            "getDayOfMonth" => Self::Clock(Clock::DayOfMonth),
            "getDate" => Self::Clock(Clock::DateOfMonth),
            "getDayOfWeek" => Self::Clock(Clock::DayOfWeek),
            "getDayOfYear" => Self::Clock(Clock::DayOfYear),
            "getHours" => Self::Clock(Clock::Hours),
            "getMinutes" => Self::Clock(Clock::Minutes),
            "getSeconds" => Self::Clock(Clock::Seconds),
            "getMilliseconds" => Self::Clock(Clock::Milliseconds),
            _ => return None,
        })
    }
}
