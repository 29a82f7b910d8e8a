//! The HTTP client, and its errors as ours.

use std::io;
use std::path::Path;
use std::time::Duration;

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Error, Proxy, Timeout};

use super::error::CONNECTION;
use super::{DownloadError, FetchOptions};

const USER_AGENT: &str = concat!("salt/", env!("CARGO_PKG_VERSION"));

/// An address and the client that asks it.
pub(super) struct Client<'a> {
    pub(super) url: &'a str,
    agent: Agent,
    options: &'a FetchOptions,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// The first byte wanted.
    pub(super) from: u64,
    /// The version it must be of.
    pub(super) validator: Option<&'a str>,
}

impl<'a> Client<'a> {
    pub(super) fn new(url: &'a str, options: &'a FetchOptions) -> Result<Self, DownloadError> {
        let proxy = options.environment_proxy.then(Proxy::try_from_env);
        let roots = match &options.certificates {
            Some(path) => certificates(path)?,
            None => RootCerts::WebPki,
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // What begins encrypted stays so, wherever it is redirected.
            .https_only(url.starts_with("https:"))
            .max_redirects(options.most_redirects)
            .proxy(proxy.flatten())
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .user_agent(USER_AGENT)
            .timeout_resolve(Some(options.timeouts.connect))
            .timeout_connect(Some(options.timeouts.connect))
            .timeout_recv_response(Some(options.timeouts.response))
            .timeout_per_read(Some(options.timeouts.stall))
            .build();
        Ok(Self {
            url,
            agent: config.new_agent(),
            options,
        })
    }

    /// Ask once.
    pub(super) fn ask(
        &self,
        question: Question<'_>,
    ) -> Result<ureq::http::Response<Body>, DownloadError> {
        // A body that a server compresses on its way has other lengths, and ranges of something else.
        let mut request = self
            .agent
            .get(self.url)
            .header("Accept-Encoding", "identity");
        if question.from > 0 {
            request = request.header("Range", format!("bytes={}-", question.from));
            if let Some(validator) = question.validator {
                request = request.header("If-Range", validator);
            }
        }
        request.call().map_err(|error| self.error(error))
    }

    /// An error before the body.
    fn error(&self, error: Error) -> DownloadError {
        let url = self.url.to_owned();
        let timeouts = &self.options.timeouts;
        match error {
            Error::Timeout(Timeout::Resolve | Timeout::Connect) => DownloadError::Timeout {
                url,
                what: CONNECTION,
                after: timeouts.connect,
            },
            Error::Timeout(Timeout::RecvResponse) => DownloadError::Timeout {
                url,
                what: "an answer",
                after: timeouts.response,
            },
            Error::Timeout(_) => DownloadError::Timeout {
                url,
                what: "a byte",
                after: timeouts.stall,
            },
            Error::TooManyRedirects | Error::RedirectFailed => DownloadError::Redirects {
                url,
                limit: self.options.most_redirects,
            },
            Error::RequireHttpsOnly(target) => DownloadError::Protocol {
                url,
                problem: format!("a redirect to {target}, which is not encrypted"),
            },
            Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) | Error::TlsRequired => {
                DownloadError::Tls {
                    url,
                    problem: error.to_string(),
                }
            }
            // rustls reports through the stream that it sits on.
            Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => DownloadError::Tls {
                url,
                problem: error.to_string(),
            },
            Error::Io(error) if is_no_name(&error) => DownloadError::Unresolved {
                url,
                problem: error.to_string(),
            },
            Error::Io(error) => DownloadError::Connect {
                url,
                problem: error.to_string(),
            },
            Error::HostNotFound => DownloadError::Unresolved {
                url,
                problem: error.to_string(),
            },
            Error::ConnectProxyFailed(problem) => DownloadError::Proxy { url, problem },
            Error::ConnectionFailed | Error::InvalidProxyUrl => DownloadError::Connect {
                url,
                problem: error.to_string(),
            },
            other => DownloadError::Protocol {
                url,
                problem: other.to_string(),
            },
        }
    }

    /// An error in the body, of which `received` bytes are there. A connection that breaks there was cut.
    pub(super) fn body_error(
        &self,
        error: io::Error,
        received: u64,
        expected: Option<u64>,
    ) -> DownloadError {
        match self.error(Error::from(error)) {
            DownloadError::Connect { url, .. } => DownloadError::Cut {
                url,
                expected,
                received,
            },
            other => other,
        }
    }
}

/// Whether an error is that of looking up a name. The standard library has no kind for it: on Unix it begins the
/// message itself, on Windows it is one of the socket errors (`WSAHOST_NOT_FOUND` to `WSANO_DATA`).
fn is_no_name(error: &io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address")
        || (cfg!(windows) && matches!(error.raw_os_error(), Some(11001..=11004)))
}

fn certificates(path: &Path) -> Result<RootCerts, DownloadError> {
    let failed =
        |source| DownloadError::io("read the certificates of SSL_CERT_FILE in", path, source);
    let text = std::fs::read(path).map_err(failed)?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        let item =
            item.map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        if let PemItem::Certificate(certificate) = item {
            certificates.push(certificate);
        }
    }
    match certificates.is_empty() {
        true => Err(failed(io::Error::new(
            io::ErrorKind::InvalidData,
            "it holds no certificate",
        ))),
        false => Ok(RootCerts::new_with_certs(&certificates)),
    }
}

/// `Retry-After` in seconds. The other form, a date, would need this machine's clock to be right.
pub(super) fn retry_after(value: Option<&str>) -> Option<Duration> {
    let seconds = value?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
