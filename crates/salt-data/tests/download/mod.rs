//! Downloads from a server that does what real ones do, on its bad days.

mod brought;
mod certificates;
mod proxy;
mod refused;
mod resumed;
mod retried;
mod server;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use salt_data::download::{Checksum, DownloadError, FetchOptions, Progress, Remote, fetch};
use sha2::Digest as _;

const NAME: &str = "weights.pth";
const ETAG: &str = "\"one\"";

/// Bytes without a pattern that a shift would not show.
fn content(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Patience that does not hold up tests: no further attempts unless a test asks for them.
fn impatient() -> FetchOptions {
    let mut options = FetchOptions {
        retries: 0,
        first_wait: Duration::from_millis(1),
        environment_proxy: false,
        ..FetchOptions::default()
    };
    options.timeouts.connect = Duration::from_secs(5);
    options.timeouts.response = Duration::from_secs(5);
    options.timeouts.stall = Duration::from_secs(5);
    options
}

/// A folder, and a file that is fetched into it.
struct Place {
    folder: tempfile::TempDir,
    urls: Vec<String>,
    bytes: Option<u64>,
    sha256: String,
    options: FetchOptions,
}

impl Place {
    /// For content that is published with size and checksum.
    fn new(urls: &[String], content: &[u8]) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            urls: urls.to_vec(),
            bytes: Some(content.len() as u64),
            sha256: hex(&sha2::Sha256::digest(content)),
            options: impatient(),
        }
    }

    fn retries(mut self, retries: u32) -> Self {
        self.options.retries = retries;
        self
    }

    fn unknown_size(mut self) -> Self {
        self.bytes = None;
        self
    }

    fn fetch(&self) -> Result<PathBuf, DownloadError> {
        self.fetch_until(|_| false)
    }

    /// Stops where `stop` says so.
    fn fetch_until(
        &self,
        mut stop: impl FnMut(&Progress<'_>) -> bool,
    ) -> Result<PathBuf, DownloadError> {
        let urls: Vec<&str> = self.urls.iter().map(String::as_str).collect();
        let remote = Remote {
            urls: &urls,
            file_name: NAME,
            bytes: self.bytes,
            checksum: Checksum::Sha256(&self.sha256),
        };
        let mut report = |progress: Progress<'_>| match stop(&progress) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        fetch(&remote, self.folder.path(), &self.options, &mut report)
    }

    /// A file beside the one that is fetched; None when there is none.
    fn read(&self, suffix: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join(format!("{NAME}{suffix}"))).ok()
    }

    fn write(&self, suffix: &str, bytes: &[u8]) {
        let path = self.folder.path().join(format!("{NAME}{suffix}"));
        std::fs::write(path, bytes).expect("written");
    }

    /// The fetch succeeds, the file has this content, and nothing of the way there is left.
    fn fetch_and_check(&self, content: &[u8]) {
        let path = self.fetch().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(path, self.folder.path().join(NAME));
        self.check_done(content);
    }

    fn check_done(&self, content: &[u8]) {
        assert!(
            self.read("").as_deref() == Some(content),
            "another content of {NAME}"
        );
        for suffix in [".partial", ".partial.json"] {
            assert!(self.read(suffix).is_none(), "{suffix} is left");
        }
    }

    /// The fetch fails, says what is wrong and what to do, and leaves no file of that name.
    fn refused(&self) -> DownloadError {
        let error = self.fetch().expect_err("must be refused");
        let text = error.to_string();
        assert!(text.starts_with("expected "), "{text}");
        assert!(
            text.contains("received") && !error.remedy().is_empty(),
            "{text}"
        );
        assert!(self.read("").is_none(), "{text}");
        error
    }
}
