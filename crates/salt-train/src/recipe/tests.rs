//! What recipes read, and what they refuse.

use super::*;

const TEXT: &str = r"
[model]
name = 'sam_nano'
[adapter]
method = 'salt'
targets = ['blocks\.\d+\.attn\.(qkv|proj)']
head_rank = 0.5
modules_to_save = ['norms']
[data]
path = 'data/vessels'
view = 'tiles'
[train]
epochs = 3
seed = 7
";

fn read(overrides: &[&str]) -> Result<Recipe, TrainError> {
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    Recipe::parse(TEXT, &overrides)
}

#[test]
fn the_resolved_document_reads_back_as_the_same_recipe() {
    for overrides in [
        &[][..],
        &["adapter.seed=3"],
        &["data.view=resize", "train.loss.focal_gamma=2.0"],
        &["data.cache.dir=cases", "data.cache.disk_mib=9"],
        &[
            "train.optimizer.rule=sgd",
            "train.accumulate=4",
            "train.ema=0.9",
        ],
        &["train.optimizer.groups=[{paths='norm', lr=0.1}]"],
        &["inference.mirror=true", "inference.min_component_px=20"],
        &["train.decay=polynomial"],
        &["train.decay=step", "train.steps=[0.2, 0.9]"],
        &[
            "train.loss.tversky_weight=0.5",
            "train.loss.class_weights=[2]",
        ],
    ] {
        let recipe = read(overrides).unwrap();
        let document = recipe.to_toml().unwrap();
        let again = Recipe::parse(&document, &[]).unwrap();
        assert_eq!(again, recipe);
        assert_eq!(again.sha256().unwrap(), recipe.sha256().unwrap());
        assert!(
            document.contains("spectrum_lr") && document.contains("image_size = 128"),
            "{document}"
        );
    }
}

/// Runs are found again by the hash of their resolved recipe: what is left out adds no line.
#[test]
fn keys_that_came_later_are_not_in_a_recipe_that_does_without_them() {
    let document = read(&[]).unwrap().to_toml().unwrap();
    let table: toml::Table = document.parse().unwrap();
    let train = table["train"].as_table().unwrap();
    let keys = |table: &toml::Table| table.keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        keys(train["loss"].as_table().unwrap()),
        "dice_smooth dice_weight focal_alpha focal_gamma focal_weight"
    );
    for key in ["power", "steps", "step_factor"] {
        assert!(!train.contains_key(key), "{key}");
    }
}

#[test]
fn the_adapter_is_seeded_by_the_run_unless_it_has_its_own_seed() {
    assert_eq!(read(&[]).unwrap().adapter_config().seed, 7);
    assert_eq!(read(&["train.seed=8"]).unwrap().adapter_config().seed, 8);
    assert_eq!(read(&["adapter.seed=3"]).unwrap().adapter_config().seed, 3);
}

#[test]
fn augmentation_that_is_left_out_stays_standard() {
    let augment = read(&["train.augment.rotate_deg=0"]).unwrap().train.augment;
    assert_eq!(
        augment,
        salt_data::Augment {
            rotate_deg: 0.0,
            ..salt_data::Augment::standard()
        }
    );
}

#[test]
fn scratch_keeps_its_name_and_trains_everything() {
    let text = TEXT.replace("method = 'salt'", "method = 'scratch'");
    let text = text.lines().filter(|l| {
        !l.starts_with("targets") && !l.starts_with("head") && !l.starts_with("modules")
    });
    let recipe = Recipe::parse(&text.collect::<Vec<_>>().join("\n"), &[]).unwrap();
    assert_eq!(recipe.adapter.method(), "scratch");
    assert_eq!(recipe.adapter_config().method.to_string(), "full");
    assert!(recipe.to_toml().unwrap().contains("method = \"scratch\""));
}

fn check_error(overrides: &[&str], words: &[&str]) {
    let error = read(overrides).unwrap_err().to_string();
    for word in words {
        assert!(
            error.contains(word),
            "{overrides:?}: {error:?} lacks {word:?}"
        );
    }
}

