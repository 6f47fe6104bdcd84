//! What the messages look like: the descriptor set for reflection, and an index over it.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// The encoded descriptors of every file of this crate and of what they import.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Full name of the flow message.
pub const FLOW: &str = "flow.Flow";

static MESSAGES: LazyLock<HashMap<String, MessageShape>> = LazyLock::new(|| {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET)
        .expect("the descriptor set is written by this crate's build script");
    let mut messages = HashMap::new();
    for file in set.file {
        let package = file.package().to_owned();
        for message in &file.message_type {
            index(&package, message, &mut messages);
        }
    }
    messages
});

/// The fields of a message.
#[derive(Debug, Default)]
pub struct MessageShape {
    /// In the order of the `.proto` file.
    pub fields: Vec<FieldShape>,
}

/// One field.
#[derive(Debug)]
pub struct FieldShape {
    /// Name in the `.proto` file.
    pub name: String,
    /// Name in camel-case JSON.
    pub json_name: String,
    /// Number on the wire.
    pub number: u32,
    /// Whether there may be several.
    pub repeated: bool,
    /// Full name of the field's message type.
    pub message: Option<String>,
}

impl MessageShape {
    /// The field of this name in the `.proto` file.
    pub fn field(&self, name: &str) -> Option<&FieldShape> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The message of this full name, such as `flow.Flow`.
pub fn message(name: &str) -> Option<&'static MessageShape> {
    MESSAGES.get(name)
}

fn index(scope: &str, message: &DescriptorProto, into: &mut HashMap<String, MessageShape>) {
    let name = format!("{scope}.{}", message.name());
    for nested in &message.nested_type {
        index(&name, nested, into);
    }
    let fields = message.field.iter().map(field_shape).collect();
    into.insert(name, MessageShape { fields });
}

fn field_shape(field: &FieldDescriptorProto) -> FieldShape {
    let is_message = field.r#type() == Type::Message;
    FieldShape {
        name: field.name().to_owned(),
        json_name: field.json_name().to_owned(),
        number: field.number().unsigned_abs(),
        repeated: field.label() == Label::Repeated,
        message: is_message.then(|| field.type_name().trim_start_matches('.').to_owned()),
    }
}
