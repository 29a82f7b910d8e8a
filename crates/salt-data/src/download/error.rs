//! Everything that can go wrong with a download, and what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::halves;

/// Why a file is not there.
///
/// Every message reads "expected ..., received ...; remedy": the part after the last `"; "` is what
/// to do ([`DownloadError::remedy`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// A description that no file can satisfy.
    #[error(
        "expected addresses, a plain file name and a checksum of `{file_name}`, received {problem}; \
         correct the list it stands in"
    )]
    BadRemote {
        /// The file.
        file_name: String,
        /// What is wrong.
        problem: String,
    },
    /// The file is not there and nobody may be asked.
    #[error(
        "expected {file_name} in {}, received no such file, and the network is not used when offline; \
         download {} on another machine, compare its {checksum}, and put it there as {file_name}",
        folder.display(), urls.join(" or ")
    )]
    Offline {
        /// The name it must have.
        file_name: String,
        /// Where it must be.
        folder: PathBuf,
        /// Where it is to be had.
        urls: Vec<String>,
        /// Kind and digits.
        checksum: String,
    },
    /// Another process downloads the same file.
    #[error(
        "expected to download {} alone, received the lock of {owner}; \
         wait until that one has finished, then give the same command again", path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// Who has it, as far as known.
        owner: String,
    },
    /// No connection.
    #[error(
        "expected a connection to {url}, received: {problem}; \
         check the network and the proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY), then give the same command again"
    )]
    Connect {
        /// The address.
        url: String,
        /// What the system said.
        problem: String,
    },
    /// The server's name, or that of the proxy, leads nowhere.
    #[error(
        "expected the name in {url} to lead to a server, received: {problem}; \
         check the network and the proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY), then give the same command again"
    )]
    Unresolved {
        /// The address.
        url: String,
        /// What the system said.
        problem: String,
    },
    /// The proxy is there and lets nobody through to this address.
    #[error(
        "expected the proxy to open a tunnel (CONNECT) to {url}, received: {problem}; every address is asked for through \
         a tunnel, http:// ones too, and many proxies allow tunnels to port 443 only: have this one allowed, or name its \
         host in NO_PROXY where it can be reached directly"
    )]
    Proxy {
        /// The address.
        url: String,
        /// What the proxy said.
        problem: String,
    },
    /// No connection to the last address: where there is no network, the file can be brought.
    #[error(
        "{}; {}, or download {} on another machine, compare its {checksum}, and put it in {} as {file_name}",
        failure.problem(), failure.remedy(), urls.join(" or "), folder.display()
    )]
    Unreachable {
        /// What happened.
        failure: Box<DownloadError>,
        /// The name it must have.
        file_name: String,
        /// Where it must be.
        folder: PathBuf,
        /// Where it is to be had.
        urls: Vec<String>,
        /// Kind and digits.
        checksum: String,
    },
    /// The server is not whom it should be, or the connection is inspected on its way.
    #[error(
        "expected a trusted TLS connection to {url}, received: {problem}; where the network inspects TLS, set \
         SSL_CERT_FILE to its certificates (PEM), and check this machine's clock"
    )]
    Tls {
        /// The address.
        url: String,
        /// What the TLS library said.
        problem: String,
    },
    /// Silence.
    #[error(
        "expected {what} from {url} within {} s, received nothing or next to nothing; \
         give the same command again, it goes on where it was", after.as_secs_f64()
    )]
    Timeout {
        /// The address.
        url: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// Redirects without end.
    #[error(
        "expected at most {limit} redirects from {url}, received more; \
         open the address in a browser and see where it leads"
    )]
    Redirects {
        /// The address.
        url: String,
        /// The limit.
        limit: u32,
    },
    /// The server refuses.
    #[error("expected {url} to be served, received HTTP status {status}; {}", advice(*status))]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
        /// How long the server wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// An answer that is not HTTP, or not to the question.
    #[error(
        "expected {url} to answer as HTTP/1.1 demands, received: {problem}; \
         give the same command again later, or see whether a proxy answers in its place"
    )]
    Protocol {
        /// The address.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// A page instead of the file.
    #[error(
        "expected the file at {url}, received a web page; open the address in a browser: \
         it may want a login, or a network that asks for one answers in its place"
    )]
    WebPage {
        /// The address.
        url: String,
    },
    /// The connection ended before the body did.
    #[error(
        "expected {} bytes from {url}, received {received} before the connection ended; \
         give the same command again, it goes on where it was",
        expected.map_or_else(|| "more".to_owned(), |n| n.to_string())
    )]
    Cut {
        /// The address.
        url: String,
        /// Bytes of the whole, where known.
        expected: Option<u64>,
        /// Bytes that are there.
        received: u64,
    },
    /// The server has a file of another size.
    #[error(
        "expected {expected} bytes of {origin}, received {received}; \
         what stands there is another file: remove it if it is yours, otherwise see whether there is a newer \
         version of this program"
    )]
    Size {
        /// Address or path.
        origin: String,
        /// Published size.
        expected: u64,
        /// Size received.
        received: u64,
    },
    /// More than the file can have.
    #[error(
        "expected at most {limit} bytes from {url}, received more; \
         what is sent there is not this file: see whether there is a newer version of this program"
    )]
    TooLong {
        /// The address.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The content is another.
    #[error(
        "expected {kind} {expected} of {}, received {received}; \
         give the same command again, and if it stays so, do not use that file", path.display()
    )]
    Checksum {
        /// The file that was looked at.
        path: PathBuf,
        /// `sha256` or `md5`.
        kind: &'static str,
        /// Published digits.
        expected: String,
        /// Digits of the content.
        received: String,
    },
    /// Stopped on request.
    #[error(
        "expected to finish {}, received a request to stop at {bytes} bytes; \
         give the same command again, it goes on there", partial.display()
    )]
    Stopped {
        /// What has come so far.
        partial: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// No room.
    #[error(
        "expected room for {}, received: {source}; \
         free some space on this disk, then give the same command again: it goes on where it was", path.display()
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not allowed.
    #[error(
        "expected to be allowed to {action} {}, received: {source}; \
         choose another folder or change its permissions", path.display()
    )]
    Permission {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Any other trouble with files.
    #[error("expected to {action} {}, received: {source}; check the path and its disk", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Every address failed.
    #[error(
        "expected {file_name} from one of {} addresses, received: {}; {}", failures.len(),
        failures.iter().map(Self::problem).collect::<Vec<_>>().join("; "),
        failures.last().map(Self::remedy).unwrap_or_default()
    )]
    NoMirrorLeft {
        /// The file.
        file_name: String,
        /// One failure an address, in their order.
        failures: Vec<DownloadError>,
    },
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 | 407 => "the address or a proxy before it wants a login: try it in a browser",
        404 | 410 => "it has moved: see whether there is a newer version of this program",
        408 | 429 | 500..=599 => "give the same command again later, it goes on where it was",
        _ => "try the address in a browser",
    }
}