#[test]
fn unknown_keys_name_their_section_and_the_nearest_known_key() {
    check_error(
        &["train.epoch=3"],
        &["`train.epoch`", "did you mean `epochs`?"],
    );
    check_error(
        &["model.wieghts=a"],
        &["`model.wieghts`", "did you mean `weights`?"],
    );
    check_error(
        &["adapter.head_rnk=1"],
        &["`adapter.head_rnk`", "did you mean `head_rank`?"],
    );
    check_error(
        &["train.loss.gamma=1"],
        &["`train.loss.gamma`", "`focal_gamma`?"],
    );
    check_error(
        &["train.augment.hflp=1"],
        &["`train.augment.hflp`", "`hflip`?"],
    );
    check_error(
        &["training.epochs=3"],
        &["`training`", "did you mean `train`?"],
    );
    check_error(
        &["data.zzz=3"],
        &["unknown key `data.zzz` in the recipe; known here: path, split"],
    );
}

#[test]
fn values_that_make_no_sense_are_refused_by_key() {
    check_error(&["data.split=random"], &["data.split", "seed:N", "random"]);
    check_error(&["data.tile=64"], &["data.tile", "128", "64"]);
    check_error(&["data.cache.disk_mib=9"], &["data.cache.dir", "9"]);
    check_error(&["data.cache.dir="], &["data.cache.dir", "empty"]);
    check_error(&["train.lr=0"], &["train.lr", "positive"]);
    check_error(&["train.lr=nan"], &["train.lr", "positive", "NaN"]);
    check_error(
        &["train.samples_per_epoch=9000000000"],
        &["train.samples_per_epoch", "at most"],
    );
    check_error(&["train.batch_size=0"], &["train.batch_size", "at least 1"]);
    check_error(
        &[
            "inference.largest_component=true",
            "inference.min_component_px=9",
        ],
        &["inference.min_component_px", "largest_component"],
    );
    check_error(
        &[
            "inference.mirror=true",
            "prompts.boxes=1",
            "prompts.evaluate=box",
            "data.view=resize",
        ],
        &["inference.mirror", "prompts.evaluate"],
    );
    check_error(&["train.accumulate=0"], &["train.accumulate", "at least 1"]);
    check_error(&["train.ema=1"], &["train.ema", "below 1"]);
    check_error(
        &["train.ema=0.9", "train.tails.every=9"],
        &["train.ema", "train.tails"],
    );
    for (setting, word) in [
        ("rule=adam", "adamw"),
        ("momentum=1", "below 1"),
        ("nesterov=true", "sgd"),
        ("lora_plus=0", "positive"),
        ("groups=[{paths='(', lr=1}]", "regular expression"),
        ("groups=[{paths='a'}]", "weight_decay"),
        ("groups=[{paths='a', lr=-1}]", "positive"),
    ] {
        check_error(&[&format!("train.optimizer.{setting}")], &[word]);
    }
    for by in ["cldice", "nsd"] {
        let setting = format!("train.select_by={by}");
        check_error(&[&setting], &["train.select_by", by, "full"]);
    }
    check_error(&["train.select_by=hd95"], &["hd95", "nsd"]);
    check_error(
        &["train.cache_embeddings=on", "data.view=resize"],
        &[
            "train.cache_embeddings",
            "train.augment",
            "with augmentation",
        ],
    );
    check_error(
        &["train.cache_embeddings=on", "data.view=tiles"],
        &["train.cache_embeddings", "data.view", "tiles"],
    );
    check_error(&["train.cache_embeddings=yes"], &["yes", "auto"]);
    check_error(&["train.recompute=all"], &["all", "blocks"]);
    check_error(&["train.validation=deep"], &["deep", "full"]);
    check_error(&["train.epochs=many"], &["invalid type", "epochs"]);
    check_error(&["train.decay=linear"], &["linear", "cosine"]);
    check_error(&["train.loss.ce_weight=-1"], &["train.loss.ce_weight"]);
    check_error(&["model.name=sam_giant"], &["sam_giant", "sam_nano"]);
    check_error(&["model.image_size=100"], &["image_size", "100"]);
    check_error(&["adapter.method=slat"], &["slat", "salt"]);
    check_error(&["adapter.rank=3"], &["rank", "salt"]);
    let error = Recipe::parse("[model\n", &[]).unwrap_err().to_string();
    assert!(error.contains("line 1"), "{error}");
    let error = Recipe::parse("[model]\nname = 'sam_nano'\n", &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("adapter"), "{error}");
}

#[test]
fn frozen_trains_no_epoch() {
    let text = "[model]\nname='sam_nano'\n[adapter]\nmethod='frozen'\n[data]\npath='d'\n[train]\nepochs=9\n";
    assert_eq!(Recipe::parse(text, &[]).unwrap().train.epochs, 0);
}
