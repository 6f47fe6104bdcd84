//! Functions and macros: which there are, and what they are given.

use super::check::{Checked, Checker};
use super::kind::Type;
use super::node::{Function, Macro, Node};
use super::parse::{Expr, Kind};
use super::pattern::Pattern;
use super::value::Value;
use super::{MAX_PATTERNS, Mistake};

/// Checks a call; what stands before the dot of a method is its first argument.
pub(super) fn check(
    checker: &mut Checker<'_>,
    expr: &Expr,
    name: &str,
    method: bool,
    args: &[Expr],
) -> Checked {
    let which = match name {
        "has" if !method => return has(checker, expr, args),
        "all" => Some(Macro::All),
        "exists" => Some(Macro::Exists),
        "exists_one" | "existsOne" => Some(Macro::ExistsOne),
        "filter" => Some(Macro::Filter),
        "map" => Some(Macro::Map),
        _ => None,
    };
    if let Some(which) = which.filter(|_| method) {
        return expand(checker, expr, which, args);
    }
    if name == "matches" {
        return matches(checker, expr, args);
    }
    let unknown = || Mistake::at(expr.at, format!("there is no function {name}"));
    let function = Function::named(name).ok_or_else(unknown)?;
    let (mut nodes, mut kinds) = (Vec::with_capacity(args.len()), Vec::new());
    for arg in args {
        let (node, kind) = checker.check(arg)?;
        nodes.push(node);
        kinds.push(kind.bare().clone());
    }
    let shown = || {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let what = format!("{name} does not go with ({})", kinds.join(", "));
        Mistake::at(expr.at, what)
    };
    let kind = signature(function, method, &kinds).ok_or_else(shown)?;
    Ok((Node::Call(function, nodes), kind))
}

/// The kind of a function's result; `None` when it does not take these arguments.
fn signature(function: Function, method: bool, args: &[Type]) -> Option<Type> {
    use Type::{Bytes, Double, Dyn, Int, List, Map, Span, Text, Time, Uint};
    let bool = Type::Bool;
    match (function, method, args) {
        (Function::Size, _, [Text | Bytes | List(_) | Map(..) | Dyn]) => Some(Int),
        (
            Function::Contains | Function::StartsWith | Function::EndsWith,
            true,
            [Text | Dyn, Text | Dyn],
        ) => Some(bool),
        (Function::ToInt, false, [Int | Uint | Double | Text | Time | Dyn]) => Some(Int),
        (Function::ToUint, false, [Int | Uint | Double | Text | Dyn]) => Some(Uint),
        (Function::ToDouble, false, [Int | Uint | Double | Text | Dyn]) => Some(Double),
        (
            Function::ToText,
            false,
            [Int | Uint | Double | Text | Bytes | Time | Span | Type::Bool | Dyn],
        ) => Some(Text),
        (Function::ToBytes, false, [Text | Bytes | Dyn]) => Some(Bytes),
        (Function::ToTime, false, [Text | Time | Int | Dyn]) => Some(Time),
        (Function::ToSpan, false, [Text | Span | Dyn]) => Some(Span),
        (Function::Dyn, false, [_]) => Some(Dyn),
        (Function::Clock(_), true, [Time | Span | Dyn]) => Some(Int),
        (
            Function::Size
            | Function::Contains
            | Function::StartsWith
            | Function::EndsWith
            | Function::ToInt
            | Function::ToUint
            | Function::ToDouble
            | Function::ToText
            | Function::ToBytes
            | Function::ToTime
            | Function::ToSpan
            | Function::Dyn
            | Function::Clock(_),
            ..,
        ) => None,
    }
}

/// `has(a.b)`.
fn has(checker: &mut Checker<'_>, expr: &Expr, args: &[Expr]) -> Checked {
    if let [arg] = args
        && let Kind::Select(of, name) = &arg.kind
    {
        return checker.select(arg, of, name, true);
    }
    let what = "has asks for a field, as in has(_flow.l4.TCP)".to_owned();
    Err(Mistake::at(expr.at, what))
}

/// The pattern must be known now: compiling one for each flow would cost more than any flow is worth.
fn matches(checker: &mut Checker<'_>, expr: &Expr, args: &[Expr]) -> Checked {
    let [text, pattern] = args else {
        let what = "matches takes a text and a pattern".to_owned();
        return Err(Mistake::at(expr.at, what));
    };
    let (text, kind) = checker.check(text)?;
    if !kind.meets(&Type::Text) {
        return Err(Mistake::at(expr.at, format!("{kind} has no matches")));
    }
    let Kind::Literal(Value::Text(written)) = &pattern.kind else {
        let what = "the pattern of matches must be written out".to_owned();
        return Err(Mistake::at(expr.at, what));
    };
    checker.patterns += 1;
    if checker.patterns > MAX_PATTERNS {
        let what = format!("more than {MAX_PATTERNS} patterns; join them as in 'a|b'");
        return Err(Mistake::at(expr.at, what));
    }
    let pattern = Pattern::compile(written).map_err(|why| {
        let what = format!("the pattern of matches is none: {why}");
        Mistake::at(pattern.at, what)
    })?;
    Ok((Node::Matches(text.into(), pattern), Type::Bool))
}

/// `list.exists(x, condition)` and its like.
fn expand(checker: &mut Checker<'_>, expr: &Expr, which: Macro, args: &[Expr]) -> Checked {
    let (over, variable, each, made) = match args {
        [over, variable, each] => (over, variable, each, None),
        [over, variable, each, made] if which == Macro::Map => (over, variable, each, Some(made)),
        _ => {
            let what =
                "a macro takes a name and an expression, as in .exists(x, x == 1)".to_owned();
            return Err(Mistake::at(expr.at, what));
        }
    };
    let Kind::Name(variable) = &variable.kind else {
        let what = "a macro's first argument is a name".to_owned();
        return Err(Mistake::at(variable.at, what));
    };
    let (over, kind) = checker.check(over)?;
    let element = if let Type::List(element) | Type::Map(element, _) = kind.bare() {
        Type::clone(element)
    } else if *kind.bare() == Type::Dyn {
        Type::Dyn
    } else {
        return Err(Mistake::at(expr.at, format!("{kind} has no elements")));
    };
    checker.locals.push((variable.clone(), element.clone()));
    let checked = body(checker, which, each, made);
    checker.locals.pop();
    let (each, made, result) = checked?;
    let kind = match which {
        Macro::All | Macro::Exists | Macro::ExistsOne => Type::Bool,
        Macro::Filter => Type::List(element.into()),
        Macro::Map => Type::List(result.into()),
    };
    let node = Node::Macro {
        which,
        over: over.into(),
        each: each.into(),
        made: made.map(Box::new),
    };
    Ok((node, kind))
}

fn body(
    checker: &mut Checker<'_>,
    which: Macro,
    each: &Expr,
    made: Option<&Expr>,
) -> Result<(Node, Option<Node>, Type), Mistake> {
    match (which, made) {
        (Macro::Map, None) => {
            let (each, kind) = checker.check(each)?;
            Ok((each, None, kind))
        }
        (Macro::Map, Some(made)) => {
            let each = checker.condition(each)?;
            let (made, kind) = checker.check(made)?;
            Ok((each, Some(made), kind))
        }
        (Macro::All | Macro::Exists | Macro::ExistsOne | Macro::Filter, _) => {
            Ok((checker.condition(each)?, None, Type::Bool))
        }
    }
}
