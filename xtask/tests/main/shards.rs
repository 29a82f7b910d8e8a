//! `--shard I/N`, in one folder and in several.

use crate::bench::{Bench, ended};

#[test]
fn shards_in_one_folder_side_by_side_make_one_report() {
    let bench = Bench::new();
    let shards = ["1/3", "2/3", "3/3"];
    let running = shards.map(|shard| {
        let mut command = bench.bench("out", &["--shard", shard]);
        let command = command.stdout(std::process::Stdio::piped());
        command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    });
    for child in running {
        ended(&child.wait_with_output().unwrap(), 0);
    }
    let calls = bench.read("salt-calls");
    assert_eq!(calls.lines().count(), 4, "{calls}");
    ended(&bench.report(&["out"]), 0);
    let report = bench.read("out/report.md");
    assert!(!report.contains("cells are finished."), "{report}");
    let text = ended(&bench.bench("out", &["--dry-run"]).output().unwrap(), 0);
    assert!(text.contains("0 of 4 cells to run"), "{text}");
}

#[test]
fn a_report_names_what_other_shards_have_not_done() {
    let bench = Bench::new();
    let text = ended(
        &bench.bench("out", &["--shard", "1/2"]).output().unwrap(),
        0,
    );
    let missing = "2 of 4 cells are finished. Not begun: salt__set__s1, lora__set__s1";
    assert!(text.contains(missing), "{text}");
    assert!(bench.read("out/report.html").contains(missing));
    let text = ended(
        &bench
            .bench("out", &["--shard", "2/2", "--dry-run"])
            .output()
            .unwrap(),
        0,
    );
    assert!(text.contains("2 of 2 cells to run"), "{text}");
}

#[test]
fn shards_in_folders_of_their_own_are_merged() {
    let bench = Bench::new();
    for (out, shard) in [("a", "1/2"), ("b", "2/2")] {
        ended(&bench.bench(out, &["--shard", shard]).output().unwrap(), 0);
    }
    let text = ended(&bench.report(&["a", "--merge", "b"]), 0);
    assert!(text.contains("2 finished cells copied"), "{text}");
    assert!(!text.contains("cells are finished."), "{text}");
    let text = ended(&bench.bench("a", &["--dry-run"]).output().unwrap(), 0);
    assert!(text.contains("0 of 4 cells to run"), "{text}");
}

#[test]
fn more_shards_than_cells_are_no_failure() {
    let bench = Bench::new();
    let output = bench.bench("out", &["--shard", "5/5"]).output().unwrap();
    let text = ended(&output, 0);
    assert!(text.contains("is empty: there are 4 cells"), "{text}");
}

#[test]
fn when_all_cells_fail_they_are_named() {
    let bench = Bench::new();
    for cell in ["salt__set__s0", "lora__set__s0"] {
        bench.write(&format!("fail-{cell}"), "");
    }
    let output = bench.bench("out", &["--shard", "1/2"]).output().unwrap();
    let text = ended(&output, 1);
    let failed = "2 of 2 cells failed: salt__set__s0, lora__set__s0; run the command again";
    assert!(text.contains(failed), "{text}");
}

#[test]
fn a_shard_that_is_none_is_wrong_use() {
    let bench = Bench::new();
    for shard in ["0/3", "4/3", "a/b", "1/0"] {
        let text = ended(
            &bench.bench("out", &["--shard", shard]).output().unwrap(),
            2,
        );
        assert!(
            text.contains("1 <= I <= N") && text.contains(shard),
            "{text}"
        );
    }
}
