//! What functions make of their values; `None` where they make nothing of them.

use jiff::tz::TimeZone;

use super::node::{Clock, Function};
use super::value::Value;

const SECOND: i128 = 1_000_000_000;

pub(super) fn call(function: Function, args: &[Value]) -> Option<Value> {
    match (function, args) {
        (Function::Size, of) => size(of),
        (Function::Contains, [Value::Text(text), Value::Text(part)]) => {
            Some(Value::Bool(text.contains(&**part)))
        }
        (Function::StartsWith, [Value::Text(text), Value::Text(part)]) => {
            Some(Value::Bool(text.starts_with(&**part)))
        }
        (Function::EndsWith, [Value::Text(text), Value::Text(part)]) => {
            Some(Value::Bool(text.ends_with(&**part)))
        }
        (Function::ToInt, of) => int(of),
        (Function::ToUint, of) => uint(of),
        (Function::ToDouble, of) => double(of).map(Value::Double),
        (Function::ToText, of) => text(of),
        (Function::ToBytes, [Value::Text(text)]) => Some(Value::Bytes(text.as_bytes().into())),
        (Function::ToBytes, [Value::Bytes(bytes)]) => Some(Value::Bytes(bytes.clone())),
        (Function::ToTime, of) => time(of).map(Value::Time),
        (Function::ToSpan, of) => span(of).map(Value::Span),
        (Function::Dyn, [of]) => Some(of.clone()),
        (Function::Clock(clock), [Value::Time(nanos)]) => of_time(clock, *nanos).map(Value::Int),
        (Function::Clock(clock), [Value::Span(nanos)]) => of_span(clock, *nanos).map(Value::Int),
        (
            Function::Contains
            | Function::StartsWith
            | Function::EndsWith
            | Function::ToBytes
            | Function::Dyn
            | Function::Clock(_),
            _,
        ) => None,
    }
}

fn size(of: &[Value]) -> Option<Value> {
    let size = match of {
        [Value::Text(text)] => text.chars().count(),
        [Value::Bytes(bytes)] => bytes.len(),
        [Value::List(list)] => list.len(),
        [Value::Map(map)] => map.len(),
        _ => return None,
    };
    i64::try_from(size).ok().map(Value::Int)
}

#[expect(clippy::cast_possible_truncation, reason = "as CEL converts numbers")]
fn int(of: &[Value]) -> Option<Value> {
    let number = match of {
        [Value::Int(number)] => *number,
        [Value::Uint(number)] => i64::try_from(*number).ok()?,
        [Value::Double(number)] if number.abs() < 9.2e18 => *number as i64,
        [Value::Text(text)] => text.parse().ok()?,
        [Value::Time(nanos)] => i64::try_from(nanos.div_euclid(SECOND)).ok()?,
        _ => return None,
    };
    Some(Value::Int(number))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as CEL converts numbers"
)]
fn uint(of: &[Value]) -> Option<Value> {
    let number = match of {
        [Value::Int(number)] => u64::try_from(*number).ok()?,
        [Value::Uint(number)] => *number,
        [Value::Double(number)] if (0.0..1.8e19).contains(number) => *number as u64,
        [Value::Text(text)] => text.parse().ok()?,
        _ => return None,
    };
    Some(Value::Uint(number))
}

#[expect(clippy::cast_precision_loss, reason = "as CEL converts numbers")]
fn double(of: &[Value]) -> Option<f64> {
    Some(match of {
        [Value::Int(number)] => *number as f64,
        [Value::Uint(number)] => *number as f64,
        [Value::Double(number)] => *number,
        [Value::Text(text)] => text.parse().ok()?,
        _ => return None,
    })
}

fn text(of: &[Value]) -> Option<Value> {
    let text = match of {
        [Value::Text(text)] => return Some(Value::Text(text.clone())),
        [Value::Bytes(bytes)] => std::str::from_utf8(bytes).ok()?.to_owned(),
        [Value::Bool(value)] => value.to_string(),
        [Value::Int(number)] => number.to_string(),
        [Value::Uint(number)] => number.to_string(),
        [Value::Double(number)] => number.to_string(),
        [Value::Time(nanos)] => instant(*nanos)?.to_string(),
        [Value::Span(nanos)] => {
            let (sign, nanos) = (if *nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
            let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
            let fraction = format!("{rest:09}");
            match fraction.trim_end_matches('0') {
                "" => format!("{sign}{whole}s"),
                digits => format!("{sign}{whole}.{digits}s"),
            }
        }
        _ => return None,
    };
    Some(Value::Text(text.into()))
}

fn time(of: &[Value]) -> Option<i128> {
    match of {
        [Value::Time(nanos)] => Some(*nanos),
        [Value::Int(seconds)] => i128::from(*seconds).checked_mul(SECOND),
        [Value::Text(text)] => {
            let time: jiff::Timestamp = text.parse().ok()?;
            Some(time.as_nanosecond())
        }
        _ => None,
    }
}

/// `1h30m`, `500ms`, `-2s`: numbers with units, as Go writes durations.
fn span(of: &[Value]) -> Option<i128> {
    let text = match of {
        [Value::Span(nanos)] => return Some(*nanos),
        [Value::Text(text)] => text,
        _ => return None,
    };
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut sum = 0_i128;
    while !rest.is_empty() {
        let digits = rest.find(|next: char| !next.is_ascii_digit() && next != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit = after
            .find(|next: char| next.is_ascii_digit() || next == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        sum = sum.checked_add(nanos(number, unit)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sign * sum)
}

fn nanos(number: &str, unit: &str) -> Option<i128> {
    let scale: i128 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() > 18 || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let part = |digits: &str| match digits {
        "" => Some(0_i128),
        digits => digits.parse().ok(),
    };
    let ten = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some(part(whole)? * scale + part(fraction)? * scale / ten)
}

fn instant(nanos: i128) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_nanosecond(nanos).ok()
}

fn of_time(clock: Clock, nanos: i128) -> Option<i64> {
    let time = instant(nanos)?.to_zoned(TimeZone::UTC);
    Some(match clock {
        Clock::FullYear => i64::from(time.year()),
        Clock::Month => i64::from(time.month()) - 1,
        Clock::DayOfMonth => i64::from(time.day()) - 1,
        Clock::DateOfMonth => i64::from(time.day()),
        Clock::DayOfWeek => i64::from(time.weekday().to_sunday_zero_offset()),
        Clock::DayOfYear => i64::from(time.day_of_year()) - 1,
        Clock::Hours => i64::from(time.hour()),
        Clock::Minutes => i64::from(time.minute()),
        Clock::Seconds => i64::from(time.second()),
        Clock::Milliseconds => i64::from(time.millisecond()),
    })
}

fn of_span(clock: Clock, nanos: i128) -> Option<i64> {
    let unit = match clock {
        Clock::Hours => 3_600 * SECOND,
        Clock::Minutes => 60 * SECOND,
        Clock::Seconds => SECOND,
        Clock::Milliseconds => return i64::try_from(nanos / 1_000_000 % 1_000).ok(),
        Clock::FullYear
        | Clock::Month
        | Clock::DayOfMonth
        | Clock::DateOfMonth
        | Clock::DayOfWeek
        | Clock::DayOfYear => return None,
    };
    i64::try_from(nanos / unit).ok()
}
