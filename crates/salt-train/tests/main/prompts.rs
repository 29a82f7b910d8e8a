//! Runs whose class tokens are trained with points and boxes beside them.

use salt_data::Split;
use salt_train::recipe::EvaluationPrompts;
use salt_train::{Interrupt, Session, Silent};

use crate::methods::write_squares;
use crate::support::{assert_same_files, machine, on_cpu, recipe, stable_files, train};

/// Prompts in most rows.
pub(crate) const OFTEN: [&str; 3] = [
    "prompts.points=0.6",
    "prompts.boxes=0.6",
    "prompts.background=0.5",
];

fn with<'a>(overrides: &[&'a str]) -> Vec<&'a str> {
    [&OFTEN[..], overrides].concat()
}

#[test]
fn the_resolved_recipe_keeps_the_table_and_has_none_where_none_was_given() {
    let recipe = recipe("lora", &OFTEN).unwrap();
    let document = recipe.to_toml().unwrap();
    for line in [
        "[prompts]",
        "jitter = 0.1",
        "max_points = 3",
        "evaluate = \"none\"",
    ] {
        assert!(document.contains(line), "{document}");
    }
    let again = salt_train::Recipe::parse(&document, &[]).unwrap();
    assert_eq!(again, recipe);
    let without = crate::support::recipe("lora", &[]).unwrap();
    assert!(!without.to_toml().unwrap().contains("prompts"));
}

#[test]
fn keys_and_values_that_make_no_sense_are_refused() {
    let check = |overrides: &[&str], words: &[&str]| {
        let error = recipe("lora", overrides).unwrap_err().to_string();
        for word in words {
            assert!(
                error.contains(word),
                "{overrides:?}: {error:?} lacks {word:?}"
            );
        }
    };
    check(&["prompts.point=0.3"], &["`prompts.point`", "`points`?"]);
    check(&["prompt.points=0.3"], &["`prompt`", "`prompts`?"]);
    check(
        &["prompts.points=1.5"],
        &["prompts.points", "0 to 1", "1.5"],
    );
    check(&["prompts.boxes=nan"], &["prompts.boxes", "NaN"]);
    check(&with(&["prompts.jitter=0.5"]), &["prompts.jitter", "0.5"]);
    check(
        &with(&["prompts.max_points=0"]),
        &["prompts.max_points", "0"],
    );
    check(&["prompts.jitter=0.2"], &["prompts", "leave the table out"]);
    check(&["prompts.evaluate=points"], &["points", "box"]);
    check(&["prompts.evaluate=box"], &["prompts.evaluate", "resize"]);
}

#[test]
fn the_same_recipe_gives_the_same_bytes_with_any_number_of_workers() {
    if !on_cpu() {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let run = |name: &str, overrides: &[&str]| {
        let out = tmp.path().join(name);
        train(&recipe("salt", overrides).unwrap(), &out).unwrap();
        out
    };
    let shards = "train.shards=2";
    let one = run("one", &with(&[shards]));
    let again = run("again", &with(&[shards]));
    assert_same_files(&one, &again, "one recipe twice");
    let two = stable_files(&run("two", &with(&[shards, "train.workers=2"])));
    let plain = stable_files(&run("plain", &[shards]));
    let one = stable_files(&one);
    for name in ["metrics.csv", "adapter/adapter_model.safetensors"] {
        assert!(one[name] == two[name], "{name} with two workers");
        assert!(one[name] != plain[name], "{name} without prompts");
    }
}

/// Probabilities of almost nothing go through the prompted step and draw no prompt.
#[test]
fn steps_that_draw_no_prompt_are_those_of_a_run_without() {
    let tmp = tempfile::tempdir().unwrap();
    let (asked, plain) = (tmp.path().join("asked"), tmp.path().join("plain"));
    train(&recipe("full", &["prompts.points=1e-12"]).unwrap(), &asked).unwrap();
    train(&recipe("full", &[]).unwrap(), &plain).unwrap();
    let (asked, plain) = (stable_files(&asked), stable_files(&plain));
    for name in [
        "metrics.csv",
        "cases.csv",
        "adapter/adapter_model.safetensors",
    ] {
        assert!(asked[name] == plain[name], "{name}");
    }
}

/// Squares, which a few steps can learn; the test scores are those of the token alone.
#[test]
fn prompts_help_to_learn_and_the_token_alone_still_answers() {
    if !on_cpu() {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let (data, run) = (tmp.path().join("squares"), tmp.path().join("run"));
    write_squares(&data);
    let path = format!("data.path={}", data.display());
    let overrides = with(&[
        path.as_str(),
        "data.view=resize",
        "train.epochs=12",
        "train.samples_per_epoch=24",
        "train.validate_every=6",
        "train.lr=5e-3",
    ]);
    let result = train(&recipe("full", &overrides).unwrap(), &run).unwrap();
    let losses: Vec<f64> = csv::Reader::from_path(run.join("metrics.csv"))
        .unwrap()
        .records()
        .map(|r| r.unwrap()[3].parse().unwrap())
        .collect();
    assert!(losses[11] < 0.7 * losses[0], "{losses:?}");
    let dice = result.test.dice.unwrap().mean;
    assert!(dice > 0.5, "test Dice {dice} without prompts");
    assert_eq!(result.evaluation_prompts, EvaluationPrompts::None);
    let document = std::fs::read_to_string(run.join("result.json")).unwrap();
    assert!(!document.contains("prompts"), "{document}");
}

#[test]
fn an_evaluation_with_boxes_says_so_and_scores_otherwise() {
    if !on_cpu() {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let boxed = tmp.path().join("boxed");
    let given = [
        "data.view=resize",
        "train.epochs=1",
        "prompts.boxes=0.8",
        "prompts.evaluate=box",
    ];
    let result = train(&recipe("lora", &given).unwrap(), &boxed).unwrap();
    assert_eq!(result.evaluation_prompts, EvaluationPrompts::Box);
    let document = std::fs::read_to_string(boxed.join("result.json")).unwrap();
    assert!(
        document.contains("\"evaluation_prompts\": \"box\""),
        "{document}"
    );

    let evaluate = |run: &std::path::Path| {
        let mut silent = Silent;
        let mut session = Session::new(&mut silent, Interrupt::new());
        salt_train::evaluate_run(run, Split::Test, &machine(), &mut session).unwrap()
    };
    assert_eq!(evaluate(&boxed).summary, result.test);
    // The same parameters, scored by the tokens alone.
    let text = std::fs::read_to_string(boxed.join("recipe.toml")).unwrap();
    let with_box = evaluate(&boxed).rows;
    std::fs::write(
        boxed.join("recipe.toml"),
        text.replace("evaluate = \"box\"", "evaluate = \"none\""),
    )
    .unwrap();
    assert_ne!(evaluate(&boxed).rows, with_box);
}
