//! How much an archive may ask for.

/// Caps that are counted while reading, whatever the archive says of itself.
///
/// The defaults fit published image sets (the largest single archives are around 30 GB and 100,000 files) and stop
/// an archive that was made to fill a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractLimits {
    /// Files and folders, those that are only implied by a longer path included. Default 500,000.
    pub max_entries: u64,
    /// Bytes of one file. Default 8 GiB, where also the plain tar header ends.
    pub max_file_bytes: u64,
    /// Bytes of all files. Default 64 GiB.
    pub max_total_bytes: u64,
    /// Bytes written for each byte of the archive file. Default 500: blank masks reach a few hundred, deflate itself
    /// ends at 1032, and archives whose entries share their data have no end at all.
    pub max_ratio: u64,
    /// Bytes that may be written before `max_ratio` counts, since a small archive of blank masks does no harm.
    /// Default 64 MiB.
    pub ratio_free_bytes: u64,
    /// Names in one path. Default 32.
    pub max_depth: usize,
    /// Bytes of one path in UTF-8. Default 512; a single name has at most 255, the limit of file systems.
    pub max_name_bytes: usize,
}

impl Default for ExtractLimits {
    fn default() -> Self {
        Self {
            max_entries: 500_000,
            max_file_bytes: 8 << 30,
            max_total_bytes: 64 << 30,
            max_ratio: 500,
            ratio_free_bytes: 64 << 20,
            max_depth: 32,
            max_name_bytes: 512,
        }
    }
}
