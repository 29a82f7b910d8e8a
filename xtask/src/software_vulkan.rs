//! Mesa's software Vulkan: a GPU for tests on machines without one.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Where Vulkan loaders look for drivers.
const DRIVER_FOLDERS: [&str; 3] = [
    "/usr/share/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/etc/vulkan/icd.d",
];

/// Start of the manifest's name of Mesa's software driver (lavapipe).
const SOFTWARE_DRIVER: &str = "lvp_icd";

/// Variables that send a program to the software driver and nowhere else.
pub(crate) fn environment() -> anyhow::Result<Vec<(&'static str, String)>> {
    let driver = DRIVER_FOLDERS.iter().find_map(|folder| driver_in(Path::new(folder))).context(
        "no software Vulkan driver is installed; on Debian: apt-get install mesa-vulkan-drivers libvulkan1",
    )?;
    let driver = driver.display().to_string();
    Ok(vec![
        // The second is what loaders before 1.3.207 read.
        ("VK_DRIVER_FILES", driver.clone()),
        ("VK_ICD_FILENAMES", driver),
        ("CUBECL_WGPU_DEFAULT_DEVICE", "Cpu".to_owned()),
    ])
}

/// The driver's manifest in a folder.
fn driver_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths.into_iter().find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(SOFTWARE_DRIVER) && name.ends_with(".json")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_software_driver_is_found_among_others() {
        let tmp = tempfile::tempdir().unwrap();
        assert_eq!(driver_in(tmp.path()), None);
        for name in [
            "intel_icd.x86_64.json",
            "lvp_icd.x86_64.json",
            "lvp_icd.txt",
        ] {
            std::fs::write(tmp.path().join(name), "{}").unwrap();
        }
        assert_eq!(
            driver_in(tmp.path()),
            Some(tmp.path().join("lvp_icd.x86_64.json"))
        );
        assert_eq!(driver_in(&tmp.path().join("missing")), None);
    }
}
