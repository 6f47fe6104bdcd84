//! `google.protobuf.FieldMask` with its JSON: one comma-separated string.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Paths of fields. In JSON they keep the spelling of the `.proto` files, as all names do here:
/// `IP` and `ipVersion` would not survive the usual change to camel case and back.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct FieldMask {
    /// Field names joined by dots.
    #[prost(string, repeated, tag = "1")]
    pub paths: Vec<String>,
}

impl Serialize for FieldMask {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.paths.join(","))
    }
}

impl<'de> Deserialize<'de> for FieldMask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let paths = text.split(',').filter(|path| !path.is_empty());
        Ok(Self {
            paths: paths.map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_a_comma_string() {
        let mask = FieldMask {
            paths: vec!["source.pod_name".into(), "IP.ipVersion".into()],
        };
        let json = serde_json::to_string(&mask).expect("strings");
        assert_eq!(json, r#""source.pod_name,IP.ipVersion""#);
        assert_eq!(serde_json::from_str::<FieldMask>(&json).expect("ok"), mask);
        assert_eq!(
            serde_json::from_str::<FieldMask>(r#""""#).expect("ok"),
            FieldMask::default()
        );
    }
}
