//! Numbers and durations for people.

use std::time::Duration;

/// Digits in groups of three.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Bytes in the largest unit that keeps a digit before the point.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// How much of the room is taken.
pub fn share(used: u64, room: u64) -> String {
    let percent = if room == 0 {
        0.0
    } else {
        used as f64 * 100.0 / room as f64
    };
    format!("{}/{} ({percent:.2}%)", number(used), number(room))
}

/// The two largest units.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest >= size {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        } else if !parts.is_empty() {
            break;
        }
    }
    parts.truncate(2);
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(
            [number(0), number(999), number(1_000), number(1_234_567)].join(" "),
            "0 999 1,000 1,234,567"
        );
        assert_eq!(
            [bytes(0), bytes(1_023), bytes(1_536), bytes(5 << 30)].join(" "),
            "0 B 1023 B 1.5 KiB 5.0 GiB"
        );
        assert!(bytes(u64::MAX).ends_with("EiB"));
        assert_eq!(share(2_031, 4_095), "2,031/4,095 (49.60%)");
        assert_eq!(share(0, 0), "0/0 (0.00%)");
    }

    #[test]
    fn durations() {
        let shown = |seconds| duration(Duration::from_secs(seconds));
        assert_eq!(
            [shown(0), shown(59), shown(61), shown(3_600), shown(90_061)].join(", "),
            "0s, 59s, 1m 1s, 1h, 1d 1h"
        );
        assert_eq!(shown(86_405), "1d");
    }
}
