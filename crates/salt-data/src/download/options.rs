//! What is downloaded, and how patiently.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::DownloadError;

/// A published file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remote<'a> {
    /// Where it is, the address to try first in front.
    pub urls: &'a [&'a str],
    /// Its name on this disk.
    pub file_name: &'a str,
    /// Its size, where known.
    pub bytes: Option<u64>,
    /// What its content hashes to.
    pub checksum: Checksum<'a>,
}

/// A published checksum, in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum<'a> {
    /// 64 digits.
    Sha256(&'a str),
    /// 32 digits, for files of which nothing better is published: it recognises damage, not malice.
    Md5(&'a str),
}

impl Checksum<'_> {
    /// `sha256` or `md5`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "sha256",
            Self::Md5(_) => "md5",
        }
    }

    /// The digits.
    pub fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Md5(hex) => hex,
        }
    }

    fn digits(&self) -> usize {
        match self {
            Self::Sha256(_) => 64,
            Self::Md5(_) => 32,
        }
    }
}

impl fmt::Display for Checksum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.hex())
    }
}

impl Remote<'_> {
    /// Refuses what would never verify, or would be written elsewhere.
    pub(super) fn validate(&self) -> Result<(), DownloadError> {
        let refuse = |problem: String| {
            Err(DownloadError::BadRemote {
                file_name: self.file_name.to_owned(),
                problem,
            })
        };
        if self.urls.is_empty() {
            return refuse("no address".to_owned());
        }
        let name = self.file_name;
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', ':', '\0']) {
            return refuse("a name that is no plain file name".to_owned());
        }
        let hex = self.checksum.hex();
        if hex.len() != self.checksum.digits() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return refuse(format!("`{hex}` as its {}", self.checksum.kind()));
        }
        Ok(())
    }
}

/// How patiently.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchOptions {
    /// Use what is there and ask nobody.
    pub offline: bool,
    /// Further attempts at one address after failures that may pass. They start anew whenever an attempt
    /// has brought a megabyte.
    pub retries: u32,
    /// Wait before the first further attempt; it doubles with each, and is spread by a random half.
    pub first_wait: Duration,
    /// The longest wait, also of those that a server asks for with `Retry-After`: an address that asks for more
    /// is given up.
    pub longest_wait: Duration,
    /// When to stop waiting for a server.
    pub timeouts: Timeouts,
    /// The most bytes of a file whose size is not known.
    pub most_bytes: u64,
    /// The most redirects followed.
    pub most_redirects: u32,
    /// Use the proxy of `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY`, the first that is set, for every address but those
    /// of the hosts in `NO_PROXY`. It is asked for a tunnel (`CONNECT`) for `http:` addresses too: the client knows no
    /// other way, so a proxy that allows tunnels to port 443 only refuses them ([`DownloadError::Proxy`]).
    pub environment_proxy: bool,
    /// Certificates (PEM) to trust instead of Mozilla's: networks that inspect TLS have their own.
    pub certificates: Option<PathBuf>,
}

/// When to stop waiting for a server. Each is a failed attempt, not the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For its name, the connection and the TLS handshake.
    pub connect: Duration,
    /// For the head of its answer.
    pub response: Duration,
    /// For more of the body; also the time in which at least a kilobyte must come.
    pub stall: Duration,
}

impl Default for FetchOptions {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            offline: false,
            retries: 4,
            first_wait: seconds(1),
            longest_wait: seconds(60),
            timeouts: Timeouts {
                connect: seconds(20),
                response: seconds(60),
                stall: seconds(30),
            },
            // The largest published checkpoint of the original has 2.6 GB, the largest data set 10.
            most_bytes: 16 << 30,
            most_redirects: 8,
            environment_proxy: true,
            certificates: None,
        }
    }
}

impl FetchOptions {
    /// The default, offline when `SALT_OFFLINE` is set (to anything but nothing and `0`), and with the
    /// certificates of `SSL_CERT_FILE`.
    pub fn from_environment() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            offline: set("SALT_OFFLINE").is_some_and(|value| value != "0"),
            certificates: set("SSL_CERT_FILE").map(PathBuf::from),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_never_verify_is_refused() {
        let hex = "0".repeat(64);
        let check = |urls: &[&str], file_name: &str, checksum: Checksum<'_>, valid: bool| {
            let remote = Remote {
                urls,
                file_name,
                bytes: None,
                checksum,
            };
            assert_eq!(remote.validate().is_ok(), valid, "{remote:?}");
        };
        let urls = ["https://example.org/a.pth"];
        check(&urls, "a.pth", Checksum::Sha256(&hex), true);
        check(&urls, "a.pth", Checksum::Md5(&hex[..32]), true);
        check(&[], "a.pth", Checksum::Sha256(&hex), false);
        for name in ["", "..", "../a.pth", "a/b.pth", "a\\b", "c:a"] {
            check(&urls, name, Checksum::Sha256(&hex), false);
        }
        for hex in [&hex[..63], &"g".repeat(64), ""] {
            check(&urls, "a.pth", Checksum::Sha256(hex), false);
        }
    }
}
