//! `google.protobuf.Timestamp` with its canonical JSON: RFC 3339 in UTC, written with `Z`.

use std::time::SystemTime;

use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// An instant in time, to the nanosecond.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Timestamp {
    /// Seconds since the Unix epoch.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds after `seconds`, never negative.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Timestamp {
    /// The instant this many nanoseconds after the Unix epoch.
    pub const fn from_unix_nanos(nanos: u64) -> Self {
        Self {
            seconds: (nanos / NANOS_PER_SECOND) as i64,
            nanos: (nanos % NANOS_PER_SECOND) as i32,
        }
    }

    /// Nanoseconds since the Unix epoch; 0 for earlier instants.
    pub fn unix_nanos(&self) -> u64 {
        let seconds = u64::try_from(self.seconds).unwrap_or(0);
        let nanos = u64::try_from(self.nanos).unwrap_or(0);
        seconds
            .saturating_mul(NANOS_PER_SECOND)
            .saturating_add(nanos)
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(instant: jiff::Timestamp) -> Self {
        let nanos = instant.as_nanosecond();
        let second = i128::from(NANOS_PER_SECOND);
        // jiff's range is within ±9999 years, so the seconds fit.
        Self {
            seconds: nanos.div_euclid(second) as i64,
            nanos: nanos.rem_euclid(second) as i32,
        }
    }
}

impl TryFrom<Timestamp> for jiff::Timestamp {
    type Error = jiff::Error;

    fn try_from(timestamp: Timestamp) -> Result<Self, Self::Error> {
        Self::new(timestamp.seconds, timestamp.nanos)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        // Out of jiff's range only for clocks beyond the year 9999.
        jiff::Timestamp::try_from(time).map_or_else(|_| Self::default(), Self::from)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let instant = jiff::Timestamp::try_from(*self).map_err(ser::Error::custom)?;
        let digits = match self.nanos {
            0 => 0,
            nanos if nanos % 1_000_000 == 0 => 3,
            nanos if nanos % 1_000 == 0 => 6,
            _ => 9,
        };
        let printer = DateTimePrinter::new().precision(Some(digits));
        serializer.serialize_str(&printer.timestamp_to_string(&instant))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let instant: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(instant.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(seconds: i64, nanos: i32) -> String {
        serde_json::to_string(&Timestamp { seconds, nanos }).expect("in range")
    }

    #[test]
    fn json_has_z_and_as_many_digits_as_needed() {
        assert_eq!(json(1234, 0), r#""1970-01-01T00:20:34Z""#);
        assert_eq!(json(1234, 567_000_000), r#""1970-01-01T00:20:34.567Z""#);
        assert_eq!(json(1234, 560_001_000), r#""1970-01-01T00:20:34.560001Z""#);
        assert_eq!(json(1234, 1), r#""1970-01-01T00:20:34.000000001Z""#);
    }

    #[test]
    fn reads_offsets_and_refuses_dates_without() {
        let read: Timestamp = serde_json::from_str(r#""1970-01-01T01:00:01.5+01:00""#).expect("ok");
        assert_eq!((read.seconds, read.nanos), (1, 500_000_000));
        assert!(serde_json::from_str::<Timestamp>(r#""1970-01-01""#).is_err());
    }

    #[test]
    fn before_the_epoch_nanos_stay_positive() {
        let instant = jiff::Timestamp::from_nanosecond(-1).expect("in range");
        assert_eq!(
            Timestamp::from(instant),
            Timestamp {
                seconds: -1,
                nanos: 999_999_999
            }
        );
        assert_eq!(
            jiff::Timestamp::try_from(Timestamp::from(instant)).expect("ok"),
            instant
        );
    }

    #[test]
    fn unix_nanos_round_trip() {
        let nanos = 1_700_000_000_123_456_789;
        assert_eq!(Timestamp::from_unix_nanos(nanos).unix_nanos(), nanos);
    }
}