/// What is waited for until there is a connection.
pub(super) const CONNECTION: &str = "a connection";

impl DownloadError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind as E;
        let path = path.to_owned();
        match source.kind() {
            E::StorageFull | E::QuotaExceeded | E::FileTooLarge => Self::DiskFull { path, source },
            E::PermissionDenied | E::ReadOnlyFilesystem => Self::Permission {
                action,
                path,
                source,
            },
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }

    /// Whether it may be gone at the next attempt.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Unresolved { .. }
            | Self::Proxy { .. }
            | Self::Timeout { .. }
            | Self::Cut { .. } => true,
            Self::Unreachable { failure, .. } => failure.is_transient(),
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            Self::NoMirrorLeft { failures, .. } => failures.iter().any(Self::is_transient),
            _ => false,
        }
    }

    /// Whether a file is there whose content is not the published one.
    pub fn is_about_content(&self) -> bool {
        matches!(
            self,
            Self::Checksum { .. } | Self::Size { .. } | Self::WebPage { .. }
        )
    }

    /// Whether nobody was reached, at the last address.
    pub(super) fn is_about_the_network(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Unresolved { .. } | Self::Proxy { .. } => true,
            Self::Timeout { what, .. } => *what == CONNECTION,
            Self::NoMirrorLeft { failures, .. } => {
                failures.last().is_some_and(Self::is_about_the_network)
            }
            _ => false,
        }
    }

    /// Whether another address would not help.
    pub(super) fn is_about_this_machine(&self) -> bool {
        matches!(
            self,
            Self::Stopped { .. }
                | Self::DiskFull { .. }
                | Self::Permission { .. }
                | Self::Io { .. }
                | Self::Locked { .. }
        )
    }

    /// What to do: the part of the message after the last semicolon.
    pub fn remedy(&self) -> String {
        halves(&self.to_string()).1
    }

    /// What is wrong, without the remedy.
    pub fn problem(&self) -> String {
        halves(&self.to_string()).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disks_and_missing_rights_have_their_own_errors() {
        let of = |kind: io::ErrorKind| DownloadError::io("write", Path::new("a"), kind.into());
        let full = of(io::ErrorKind::StorageFull);
        assert!(matches!(full, DownloadError::DiskFull { .. }));
        assert!(full.remedy().starts_with("free some space"), "{full}");
        for kind in [
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::ReadOnlyFilesystem,
        ] {
            assert!(matches!(of(kind), DownloadError::Permission { .. }));
        }
        assert!(matches!(
            of(io::ErrorKind::NotADirectory),
            DownloadError::Io { .. }
        ));
    }

    #[test]
    fn several_failures_are_one_message_with_one_remedy() {
        let failure = |url: &str, status| DownloadError::Status {
            url: url.to_owned(),
            status,
            retry_after: None,
        };
        let error = DownloadError::NoMirrorLeft {
            file_name: "a.pth".to_owned(),
            failures: vec![failure("http://one", 503), failure("http://two", 404)],
        };
        let problem = error.problem();
        assert!(
            problem.contains("one to be served, received HTTP status 503"),
            "{problem}"
        );
        assert!(problem.contains("http://two"), "{problem}");
        assert!(error.remedy().starts_with("it has moved"), "{error}");
        assert!(error.is_transient());
    }
}
