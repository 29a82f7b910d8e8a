//! Memory does not grow over an epoch of many small files.

use std::path::Path;
use std::process::Command;

use png::{BitDepth, ColorType, Encoder};
use salt_data::{CacheOptions, Dataset, DiskCache, LoaderConfig, Split, TrainLoader, View};

/// Set for the process that measures: tests of one process share its memory.
const MEASURE: &str = "SALT_DATA_MEASURE_MEMORY";

/// Growth of resident memory that is no growth: threads get their buffers, the allocator its pools.
const SLACK_MIB: f64 = 4.0;

/// Side of the pictures, pixels. At 32 x 32 the 2700 cases between the two looks are 10.5 MiB decoded.
const SIDE: u32 = 32;

#[test]
fn three_thousand_pictures_leave_memory_flat() {
    check("three_thousand_pictures_leave_memory_flat", 3000);
}

#[test]
#[ignore = "writes 200,000 files and a cache of as many, minutes; for releases"]
fn a_hundred_thousand_pictures_leave_memory_flat() {
    check("a_hundred_thousand_pictures_leave_memory_flat", 100_000);
}

fn check(test: &str, cases: usize) {
    if !Path::new("/proc/self/statm").exists() {
        skipped();
        return;
    }
    if let Ok(folder) = std::env::var(MEASURE) {
        return measure(Path::new(&folder));
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    write(dir.path(), cases);
    let name = format!("stored_cases::flat_memory::{test}");
    let this = std::env::current_exe().expect("known");
    let done = Command::new(this)
        .args(["--exact", &name, "--include-ignored", "--nocapture"])
        .env(MEASURE, dir.path())
        .output()
        .expect("started");
    let text = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{text}{errors}");
    show(&text);
    for cache in ["none", "disk"] {
        assert!(grown_mib(&text, cache) < SLACK_MIB, "{text}");
    }
    // What is asked to stay in memory does show.
    let decoded = 0.9 * cases as f64 * 4.0 * f64::from(SIDE * SIDE) / f64::from(1 << 20);
    assert!(grown_mib(&text, "memory") > decoded - SLACK_MIB, "{text}");
}

/// What a line of [`report`] says of a kind of cache. Between them stand lines of the test harness, with this module's
/// name in them.
fn grown_mib(text: &str, cache: &str) -> f64 {
    let mark = grown_mark(cache);
    let line = text.lines().find_map(|line| line.split_once(&mark));
    let (_, figure) = line.unwrap_or_else(|| panic!("no `{mark}` in {text}"));
    figure.trim().parse().expect("a number")
}

fn grown_mark(cache: &str) -> String {
    format!("grown with cache {cache}:")
}

#[test]
fn a_slow_measurement_is_read_as_a_quick_one() {
    // After a minute the harness says so, in a line with `memory:` in it.
    let text = "\ntest stored_cases::flat_memory::three_thousand has been running for over 60 seconds\n\
                resident 20.5 MiB, grown with cache none: 0.25\n\
                resident 32.0 MiB, grown with cache memory: 11.50\n";
    assert_eq!(grown_mib(text, "none"), 0.25);
    assert_eq!(grown_mib(text, "memory"), 11.5);
}

/// Prints how many MiB an epoch adds between a tenth of it and its end, for each kind of cache.
fn measure(folder: &Path) {
    let set = Dataset::open(&folder.join("set")).expect("opens");
    let disk = DiskCache {
        dir: folder.join("cache"),
        max_bytes: u64::MAX,
    };
    let caches = [
        ("none", CacheOptions::none()),
        (
            "disk",
            CacheOptions {
                memory_bytes: 0,
                disk: Some(disk),
            },
        ),
        ("memory", CacheOptions::default()),
    ];
    for (name, cache) in caches {
        let config = LoaderConfig {
            batch_size: 4,
            samples_per_epoch: set.cases.len(),
            view: View::Resize {
                image_size: SIDE as usize,
            },
            ..LoaderConfig::default()
        };
        let loader = TrainLoader::open(&set, Split::Train, config, &cache).expect("opens");
        let (mut early, all) = (None, loader.batches_per_epoch());
        for (index, batch) in loader.batches(0, 0).enumerate() {
            assert!(batch.expect("readable").size > 0);
            if index == all / 10 {
                early = Some(resident_mib());
            }
        }
        let late = resident_mib();
        report(name, late - early.expect("a tenth has passed"), late);
        assert_eq!(loader.cache_report().warnings_total, 0);
    }
}

/// The second number of the file, in pages of 4 KiB.
fn resident_mib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("read");
    let pages = text.split_whitespace().nth(1).expect("resident pages");
    pages.parse::<f64>().expect("a number") * 4096.0 / f64::from(1 << 20)
}

/// Pictures of `SIDE` pixels, each another one, with their masks and the table.
fn write(folder: &Path, cases: usize) {
    let set = folder.join("set");
    for part in ["images", "masks"] {
        std::fs::create_dir_all(set.join(part)).expect("created");
    }
    let pixels = (SIDE * SIDE) as usize;
    let mut table = String::from("imgs,split\n");
    for case in 0..cases {
        let mut picture = vec![(case % 251) as u8; 3 * pixels];
        picture[..8].copy_from_slice(&case.to_le_bytes());
        let mask: Vec<u8> = (0..pixels).map(|i| 255 * u8::from(i < case % 97)).collect();
        let stem = format!("{case:06}");
        png(
            &set.join(format!("images/{stem}.png")),
            ColorType::Rgb,
            &picture,
        );
        png(
            &set.join(format!("masks/{stem}_mask.png")),
            ColorType::Grayscale,
            &mask,
        );
        table += &format!("{stem}.png,train\n");
    }
    std::fs::write(set.join("data_split.csv"), table).expect("written");
}

fn png(path: &Path, colour: ColorType, data: &[u8]) {
    let file = std::fs::File::create(path).expect("created");
    let mut encoder = Encoder::new(file, SIDE, SIDE);
    encoder.set_color(colour);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(data).expect("written");
}

fn report(cache: &str, grown_mib: f64, resident_mib: f64) {
    let mark = grown_mark(cache);
    show(&format!(
        "resident {resident_mib:.1} MiB, {mark} {grown_mib:.2}"
    ));
}

#[expect(
    clippy::print_stdout,
    reason = "how the measuring process answers, and the figures for a person"
)]
fn show(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "a test that tests nothing must say so")]
fn skipped() {
    eprintln!("SKIPPED: this system has no /proc/self/statm");
}
