//! What is written is there, once, in order, however often a new file is begun.

use std::io::Read;

use flate2::read::GzDecoder;

use super::*;

fn settings(directory: &Path) -> Settings {
    Settings {
        path: directory.join("flows.jsonl"),
        max_bytes: 100,
        max_age: None,
        max_files: 1_000,
        compress: false,
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn everything(settings: &Settings) -> String {
    let rolling = Rolling::new(settings.clone());
    let mut text = String::new();
    let mut files = rolling.finished().unwrap();
    files.push(settings.path.clone());
    for path in files {
        let mut bytes = File::open(&path).unwrap();
        if path.extension().unwrap() == "gz" {
            GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
        } else {
            bytes.read_to_string(&mut text).unwrap();
        }
    }
    text
}

#[test]
fn rotation_by_size_loses_nothing_plain_or_compressed() {
    for compress in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            compress,
            ..settings(directory.path())
        };
        let mut rolling = Rolling::new(settings.clone());
        let lines: Vec<String> = (0..100).map(|number| format!("line {number}\n")).collect();
        for line in &lines {
            // All in the same millisecond, so that names must be told apart.
            rolling.write(line.as_bytes(), at(0)).unwrap();
        }
        let mut found: Vec<_> = everything(&settings).lines().map(str::to_owned).collect();
        found.sort_by_key(|line| line[5..].parse::<u32>().unwrap());
        let wanted: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
        assert_eq!(found, wanted);
        let finished = rolling.finished().unwrap();
        assert!(finished.len() > 5);
        let packed = finished
            .iter()
            .filter(|path| path.extension().unwrap() == "gz");
        assert_eq!(packed.count(), if compress { finished.len() } else { 0 });
    }
}

#[test]
fn an_old_file_is_put_aside_and_only_so_many_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings {
        max_age: Some(Duration::from_secs(60)),
        max_files: 2,
        ..settings(directory.path())
    };
    // Of another exporter, and none of ours.
    let other = directory
        .path()
        .join("flows-of-somebody-else-entirely.jsonl");
    fs::write(&other, "theirs\n").unwrap();
    let mut rolling = Rolling::new(settings.clone());
    for minute in 0..5 {
        rolling
            .write(format!("{minute}\n").as_bytes(), at(60 * minute))
            .unwrap();
    }
    assert_eq!(everything(&settings), "2\n3\n4\n");
    assert!(other.exists());
}

#[test]
fn half_a_line_that_a_crash_left_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    fs::write(&settings.path, "whole\nhal").unwrap();
    let mut rolling = Rolling::new(settings.clone());
    rolling.write(b"next\n", at(0)).unwrap();
    assert_eq!(everything(&settings), "whole\nnext\n");
}
