//! A file of lines that begins anew when it is large or old, and keeps the last few before it.
//!
//! A write is whole or it is not there: where the disk is full, what was written of it is cut off
//! again, so that the same lines can be written once there is room.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;

/// What kind of file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where.
    pub path: PathBuf,
    /// Bytes after which a new file is begun.
    pub max_bytes: u64,
    /// Age at which a new file is begun.
    pub max_age: Option<Duration>,
    /// Finished files kept; older ones are removed.
    pub max_files: usize,
    /// Whether finished files are compressed.
    pub compress: bool,
}

/// The file; opened by the first write.
#[derive(Debug)]
pub struct Rolling {
    settings: Settings,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    length: u64,
    begun: SystemTime,
}

impl Rolling {
    /// A file that is not opened yet.
    pub const fn new(settings: Settings) -> Self {
        Self {
            settings,
            open: None,
        }
    }

    /// Writes whole lines.
    ///
    /// # Errors
    ///
    /// When the disk has no room or the system refuses; then nothing was written.
    pub fn write(&mut self, lines: &[u8], now: SystemTime) -> io::Result<()> {
        let length = lines.len() as u64;
        if self
            .open
            .as_ref()
            .is_some_and(|open| self.is_over(open, length, now))
        {
            self.roll(now)?;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => self.open_file(now)?,
        };
        let open = self.open.insert(open);
        if let Err(error) = open.file.write_all(lines) {
            // Were it left, half a line would be read as one.
            let cut = open.file.set_len(open.length);
            if cut.is_err() {
                self.open = None;
            }
            return Err(error);
        }
        open.length += length;
        Ok(())
    }

    fn is_over(&self, open: &Open, more: u64, now: SystemTime) -> bool {
        let age = now.duration_since(open.begun).unwrap_or_default();
        let old = self.settings.max_age.is_some_and(|most| age >= most);
        open.length > 0 && (old || open.length + more > self.settings.max_bytes)
    }

    fn open_file(&self, now: SystemTime) -> io::Result<Open> {
        if let Some(directory) = self.settings.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o640)
            .open(&self.settings.path)?;
        let found = file.metadata()?;
        let begun = match found.len() {
            0 => now,
            _ => found.created().unwrap_or(now),
        };
        Ok(Open {
            length: whole_lines(&self.settings.path, &file, found.len())?,
            file,
            begun,
        })
    }

    /// Puts the file aside and lets the next write begin a new one.
    fn roll(&mut self, now: SystemTime) -> io::Result<()> {
        let aside = self.aside(now);
        fs::rename(&self.settings.path, &aside)?;
        self.open = None;
        // The rest is housekeeping: what fails is tried again with the next file.
        if let Err(error) = self.tidy() {
            tracing::warn!(path = %self.settings.path.display(), %error, "finished files cannot be tidied");
        }
        Ok(())
    }

    /// A name for the finished file that sorts by time and is not taken.
    fn aside(&self, now: SystemTime) -> PathBuf {
        let time = jiff::Timestamp::try_from(now).unwrap_or_default();
        let time = time.strftime("%Y-%m-%dT%H-%M-%S.%3f");
        let (stem, extension) = self.name();
        (0..)
            .map(|number| match number {
                0 => format!("{stem}-{time}{extension}"),
                _ => format!("{stem}-{time}-{number}{extension}"),
            })
            .map(|name| self.settings.path.with_file_name(name))
            .find(|path| !path.exists() && !gz(path).exists())
            .unwrap_or_else(|| self.settings.path.with_extension("rolled"))
    }

    fn name(&self) -> (String, String) {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map_or_else(String::new, |part| part.to_string_lossy().into_owned())
        };
        let extension = self.settings.path.extension();
        let dotted = extension.map(|extension| format!(".{}", extension.to_string_lossy()));
        (
            text(self.settings.path.file_stem()),
            dotted.unwrap_or_default(),
        )
    }

    /// Finished files, oldest first.
    fn finished(&self) -> io::Result<Vec<PathBuf>> {
        let (stem, extension) = self.name();
        let begin = format!("{stem}-");
        let directory = match self.settings.path.parent() {
            Some(directory) if directory != Path::new("") => directory,
            Some(_) | None => Path::new("."),
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let plain = name.strip_suffix(".gz").unwrap_or(&name);
            let time = plain
                .strip_prefix(&begin)
                .and_then(|rest| rest.strip_suffix(&extension));
            // As long as a time, so that the files of `flows-a.jsonl` are not those of `flows.jsonl`.
            if time.is_some_and(|time| time.len() >= 23 && time.as_bytes()[0].is_ascii_digit()) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    fn tidy(&self) -> io::Result<()> {
        let mut finished = self.finished()?;
        let surplus = finished.len().saturating_sub(self.settings.max_files);
        for path in finished.drain(..surplus) {
            fs::remove_file(path)?;
        }
        if self.settings.compress {
            for path in finished {
                if path.extension().is_none_or(|extension| extension != "gz") {
                    compress(&path)?;
                }
            }
        }
        Ok(())
    }
}

/// The length up to the last line's end: a crash may have left half a line.
fn whole_lines(path: &Path, file: &File, length: u64) -> io::Result<u64> {
    use std::os::unix::fs::FileExt;
    const LOOK: u64 = 64 * 1024;
    if length == 0 {
        return Ok(0);
    }
    let from = length.saturating_sub(LOOK);
    let mut end = vec![0; usize::try_from(length - from).unwrap_or_default()];
    File::open(path)?.read_exact_at(&mut end, from)?;
    let Some(last) = end.iter().rposition(|byte| *byte == b'\n') else {
        return Ok(length);
    };
    let whole = from + last as u64 + 1;
    if whole < length {
        file.set_len(whole)?;
    }
    Ok(whole)
}

fn gz(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    PathBuf::from(name)
}

/// Compresses beside and renames: a disk that fills up meanwhile leaves the plain file.
fn compress(path: &Path) -> io::Result<()> {
    let target = gz(path);
    let mut beside = target.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let packed = (|| {
        let out = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o640)
            .open(&beside)?;
        let mut packer = GzEncoder::new(io::BufWriter::new(out), Compression::default());
        io::copy(&mut File::open(path)?, &mut packer)?;
        packer.finish()?.flush()?;
        fs::rename(&beside, &target)
    })();
    if let Err(error) = packed {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    fs::remove_file(path)
}

#[cfg(test)]
mod tests;
