//! The fuzz target `archive`: any bytes as an archive.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use salt_data::archive::{ExtractLimits, extract};

const LIMITS: ExtractLimits = ExtractLimits {
    max_entries: 64,
    max_file_bytes: 1 << 16,
    max_total_bytes: 1 << 18,
    max_ratio: 100,
    ratio_free_bytes: 1 << 14,
    max_depth: 8,
    max_name_bytes: 256,
};

/// Extracts `data`; returns whether that worked. Panics when something is written where it must not be, or too much.
pub(crate) fn run(data: &[u8]) -> bool {
    let root = temporary_folder();
    // Some way down, so that names that lead upwards have where to go.
    let below = root.path().join("one/two/three");
    std::fs::create_dir_all(&below).expect("created");
    let (archive, into) = (below.join("archive"), below.join("out"));
    std::fs::write(&archive, data).expect("written");
    let mut go_on = |_| ControlFlow::Continue(());
    let result = extract(&archive, &into, &LIMITS, &mut go_on);
    let mut expected = BTreeSet::from(
        ["one", "one/two", "one/two/three", "one/two/three/archive"].map(str::to_owned),
    );
    match &result {
        Ok(extracted) => {
            let (files, bytes) = check(&into);
            assert_eq!((files, bytes), (extracted.files, extracted.bytes));
            assert!(files > 0 && bytes <= LIMITS.max_total_bytes);
            std::fs::remove_dir_all(&into).expect("removed");
        }
        Err(error) => {
            let message = error.to_string();
            assert!(
                message.starts_with("expected ") && !error.remedy().is_empty(),
                "{message}"
            );
            assert!(!message.contains(char::is_control), "{message:?}");
        }
    }
    for entry in walkdir::WalkDir::new(root.path()).min_depth(1) {
        let entry = entry.expect("readable");
        let path = entry.path().strip_prefix(root.path()).expect("below it");
        let path = path.to_str().expect("UTF-8");
        assert!(expected.remove(path), "left behind: {path}");
    }
    assert!(expected.is_empty(), "gone: {expected:?}");
    result.is_ok()
}

/// In memory where Linux has such a place: on a disk nearly all time goes into waiting for it.
fn temporary_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    }
    .expect("a temporary folder")
}

/// Files and bytes below a folder that must hold nothing but plain files and folders.
fn check(folder: &Path) -> (u64, u64) {
    let (mut entries, mut files, mut bytes) = (0, 0, 0);
    for entry in walkdir::WalkDir::new(folder).min_depth(1) {
        let entry = entry.expect("readable");
        entries += 1;
        assert!(entry.depth() <= LIMITS.max_depth, "{:?}", entry.path());
        if entry.file_type().is_file() {
            files += 1;
            let size = entry.metadata().expect("readable").len();
            assert!(size <= LIMITS.max_file_bytes, "{:?}", entry.path());
            bytes += size;
        } else {
            assert!(entry.file_type().is_dir(), "{:?}", entry.path());
        }
    }
    assert!(entries <= LIMITS.max_entries);
    (files, bytes)
}

/// Makes the checksums of tar headers right again.
#[cfg(test)]
pub(crate) fn repair(input: &mut [u8]) {
    for block in input.chunks_exact_mut(512) {
        if block[257..262] != *b"ustar" {
            continue;
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
