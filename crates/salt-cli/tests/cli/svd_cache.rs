//! Decompositions are kept between runs, where the environment says.

use super::inputs::{Inputs, command};

#[test]
fn a_second_run_reads_what_the_first_decomposed() {
    let inputs = Inputs::new();
    let cache = inputs.file("cache");
    let train = |run: &str, variable: &std::path::Path| {
        let mut command = command(&inputs.train(run, &["train.epochs=1"]));
        let output = command.env("SALT_SVD_CACHE", variable).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        let adapter = inputs.read(run, "adapter/adapter_model.safetensors");
        (adapter, stderr)
    };
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(&cache)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    };
    let (first, _) = train("first", &cache);
    let kept = files();
    // Two blocks of qkv and proj.
    assert_eq!(kept.len(), 4);
    let (second, _) = train("second", &cache);
    assert_eq!(second, first);
    assert_eq!(files(), kept);

    // A damaged file is told of, computed anew and replaced.
    let whole = std::fs::read(&kept[0]).unwrap();
    std::fs::write(&kept[0], &whole[..whole.len() - 4]).unwrap();
    let (third, stderr) = train("third", &cache);
    assert_eq!(third, first);
    assert!(stderr.contains("the cache of decompositions"), "{stderr}");
    assert_eq!(std::fs::read(&kept[0]).unwrap(), whole);

    // A folder that cannot be made costs time, nothing else.
    let (fourth, stderr) = train("fourth", &inputs.file("recipe.toml").join("cache"));
    assert_eq!(fourth, first);
    assert!(stderr.contains("decompositions are not kept"), "{stderr}");
}
