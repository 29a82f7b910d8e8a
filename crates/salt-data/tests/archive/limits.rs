//! Caps: what they are counted on, and that no more than they allow reaches the disk.

use std::ops::ControlFlow;

use salt_data::archive::{ArchiveError as E, ExtractLimits, extract};

use super::good::noise;
use super::tar_bytes::{self, tar};
use super::zip_bytes::{Entry, zip};
use super::{Place, assert_refused, gz};

fn limits(change: impl FnOnce(&mut ExtractLimits)) -> ExtractLimits {
    let mut limits = ExtractLimits::default();
    change(&mut limits);
    limits
}

/// One file of `bytes` zeros, in every kind of archive. A zip and a tar tell the truth about its size.
fn bombs(bytes: usize) -> [(&'static str, Vec<u8>); 4] {
    let zeros = vec![0; bytes];
    [
        ("a.zip", zip(&[Entry::deflated("a", &zeros)])),
        ("a.tar", tar(&[tar_bytes::Entry::file("a", &zeros)])),
        ("a.tar.gz", gz(&tar(&[tar_bytes::Entry::file("a", &zeros)]))),
        ("a.gz", gz(&zeros)),
    ]
}

#[test]
fn one_file_has_an_end() {
    for (name, bytes) in bombs(3000) {
        let limit = |max_file_bytes| {
            Place::new(name, &bytes).limits(limits(|it| it.max_file_bytes = max_file_bytes))
        };
        limit(3000).extracted();
        assert_refused!(name, limit(2999), E::FileTooLarge { limit: 2999, .. });
    }
}

#[test]
fn all_files_together_have_an_end() {
    let zeros = [0; 100];
    let files = ["a", "b", "c"].map(|name| Entry::stored(name, &zeros));
    let of_zip = zip(&files);
    let files = ["a", "b", "._c"].map(|name| tar_bytes::Entry::file(name, &zeros));
    // Also what is not written has to be read.
    let of_tar = gz(&tar(&files));
    for (name, bytes) in [("a.zip", of_zip), ("a.tar.gz", of_tar)] {
        let limit = |max_total_bytes| {
            Place::new(name, &bytes).limits(limits(|it| it.max_total_bytes = max_total_bytes))
        };
        limit(300).extracted();
        assert_refused!(name, limit(299), E::TotalTooLarge { limit: 299, .. });
    }
}

#[test]
fn far_more_than_went_in_is_a_bomb() {
    let strict = limits(|it| (it.max_ratio, it.ratio_free_bytes) = (100, 10_000));
    for (name, bytes) in bombs(1_000_000) {
        let place = Place::new(name, &bytes).limits(strict.clone());
        match name {
            "a.tar" => drop(place.extracted()),
            _ => assert_refused!(name, place, E::Bomb { limit: 100, .. }),
        }
        // The same within what is free.
        let free = limits(|it| (it.max_ratio, it.ratio_free_bytes) = (100, 2_000_000));
        Place::new(name, &bytes).limits(free).extracted();
    }
}

#[test]
fn what_does_not_compress_passes_every_ratio() {
    let strict = limits(|it| (it.max_ratio, it.ratio_free_bytes) = (1, 0));
    let bytes = zip(&[Entry::stored("a", &noise(100_000))]);
    Place::new("a.zip", &bytes).limits(strict).extracted();
}

#[test]
fn no_more_than_the_cap_is_written() {
    const CAP: u64 = 1_000_000;
    let zeros = vec![0; 20_000_000];
    // A zip that lies about its size as well, so that nothing stops it before it is read.
    let mut lying = Entry::deflated("a", &zeros);
    lying.size = CAP as u32 - 1;
    let cases = [
        ("a.gz", gz(&zeros), limits(|it| it.max_file_bytes = CAP)),
        ("b.gz", gz(&zeros), limits(|it| it.max_total_bytes = CAP)),
        (
            "c.gz",
            gz(&zeros),
            limits(|it| (it.max_ratio, it.ratio_free_bytes) = (1, CAP)),
        ),
        ("a.zip", zip(&[lying]), ExtractLimits::default()),
    ];
    for (name, bytes, limits) in cases {
        let place = Place::new(name, &bytes);
        let staged = place.path().join(".out.extracting");
        let mut most = 0;
        let error = extract(
            &place.path().join(name),
            &place.target(),
            &limits,
            &mut |progress| {
                let on_disk: u64 = walkdir::WalkDir::new(&staged)
                    .into_iter()
                    .map(|entry| entry.expect("readable").metadata().expect("readable"))
                    .filter(|it| it.is_file())
                    .map(|it| it.len())
                    .sum();
                assert_eq!(on_disk, progress.bytes, "{name}");
                most = on_disk;
                ControlFlow::Continue(())
            },
        )
        .expect_err("a bomb");
        assert!(
            0 < most && most <= CAP,
            "{name}: {most} bytes on the disk, then {error}"
        );
        assert!(!place.target().exists() && !staged.exists(), "{name}");
    }
}
