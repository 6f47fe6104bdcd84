//! What one exporter exports, where to, until when: its section, checked.

use std::path::Path;
use std::time::Duration;

use flowd_proto::flow::FlowFilter;
use serde_json::Value;

use super::collector::Collector;
use super::file::Lines;
use crate::config::export::ExportSection;
use crate::observe::filter::{Context, FilterSet};
use crate::observe::mask::Mask;
use crate::rolling::{Rolling, Settings};

/// Where to.
#[derive(Debug)]
pub(super) enum Target {
    Lines(Lines),
    Collector(Box<Collector>),
}

/// How flows are counted together.
#[derive(Debug)]
pub(super) struct Counting {
    pub(super) mask: Mask,
    pub(super) interval: Duration,
    pub(super) max_keys: usize,
}

/// A section that has been checked.
#[derive(Debug)]
pub struct Plan {
    pub(super) filters: FilterSet,
    pub(super) mask: Mask,
    pub(super) counting: Option<Counting>,
    /// Unix nanoseconds.
    pub(super) end: Option<i64>,
    pub(super) target: Target,
}

impl Plan {
    /// Checks a section; opens nothing.
    ///
    /// # Errors
    ///
    /// When it asks for something that cannot be.
    pub fn compile(section: &ExportSection, context: &Context) -> Result<Self, String> {
        let (allow, deny) = (
            filters("allow", &section.allow)?,
            filters("deny", &section.deny)?,
        );
        let filters =
            FilterSet::compile(&allow, &deny, context).map_err(|error| error.to_string())?;
        let counting = match &section.aggregate {
            None => None,
            Some(aggregate) => {
                if aggregate.fields.is_empty() || aggregate.interval == 0 || aggregate.max_keys == 0
                {
                    return Err("aggregate: fields, interval and max_keys must not be empty".into());
                }
                Some(Counting {
                    mask: mask("aggregate.fields", &aggregate.fields)?,
                    interval: Duration::from_secs(aggregate.interval),
                    max_keys: aggregate.max_keys,
                })
            }
        };
        let end = section.end.as_deref().map(time).transpose()?;
        Ok(Self {
            filters,
            mask: mask("fields", &section.fields)?,
            counting,
            end,
            target: target(section)?,
        })
    }
}

fn filters(list: &str, values: &[Value]) -> Result<Vec<FlowFilter>, String> {
    let read = |(index, value): (usize, &Value)| {
        serde_json::from_value(value.clone()).map_err(|error| format!("{list}[{index}]: {error}"))
    };
    values.iter().enumerate().map(read).collect()
}

fn mask(field: &str, paths: &[String]) -> Result<Mask, String> {
    if paths.is_empty() {
        return Ok(Mask::default());
    }
    Mask::compile(paths).map_err(|error| format!("{field}: {error}"))
}

/// Unix nanoseconds of an end.
pub(super) fn time(text: &str) -> Result<i64, String> {
    let wrong = || format!("end: {text:?} is no time; write it like 2026-12-31T00:00:00Z");
    let time = text.parse::<jiff::Timestamp>().map_err(|_| wrong())?;
    i64::try_from(time.as_nanosecond()).map_err(|_| wrong())
}

fn target(section: &ExportSection) -> Result<Target, String> {
    match (&section.file, &section.otlp) {
        (Some(file), None) if file.path == Path::new("stdout") => Ok(Target::Lines(Lines::Stdout)),
        (Some(file), None) => {
            if file.max_bytes < 4_096 || file.max_files == 0 || file.max_age == Some(0) {
                return Err("file: max_bytes is at least 4096, max_files and max_age 1".into());
            }
            Ok(Target::Lines(Lines::File(Rolling::new(Settings {
                path: file.path.clone(),
                max_bytes: file.max_bytes,
                max_age: file.max_age.map(Duration::from_secs),
                max_files: file.max_files,
                compress: file.compress,
            }))))
        }
        (None, Some(otlp)) => Collector::new(otlp).map(Box::new).map(Target::Collector),
        (None, None) | (Some(_), Some(_)) => Err("give either file or otlp".into()),
    }
}
