//! Libraries that a GPU device opens at run time: looked for by name, not loaded.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// A library and whether it is there.
#[derive(Debug, Serialize)]
pub(super) struct Driver {
    /// Start of its file name.
    pub(super) library: &'static str,
    /// The device that needs it.
    pub(super) for_device: &'static str,
    /// Where it was found first.
    pub(super) path: Option<PathBuf>,
}

/// Library and device.
const LIBRARIES: [(&str, &str); 3] = [
    ("libcuda.so", "cuda"),
    ("libnvrtc.so", "cuda"),
    ("libvulkan.so", "vulkan, wgpu"),
];

/// Where the loaders of Linux distributions look; the last is Windows' Linux.
const FOLDERS: [&str; 7] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
    "/usr/local/cuda/lib64",
    "/usr/lib/wsl/lib",
];

/// Look for all of them.
pub(super) fn look() -> Vec<Driver> {
    let own = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&own).collect();
    folders.extend(
        ["CUDA_HOME", "CUDA_PATH"].iter().filter_map(|name| {
            std::env::var_os(name).map(|path| PathBuf::from(path).join("lib64"))
        }),
    );
    folders.extend(FOLDERS.map(PathBuf::from));
    let driver = |(library, for_device)| Driver {
        library,
        for_device,
        path: folders.iter().find_map(|folder| find(folder, library)),
    };
    LIBRARIES.map(driver).into()
}

/// The shortest name in a folder that starts so: `libcuda.so` before `libcuda.so.1`.
fn find(folder: &Path, library: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let name = names
        .filter(|name| name.starts_with(library))
        .min_by_key(String::len)?;
    Some(folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_found_with_and_without_version() {
        let tmp = tempfile::tempdir().unwrap();
        assert_eq!(find(tmp.path(), "libcuda.so"), None);
        for name in ["libcudart.so.12", "libcuda.so.1", "libcuda.so.550.1"] {
            std::fs::write(tmp.path().join(name), "").unwrap();
        }
        assert_eq!(
            find(tmp.path(), "libcuda.so"),
            Some(tmp.path().join("libcuda.so.1"))
        );
        assert_eq!(find(&tmp.path().join("missing"), "libcuda.so"), None);
    }
}
