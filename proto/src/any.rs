//! `google.protobuf.Any` with its canonical JSON for the one message flowd packs into it.

use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::Value;

use crate::EXTENSION_TYPE_URL;
use crate::flowd::v1::FlowExtension;

const TYPE_KEY: &str = "@type";

/// A message of any type. As JSON, flowd's own extension is spelled out beside `@type`; a type that
/// is not known here is written as `typeUrl` and base64 `value`, so that nothing is lost.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Any {
    /// Names the type, after the last slash.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

impl Any {
    /// Full name of the packed type.
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or_default()
    }
}

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(extension) = FlowExtension::unpack(self) else {
            return pbjson_types::Any {
                type_url: self.type_url.clone(),
                value: self.value.clone(),
            }
            .serialize(serializer);
        };
        let mut value = serde_json::to_value(&extension).map_err(ser::Error::custom)?;
        if let Value::Object(fields) = &mut value {
            fields.insert(TYPE_KEY.to_owned(), Value::String(self.type_url.clone()));
        }
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let type_url = value
            .as_object_mut()
            .and_then(|fields| fields.remove(TYPE_KEY));
        let Some(type_url) = type_url else {
            let raw: pbjson_types::Any =
                serde_json::from_value(value).map_err(de::Error::custom)?;
            return Ok(Self {
                type_url: raw.type_url,
                value: raw.value,
            });
        };
        if type_url != EXTENSION_TYPE_URL {
            return Err(de::Error::custom(format!(
                "cannot read a {type_url} in JSON: only {EXTENSION_TYPE_URL} is known"
            )));
        }
        let extension: FlowExtension = serde_json::from_value(value).map_err(de::Error::custom)?;
        Ok(extension.pack())
    }
}

impl FlowExtension {
    /// Packs it for `Flow.extensions`.
    pub fn pack(&self) -> Any {
        Any {
            type_url: EXTENSION_TYPE_URL.to_owned(),
            value: self.encode_to_vec().into(),
        }
    }

    /// Unpacks it, `None` if `any` holds another type or cannot be decoded.
    pub fn unpack(any: &Any) -> Option<Self> {
        if any.type_url != EXTENSION_TYPE_URL {
            return None;
        }
        Self::decode(any.value.clone()).ok()
    }
}
