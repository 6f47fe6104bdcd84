//! The words of an expression.

use super::Mistake;

/// One word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    Name(String),
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// An operator or bracket.
    Mark(&'static str),
    End,
}

/// Longest first, so that `<=` is not `<`.
const MARKS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}",
];

/// Splits an expression into words with the positions they start at.
pub(super) fn words(text: &str) -> Result<Vec<(Word, usize)>, Mistake> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let space = rest.len() - rest.trim_start().len();
        if space > 0 {
            at += space;
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else {
            let (word, len) = word(rest).map_err(|what| Mistake::at(at, what))?;
            words.push((word, at));
            at += len;
        }
    }
    words.push((Word::End, text.len()));
    Ok(words)
}

fn word(rest: &str) -> Result<(Word, usize), String> {
    if let Some((raw, bytes, skip)) = quoted(rest) {
        return text(rest, raw, bytes, skip);
    }
    let first = rest.chars().next().unwrap_or_default();
    let fraction = first == '.' && rest[1..].starts_with(|next: char| next.is_ascii_digit());
    if first.is_ascii_digit() || fraction {
        return number(rest);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let len = rest
            .find(|next: char| !next.is_ascii_alphanumeric() && next != '_')
            .unwrap_or(rest.len());
        return Ok((Word::Name(rest[..len].to_owned()), len));
    }
    let mark = MARKS.into_iter().find(|mark| rest.starts_with(mark));
    mark.map(|mark| (Word::Mark(mark), mark.len()))
        .ok_or_else(|| format!("{first:?} has no place here"))
}

/// Whether a text begins here: raw, bytes, and the length of its prefix.
fn quoted(rest: &str) -> Option<(bool, bool, usize)> {
    let (mut raw, mut bytes) = (false, false);
    for (index, letter) in rest.chars().enumerate() {
        match letter {
            '"' | '\'' => return Some((raw, bytes, index)),
            'r' | 'R' if !raw => raw = true,
            'b' | 'B' if !bytes => bytes = true,
            _ => return None,
        }
    }
    None
}

fn text(rest: &str, raw: bool, bytes: bool, skip: usize) -> Result<(Word, usize), String> {
    let body = &rest[skip..];
    let quote = ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quote| body.starts_with(quote))
        .unwrap_or("\"");
    let mut value = Vec::new();
    let mut at = skip + quote.len();
    loop {
        let Some(next) = rest[at..].chars().next() else {
            return Err("a text without its end".to_owned());
        };
        if rest[at..].starts_with(quote) {
            at += quote.len();
            break;
        }
        if quote.len() == 1 && next == '\n' {
            return Err("a text without its end".to_owned());
        }
        if next == '\\' && !raw {
            at += 1 + escape(&rest[at + 1..], bytes, &mut value)?;
        } else {
            value.extend(next.encode_utf8(&mut [0; 4]).bytes());
            at += next.len_utf8();
        }
    }
    if bytes {
        return Ok((Word::Bytes(value), at));
    }
    // Only escapes of bytes could make it something else than UTF-8.
    String::from_utf8(value)
        .map(|value| (Word::Text(value), at))
        .map_err(|_| "a text that is not UTF-8".to_owned())
}

/// Takes in what follows a backslash; its length.
fn escape(rest: &str, bytes: bool, into: &mut Vec<u8>) -> Result<usize, String> {
    let letter = rest.chars().next().ok_or("a text without its end")?;
    let simple = match letter {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '\'' => b'\'',
        '"' => b'"',
        '`' => b'`',
        '?' => b'?',
        'x' | 'X' => return code(rest, 1, 2, 16, bytes, into),
        'u' => return code(rest, 1, 4, 16, bytes, into),
        'U' => return code(rest, 1, 8, 16, bytes, into),
        '0'..='3' => return code(rest, 0, 3, 8, bytes, into),
        other => return Err(format!("\\{other} means nothing in a text")),
    };
    into.push(simple);
    Ok(1)
}

fn code(
    rest: &str,
    skip: usize,
    digits: usize,
    radix: u32,
    bytes: bool,
    into: &mut Vec<u8>,
) -> Result<usize, String> {
    let wrong = || "an escape without its digits".to_owned();
    let text = rest.get(skip..skip + digits).ok_or_else(wrong)?;
    if text.starts_with('+') {
        return Err(wrong());
    }
    let number = u32::from_str_radix(text, radix).map_err(|_| wrong())?;
    if bytes && digits < 4 {
        into.push(u8::try_from(number).map_err(|_| wrong())?);
    } else {
        let letter = char::from_u32(number).ok_or("an escape that is no character")?;
        into.extend(letter.encode_utf8(&mut [0; 4]).bytes());
    }
    Ok(skip + digits)
}

fn number(rest: &str) -> Result<(Word, usize), String> {
    let hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
    let mut len = if hexadecimal { 2 } else { 0 };
    let mut double = false;
    while let Some(next) = rest[len..].chars().next() {
        let digit = next.is_ascii_digit() || hexadecimal && next.is_ascii_hexdigit();
        let point = !hexadecimal
            && next == '.'
            && rest[len + 1..].starts_with(|after: char| after.is_ascii_digit());
        let exponent = !hexadecimal && matches!(next, 'e' | 'E');
        if !(digit || point || exponent) {
            break;
        }
        double |= point || exponent;
        len += 1;
        if exponent && rest[len..].starts_with(['+', '-']) {
            len += 1;
        }
    }
    let digits = &rest[..len];
    if double {
        let value = digits
            .parse()
            .map_err(|_| format!("{digits} is no number"))?;
        return Ok((Word::Double(value), len));
    }
    let value = if hexadecimal {
        u64::from_str_radix(&digits[2..], 16)
    } else {
        digits.parse()
    };
    let value = value.map_err(|_| format!("{digits} is no number of 64 bits"))?;
    if rest[len..].starts_with(['u', 'U']) {
        Ok((Word::Uint(value), len + 1))
    } else {
        Ok((Word::Int(value), len))
    }
}
