//! Points in time and lengths of time as `hubble` takes them.

use std::time::Duration;

use jiff::{Timestamp, civil, fmt::rfc2822, tz::TimeZone};

/// Units of Go's `time.ParseDuration`, in nanoseconds; `ms` before `m`.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Reads a duration such as `3s`, `1h30m` or `1.5h`.
pub fn go_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write it like 90s, 5m or 1h30m");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let unit = UNITS.iter().filter(|(unit, _)| tail.starts_with(unit));
        let (unit, factor) = unit.max_by_key(|(unit, _)| unit.len()).ok_or_else(wrong)?;
        nanos += number * factor;
        rest = &tail[unit.len()..];
    }
    // Beyond this, "ago" would reach before the Christian era anyway.
    if text.is_empty() || nanos > 6e19 {
        return Err(wrong());
    }
    Ok(Duration::from_nanos_u128(nanos as u128))
}

/// Reads a point in time: a duration before `now`, or a date. Dates without an offset are UTC.
pub fn point(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(ago) = go_duration(text) {
        return now
            .checked_sub(ago)
            .map_err(|_| format!("{text:?} ago is too long ago"));
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    if let Ok(date) = text.parse::<civil::Date>()
        && text.len() == "2006-01-02".len()
        && let Ok(midnight) = date.to_zoned(TimeZone::UTC)
    {
        return Ok(midnight.timestamp());
    }
    if let Some(instant) = hour_or_minute(text) {
        return Ok(instant);
    }
    rfc2822::parse(text)
        .map(|zoned| zoned.timestamp())
        .map_err(|_| {
            format!(
                "{text:?} is no time: write a duration (5m, 1h30m) that lies back, or a date like \
             2006-01-02 or 2006-01-02T15:04:05Z"
            )
        })
}

/// `2006-01-02T15Z` and `2006-01-02T15:04+07:00`: RFC 3339 cut short.
fn hour_or_minute(text: &str) -> Option<Timestamp> {
    let (date, clock) = text.split_once('T')?;
    let (clock, offset) = clock.split_at(clock.find(['Z', '+', '-'])?);
    let missing = match clock.len() {
        2 => ":00:00",
        5 => ":00",
        _ => return None,
    };
    format!("{date}T{clock}{missing}{offset}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test's own time")
    }

    #[test]
    fn durations() {
        let millis = |text: &str| go_duration(text).map(|d| d.as_millis());
        assert_eq!(millis("3s"), Ok(3_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("1.5h"), Ok(5_400_000));
        assert_eq!(millis("2m250ms"), Ok(120_250));
        assert_eq!(go_duration("7µs"), Ok(Duration::from_micros(7)));
        assert_eq!(go_duration("0"), Ok(Duration::ZERO));
        for wrong in [
            "",
            "5",
            "h",
            "3 s",
            "-3s",
            "1.2.3s",
            "3d",
            "999999999h999999999h",
        ] {
            assert!(go_duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn points() {
        let now = at("2024-05-06T12:00:00Z");
        for (text, expected) in [
            ("1h30m", "2024-05-06T10:30:00Z"),
            ("0s", "2024-05-06T12:00:00Z"),
            ("2024-05-01", "2024-05-01T00:00:00Z"),
            ("2024-05-01T10Z", "2024-05-01T10:00:00Z"),
            ("2024-05-01T10+02:00", "2024-05-01T08:00:00Z"),
            ("2024-05-01T10:04-01:00", "2024-05-01T11:04:00Z"),
            ("2024-05-01T10:04:05+02:00", "2024-05-01T08:04:05Z"),
            (
                "2024-05-01T10:04:05.123456789Z",
                "2024-05-01T10:04:05.123456789Z",
            ),
            ("Wed, 01 May 2024 10:04:05 +0200", "2024-05-01T08:04:05Z"),
        ] {
            assert_eq!(point(text, now), Ok(at(expected)), "{text}");
        }
        for wrong in ["yesterday", "2024-13-01", "2024-05-01T10:04:05", "12:00"] {
            assert!(point(wrong, now).is_err(), "{wrong:?}");
        }
    }
}
