//! The range test of learning rates: what it prints, writes and refuses.

use super::inputs::{Inputs, device, json, salt, succeed};

fn words(inputs: &Inputs, out: &str, more: &[&str]) -> Vec<String> {
    let mut words = vec!["lr-find".to_owned(), inputs.path("recipe.toml")];
    words.extend(["--out".to_owned(), inputs.path(out)]);
    words.extend(["--device".to_owned(), device()]);
    let few = [
        "--from",
        "1e-5",
        "--to",
        "1",
        "--steps",
        "12",
        "--smoothing",
        "0.5",
    ];
    words.extend(few.iter().chain(more).map(|word| (*word).to_owned()));
    words
}

#[test]
fn a_test_prints_lines_for_the_recipe_and_writes_table_and_picture() {
    if device() == "wgpu" {
        // Minutes on a GPU made of software; the library's test of rates runs there.
        return;
    }
    let inputs = Inputs::new();
    let said = succeed(&words(&inputs, "lr", &[]));
    for part in [
        "| suggestion ",
        "[train]\nlr = ",
        "lr_find.csv",
        "lr_find.svg",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let table = String::from_utf8(inputs.read("lr", "lr_find.csv")).unwrap();
    assert!(
        table.starts_with("step,lr,loss,smoothed_loss\n1,0.00001,"),
        "{table}"
    );

    // The same as one document, and the same bytes again.
    let found = json(&words(&inputs, "again", &["--json"]));
    assert_eq!(
        inputs.read("lr", "lr_find.csv"),
        inputs.read("again", "lr_find.csv")
    );
    assert_eq!(
        inputs.read("lr", "lr_find.svg"),
        inputs.read("again", "lr_find.svg")
    );
    let points = found["points"].as_array().unwrap();
    assert_eq!(points.len() + 1, table.lines().count());
    assert_eq!(
        (&found["from"], &found["steps"]),
        (&1e-5.into(), &12.into())
    );
    for rate in ["steepest", "tenth_of_minimum"] {
        assert!(found["suggestion"][rate].is_number(), "{found}");
    }
    let line = found["recipe_lines"][0].as_str().unwrap();
    assert!(said.contains(line), "{line}: {said}");

    // What it says can be pasted.
    let set = format!("train.{}", line.replace(' ', ""));
    succeed(&inputs.train("run", &[&set, "train.epochs=1"]));
    let recipe = String::from_utf8(inputs.read("run", "recipe.toml")).unwrap();
    let recipe: toml::Table = recipe.parse().unwrap();
    let lr: f64 = line.split(" = ").nth(1).unwrap().parse().unwrap();
    assert_eq!(recipe["train"]["lr"].as_float(), Some(lr));

    // A run's folder is no place for it, and nothing in it changes.
    let refused = salt(&words(&inputs, "run", &[]));
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(!inputs.file("run/lr_find.csv").exists());
}

#[test]
fn tests_that_make_no_sense_are_wrong_use() {
    let inputs = Inputs::new();
    for (more, says) in [
        (&["--set", "train.epochs=0"][..], "epochs of at least 1"),
        (&["--set", "train.lr=-1"], "train.lr"),
    ] {
        let output = salt(&words(&inputs, "out", more));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(
            stderr.contains(says) && stderr.contains("hint:"),
            "{stderr}"
        );
    }
    let backwards = [
        "lr-find",
        &inputs.path("recipe.toml"),
        "--out",
        &inputs.path("out"),
        "--to",
        "1e-9",
    ];
    let output = salt(&backwards);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("the first one lower"), "{stderr}");
    assert!(!inputs.file("out").exists());
}
