//! Times as text, always in UTC.

use clap::ValueEnum;
use flowd_proto::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;

/// Formats by the names Go gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
#[allow(missing_docs)]
pub enum TimeFormat {
    #[default]
    StampMilli,
    YearMonthDay,
    YearMonthDayHour,
    YearMonthDayHourMinute,
    #[value(name = "RFC3339")]
    Rfc3339,
    #[value(name = "RFC3339Milli")]
    Rfc3339Milli,
    #[value(name = "RFC3339Micro")]
    Rfc3339Micro,
    #[value(name = "RFC3339Nano")]
    Rfc3339Nano,
    #[value(name = "RFC1123Z")]
    Rfc1123Z,
}

impl TimeFormat {
    /// The time as text; `N/A` when there is none.
    pub fn show(self, time: Option<Timestamp>) -> String {
        let Some(Ok(instant)) = time.map(jiff::Timestamp::try_from) else {
            return "N/A".to_owned();
        };
        let zoned = instant.to_zoned(TimeZone::UTC);
        let pattern = match self {
            Self::StampMilli => "%b %e %H:%M:%S.%3f",
            Self::YearMonthDay => "%Y-%m-%d",
            Self::YearMonthDayHour => "%Y-%m-%dT%HZ",
            Self::YearMonthDayHourMinute => "%Y-%m-%dT%H:%MZ",
            Self::Rfc3339 => "%Y-%m-%dT%H:%M:%SZ",
            Self::Rfc3339Milli => "%Y-%m-%dT%H:%M:%S.%3fZ",
            Self::Rfc3339Micro => "%Y-%m-%dT%H:%M:%S.%6fZ",
            Self::Rfc3339Nano => return DateTimePrinter::new().timestamp_to_string(&instant),
            Self::Rfc1123Z => "%a, %d %b %Y %H:%M:%S %z",
        };
        zoned.strftime(pattern).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let time = Some(Timestamp {
            seconds: 1_700_000_000,
            nanos: 120_345_000,
        });
        for (format, expected) in [
            (TimeFormat::StampMilli, "Nov 14 22:13:20.120"),
            (TimeFormat::YearMonthDay, "2023-11-14"),
            (TimeFormat::YearMonthDayHour, "2023-11-14T22Z"),
            (TimeFormat::YearMonthDayHourMinute, "2023-11-14T22:13Z"),
            (TimeFormat::Rfc3339, "2023-11-14T22:13:20Z"),
            (TimeFormat::Rfc3339Milli, "2023-11-14T22:13:20.120Z"),
            (TimeFormat::Rfc3339Micro, "2023-11-14T22:13:20.120345Z"),
            (TimeFormat::Rfc3339Nano, "2023-11-14T22:13:20.120345Z"),
            (TimeFormat::Rfc1123Z, "Tue, 14 Nov 2023 22:13:20 +0000"),
        ] {
            assert_eq!(format.show(time), expected);
        }
        assert_eq!(TimeFormat::StampMilli.show(None), "N/A");
        let early = Some(Timestamp {
            seconds: 1234,
            nanos: 567_800_000,
        });
        assert_eq!(TimeFormat::StampMilli.show(early), "Jan  1 00:20:34.567");
    }
}
