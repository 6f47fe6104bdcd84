//! Reads plugins: Hubble's string `name:option=value|value;option=…`, or an entry of Hubble's file.

use flowd_proto::flow::FlowFilter;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Chain, ContextLabel, ContextSpec, Identifier, Kind, Options, PluginError, PluginSpec, SideSpec,
};

/// The context options, each with the option it overrides in one direction.
const CONTEXTS: [(&str, &str); 6] = [
    ("sourceContext", ""),
    ("sourceEgressContext", "sourceContext"),
    ("sourceIngressContext", "sourceContext"),
    ("destinationContext", ""),
    ("destinationEgressContext", "destinationContext"),
    ("destinationIngressContext", "destinationContext"),
];
const LABELS_CONTEXT: &str = "labelsContext";

/// An entry of Hubble's file of metrics.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default)]
    context_options: Vec<ContextOption>,
    #[serde(default)]
    include_filters: Vec<Value>,
    #[serde(default)]
    exclude_filters: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextOption {
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

/// Reads a list: one string of plugins with white space between them, or a list whose entries are
/// such strings or objects with `name`, `contextOptions`, `includeFilters` and `excludeFilters`.
///
/// # Errors
///
/// On the first entry that means nothing, and on a plugin that is there twice.
pub fn parse_list(list: &Value) -> Result<Vec<PluginSpec>, PluginError> {
    let mut specs = Vec::new();
    match list {
        Value::String(text) => specs = parse(text)?,
        Value::Array(entries) => {
            for entry in entries {
                match entry {
                    Value::String(text) => specs.append(&mut parse(text)?),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::Array(_)
                    | Value::Object(_) => specs.push(object(entry)?),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return Err(PluginError::Form(
                "plugins must be a list, or one string with white space between plugins".into(),
            ));
        }
    }
    for (index, spec) in specs.iter().enumerate() {
        if specs[..index].iter().any(|other| other.kind == spec.kind) {
            let plugin = spec.kind.name();
            return Err(PluginError::Twice { plugin });
        }
    }
    Ok(specs)
}

/// Reads Hubble's string: plugins with white space between them.
///
/// # Errors
///
/// On the first plugin that means nothing.
pub fn parse(text: &str) -> Result<Vec<PluginSpec>, PluginError> {
    text.split_whitespace()
        .map(|one| {
            let (name, options) = one.split_once(':').unwrap_or((one, ""));
            let options = options.split(';').filter(|option| !option.is_empty());
            let options = options.map(|option| {
                let (name, values) = option.split_once('=').unwrap_or((option, ""));
                (name, values.split('|').collect::<Vec<_>>())
            });
            plugin(name, options)
        })
        .collect()
}

fn object(entry: &Value) -> Result<PluginSpec, PluginError> {
    let entry = Entry::deserialize(entry)
        .map_err(|error| PluginError::Form(format!("an entry of plugins: {error}")))?;
    let options = entry.context_options.iter().map(|option| {
        let values = option.values.iter().map(String::as_str).collect();
        (option.name.as_str(), values)
    });
    let mut spec = plugin(&entry.name, options)?;
    spec.include = filters(&entry.name, "includeFilters", &entry.include_filters)?;
    spec.exclude = filters(&entry.name, "excludeFilters", &entry.exclude_filters)?;
    Ok(spec)
}

fn filters(plugin: &str, field: &str, list: &[Value]) -> Result<Vec<FlowFilter>, PluginError> {
    list.iter()
        .map(|filter| {
            FlowFilter::deserialize(filter)
                .map_err(|error| PluginError::Form(format!("{plugin}: {field}: {error}")))
        })
        .collect()
}

fn plugin<'a>(
    name: &str,
    options: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>,
) -> Result<PluginSpec, PluginError> {
    let Some(kind) = Kind::find(name) else {
        return Err(PluginError::Unknown {
            name: name.to_owned(),
        });
    };
    let mut spec = PluginSpec::plain(kind);
    let mut overrides = Vec::new();
    for (option, values) in options {
        if let Some((_, base)) = CONTEXTS.iter().find(|(name, _)| *name == option) {
            let chain = chain(kind, option, &values)?;
            if base.is_empty() {
                side(&mut spec.contexts, option)
                    .get_or_insert_default()
                    .base = chain;
            } else {
                overrides.push((option, *base, chain));
            }
        } else if option == LABELS_CONTEXT {
            spec.contexts.labels = labels(kind, &values)?;
        } else {
            own_option(&mut spec.options, kind, option, &values)?;
        }
    }
    for (option, base, chain) in overrides {
        let Some(side) = side(&mut spec.contexts, option) else {
            return Err(PluginError::Override {
                plugin: kind.name(),
                option: option.to_owned(),
                base,
            });
        };
        if option.contains("Egress") {
            side.egress = Some(chain);
        } else {
            side.ingress = Some(chain);
        }
    }
    Ok(spec)
}

fn side<'a>(contexts: &'a mut ContextSpec, option: &str) -> &'a mut Option<SideSpec> {
    if option.starts_with("source") {
        &mut contexts.source
    } else {
        &mut contexts.destination
    }
}

fn chain(kind: Kind, option: &str, values: &[&str]) -> Result<Chain, PluginError> {
    let find = |value: &&str| {
        let mut all = Identifier::ALL.into_iter();
        let found = all.find(|(name, _)| name == value);
        found.map(|(_, identifier)| identifier).ok_or_else(|| {
            let known = Identifier::ALL.map(|(name, _)| name);
            refuse(kind, option, value, &known)
        })
    };
    values.iter().map(find).collect()
}

/// The values are separated by commas in Hubble's string and are list entries in its file.
fn labels(kind: Kind, values: &[&str]) -> Result<Vec<ContextLabel>, PluginError> {
    let wanted: Vec<&str> = values.iter().flat_map(|value| value.split(',')).collect();
    for value in &wanted {
        if !ContextLabel::ALL.iter().any(|(name, _)| name == value) {
            let known = ContextLabel::ALL.map(|(name, _)| name);
            return Err(refuse(kind, LABELS_CONTEXT, value, &known));
        }
    }
    let named = ContextLabel::ALL.into_iter();
    let named = named.filter(|(name, _)| wanted.contains(name));
    Ok(named.map(|(_, label)| label).collect())
}

fn own_option(
    options: &mut Options,
    kind: Kind,
    option: &str,
    values: &[&str],
) -> Result<(), PluginError> {
    if !kind.options().contains(&option) {
        let contexts = CONTEXTS.iter().map(|(name, _)| *name);
        let known = kind.options().iter().copied();
        return Err(PluginError::Option {
            plugin: kind.name(),
            option: option.to_owned(),
            known: known.chain(contexts).chain([LABELS_CONTEXT]).collect(),
        });
    }
    let on = match values {
        [] | ["" | "true"] => true,
        ["false"] => false,
        [value, ..] => return Err(refuse(kind, option, value, &["true", "false"])),
    };
    match option {
        "any-drop" => options.any_drop = on,
        "port" => options.port = on,
        "syn-only" => options.syn_only = on,
        // The options of plugins that no flow has data for change nothing.
        _ => {}
    }
    Ok(())
}

fn refuse(kind: Kind, option: &str, value: &str, known: &[&'static str]) -> PluginError {
    PluginError::Value {
        plugin: kind.name(),
        option: option.to_owned(),
        value: value.to_owned(),
        known: known.to_vec(),
    }
}
