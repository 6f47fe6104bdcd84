//! From raw ring records to stored flows: decode, record, log, pipeline.

pub mod decode;
pub mod happening;
pub mod log;
pub mod pipeline;
pub mod record;
#[cfg(test)]
pub(crate) mod testing;
pub mod timeline;

pub use decode::{DecodeError, decode};
pub use happening::Happening;
pub use log::{Chunk, Cursor, Gap, Log, Read, Segment, Start, Writer};
pub use pipeline::{Clock, Ingested, Pipeline};
pub use record::{Judged, Record};
pub use timeline::Timeline;
