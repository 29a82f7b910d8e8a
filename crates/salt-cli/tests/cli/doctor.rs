//! `salt doctor`.

use super::inputs::{json, succeed};

#[test]
fn the_machine_is_described_twice() {
    let text = succeed(&["doctor"]);
    for word in ["flex", "cores", "libcuda.so", "embedded base"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let document = json(&["doctor", "--json"]);
    let devices = document["devices"].as_array().unwrap();
    let names: Vec<&str> = devices
        .iter()
        .map(|d| d["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["flex", "ndarray", "wgpu", "vulkan", "cuda"]);
    assert_eq!(devices[0]["compiled"], cfg!(feature = "flex"));
    assert!(document["processor"]["cores"].as_u64() >= Some(1));
    assert!(document["advice"].is_array());
}
