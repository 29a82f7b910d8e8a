//! Archives made by Python's zipfile, tarfile and gzip come out as Python extracts them.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::Digest as _;

use super::Place;

#[derive(Debug, serde::Deserialize)]
struct Row {
    archive: String,
    path: String,
    bytes: usize,
    sha256: String,
}

#[test]
fn what_python_packs_comes_out_as_python_unpacks_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/archive");
    let mut expected = BTreeMap::<String, BTreeMap<String, (usize, String)>>::new();
    let mut table = csv::Reader::from_path(folder.join("expected.csv")).expect("a table");
    for row in table.deserialize() {
        let row: Row = row.expect("a row");
        let files = expected.entry(row.archive).or_default();
        files.insert(row.path, (row.bytes, row.sha256));
    }
    assert_eq!(expected.len(), 9);
    for (name, files) in expected {
        let bytes = std::fs::read(folder.join(&name)).expect("a fixture");
        let (extracted, mut out) = Place::new(&name, &bytes).extracted();
        assert_eq!(extracted.skipped, 0, "{name}");
        let hollow = out.contains_key("set/hollow/");
        assert_eq!(hollow, name != "single.ppm.gz", "{name}");
        out.retain(|path, _| !path.ends_with('/'));
        let received: BTreeMap<_, _> = out
            .into_iter()
            .map(|(path, content)| {
                let digest = sha2::Sha256::digest(&content);
                let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                (path, (content.len(), hex))
            })
            .collect();
        assert_eq!(received, files, "{name}");
    }
}
