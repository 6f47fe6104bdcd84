//! Words become a tree of bounded size and depth.

use super::lex::{Word, words};
use super::value::Value;
use super::{MAX_DEPTH, MAX_NODES, Mistake};

/// A part of an expression, and where it starts.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) kind: Kind,
    pub(super) at: usize,
    depth: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Literal(Value),
    Name(String),
    Select(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    /// A function, with what stands before its dot as the first argument if `method`.
    Call {
        name: String,
        method: bool,
        args: Vec<Expr>,
    },
    Unary(&'static str, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `&&` or `||` of all.
    Logic(&'static str, Vec<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
}

/// Words that name nothing.
const RESERVED: [&str; 19] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "in",
    "__result__",
];

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Expr, Mistake> {
    let mut parser = Parser {
        words: words(text)?,
        next: 0,
        nodes: 0,
        open: 0,
    };
    let expr = parser.expr(0)?;
    if *parser.peek() == Word::End {
        Ok(expr)
    } else {
        Err(parser.mistake("an operator is missing here"))
    }
}

struct Parser {
    words: Vec<(Word, usize)>,
    next: usize,
    nodes: usize,
    open: usize,
}

/// How strongly an operator binds.
fn strength(mark: &str) -> Option<u8> {
    Some(match mark {
        "?" => 1,
        "||" => 2,
        "&&" => 3,
        "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" => 4,
        "+" | "-" => 5,
        "*" | "/" | "%" => 6,
        _ => return None,
    })
}

impl Parser {
    fn peek(&self) -> &Word {
        &self.words[self.next].0
    }

    fn here(&self) -> usize {
        self.words[self.next].1
    }

    fn mistake(&self, what: &str) -> Mistake {
        Mistake::at(self.here(), what.to_owned())
    }

    fn advance(&mut self) {
        // The end stays the last word.
        self.next = (self.next + 1).min(self.words.len() - 1);
    }

    fn take(&mut self, mark: &str) -> bool {
        let there = matches!(self.peek(), Word::Mark(one) if *one == mark);
        if there {
            self.advance();
        }
        there
    }

    fn expect(&mut self, mark: &str) -> Result<(), Mistake> {
        if self.take(mark) {
            return Ok(());
        }
        Err(self.mistake(&format!("{mark} is missing here")))
    }

    fn node(&mut self, at: usize, kind: Kind) -> Result<Expr, Mistake> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let what = format!("more than {MAX_NODES} parts; split it into several filters");
            return Err(Mistake::at(at, what));
        }
        let below = match &kind {
            Kind::Literal(_) | Kind::Name(_) => 0,
            Kind::Select(one, _) | Kind::Unary(_, one) => one.depth,
            Kind::Index(one, two) | Kind::Binary(_, one, two) => one.depth.max(two.depth),
            Kind::If(one, two, three) => one.depth.max(two.depth).max(three.depth),
            Kind::List(all) | Kind::Logic(_, all) | Kind::Call { args: all, .. } => {
                all.iter().map(|one| one.depth).max().unwrap_or(0)
            }
            Kind::Map(all) => {
                let each = all.iter().map(|(key, value)| key.depth.max(value.depth));
                each.max().unwrap_or(0)
            }
        };
        if below >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        let depth = below + 1;
        Ok(Expr { kind, at, depth })
    }

    fn expr(&mut self, least: u8) -> Result<Expr, Mistake> {
        // The parser itself goes as deep as brackets and operators before a value do.
        self.open += 1;
        if self.open > MAX_DEPTH {
            return Err(too_deep(self.here()));
        }
        let mut left = self.unary()?;
        loop {
            let mark = match self.peek() {
                Word::Mark(mark) => mark,
                Word::Name(name) if name == "in" => "in",
                Word::Name(_)
                | Word::Int(_)
                | Word::Uint(_)
                | Word::Double(_)
                | Word::Text(_)
                | Word::Bytes(_)
                | Word::End => break,
            };
            let Some(strength) = strength(mark).filter(|strength| *strength > least) else {
                break;
            };
            let at = self.here();
            self.advance();
            left = self.operator(left, mark, strength, at)?;
        }
        self.open -= 1;
        Ok(left)
    }

    fn operator(
        &mut self,
        left: Expr,
        mark: &'static str,
        strength: u8,
        at: usize,
    ) -> Result<Expr, Mistake> {
        match mark {
            "?" => {
                let yes = self.expr(1)?;
                self.expect(":")?;
                let no = self.expr(0)?;
                self.node(at, Kind::If(left.into(), yes.into(), no.into()))
            }
            "&&" | "||" => {
                // Long chains stay flat.
                let mut all = vec![left, self.expr(strength)?];
                while self.take(mark) {
                    all.push(self.expr(strength)?);
                }
                self.node(at, Kind::Logic(mark, all))
            }
            _ => {
                let right = self.expr(strength)?;
                self.node(at, Kind::Binary(mark, left.into(), right.into()))
            }
        }
    }

    fn unary(&mut self) -> Result<Expr, Mistake> {
        let at = self.here();
        if self.take("!") {
            let one = self.nested_unary()?;
            return self.node(at, Kind::Unary("!", one.into()));
        }
        if self.take("-") {
            if let Word::Int(magnitude) = *self.peek() {
                self.advance();
                let value = 0_i64.checked_sub_unsigned(magnitude);
                let value = value.ok_or_else(|| too_large(at))?;
                let literal = self.node(at, Kind::Literal(Value::Int(value)))?;
                return self.member(literal);
            }
            let one = self.nested_unary()?;
            return self.node(at, Kind::Unary("-", one.into()));
        }
        let primary = self.primary()?;
        self.member(primary)
    }

    fn nested_unary(&mut self) -> Result<Expr, Mistake> {
        self.open += 1;
        if self.open > MAX_DEPTH {
            return Err(too_deep(self.here()));
        }
        let one = self.unary()?;
        self.open -= 1;
        Ok(one)
    }

    fn member(&mut self, mut left: Expr) -> Result<Expr, Mistake> {
        loop {
            let at = self.here();
            if self.take(".") {
                let Word::Name(name) = self.peek().clone() else {
                    return Err(self.mistake("the name of a field is missing here"));
                };
                self.advance();
                left = if self.take("(") {
                    let mut args = vec![left];
                    args.extend(self.list(")")?);
                    let method = true;
                    self.node(at, Kind::Call { name, method, args })?
                } else {
                    self.node(at, Kind::Select(left.into(), name))?
                };
            } else if self.take("[") {
                let index = self.expr(0)?;
                self.expect("]")?;
                left = self.node(at, Kind::Index(left.into(), index.into()))?;
            } else if matches!(self.peek(), Word::Mark("{")) {
                return Err(self.mistake("messages cannot be made in a filter"));
            } else {
                return Ok(left);
            }
        }
    }

    /// Expressions up to a bracket.
    fn list(&mut self, close: &str) -> Result<Vec<Expr>, Mistake> {
        let mut all = Vec::new();
        while !self.take(close) {
            all.push(self.expr(0)?);
            if !self.take(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(all)
    }

    fn primary(&mut self) -> Result<Expr, Mistake> {
        let at = self.here();
        let word = self.peek().clone();
        self.advance();
        let literal = match word {
            Word::Int(number) => Value::Int(i64::try_from(number).map_err(|_| too_large(at))?),
            Word::Uint(number) => Value::Uint(number),
            Word::Double(number) => Value::Double(number),
            Word::Text(text) => Value::Text(text.into()),
            Word::Bytes(bytes) => Value::Bytes(bytes.into()),
            Word::Mark("(") => {
                let inner = self.expr(0)?;
                self.expect(")")?;
                return Ok(inner);
            }
            Word::Mark("[") => {
                let all = self.list("]")?;
                return self.node(at, Kind::List(all));
            }
            Word::Mark("{") => return self.map(at),
            // A leading dot means the outermost scope, which is the only one names have here.
            Word::Mark(".") => return self.primary_name(at),
            Word::Name(name) => return self.named(at, name),
            Word::Mark(_) | Word::End => {
                return Err(Mistake::at(at, "a value is missing here".to_owned()));
            }
        };
        self.node(at, Kind::Literal(literal))
    }

    fn primary_name(&mut self, at: usize) -> Result<Expr, Mistake> {
        let Word::Name(name) = self.peek().clone() else {
            return Err(self.mistake("a name is missing here"));
        };
        self.advance();
        self.named(at, name)
    }

    fn named(&mut self, at: usize, name: String) -> Result<Expr, Mistake> {
        let literal = match name.as_str() {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Null),
            _ => None,
        };
        if let Some(literal) = literal {
            return self.node(at, Kind::Literal(literal));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(Mistake::at(at, format!("{name} is a reserved word")));
        }
        if self.take("(") {
            let args = self.list(")")?;
            let method = false;
            return self.node(at, Kind::Call { name, method, args });
        }
        self.node(at, Kind::Name(name))
    }

    fn map(&mut self, at: usize) -> Result<Expr, Mistake> {
        let mut all = Vec::new();
        while !self.take("}") {
            let key = self.expr(0)?;
            self.expect(":")?;
            all.push((key, self.expr(0)?));
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        self.node(at, Kind::Map(all))
    }
}

fn too_deep(at: usize) -> Mistake {
    Mistake::at(at, format!("nested more than {MAX_DEPTH} deep"))
}

fn too_large(at: usize) -> Mistake {
    Mistake::at(at, "a number of more than 64 bits".to_owned())
}
