//! Servers with certificates, and whose downloads are taken.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Place, content};
use salt_data::download::DownloadError;

/// Whom the tests trust, and what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("signed");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("roots.pem"), certificate.pem()).expect("written");
        Self {
            issuer: Issuer::new(params, key),
            folder,
        }
    }

    fn roots(&self) -> Option<PathBuf> {
        Some(self.folder.path().join("roots.pem"))
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Identity { certificate, key }
    }
}

/// What a server shows, and proves to own.
struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

/// A certificate for a name or an address; it is valid from 1975 to 4096.
fn naming(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).expect("a name")
}

/// An HTTP/1.1 server behind TLS that answers every request alike.
struct TlsServer {
    url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl TlsServer {
    fn start(identity: &Identity, reply: Vec<u8>) -> Self {
        let key = PrivatePkcs8KeyDer::from(identity.key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of the provider")
            .with_no_client_auth()
            .with_single_cert(vec![identity.certificate.der().clone()], key.into())
            .expect("a key of the certificate");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let server = Self {
            url: format!("https://{}/a", listener.local_addr().expect("bound")),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                // A client that hangs up is what most tests are about.
                let _ = answer(stream, &config, &reply, &requests);
            }
        });
        server
    }

    /// Connections that were made, and requests that came through them.
    fn seen(&self) -> (usize, usize) {
        let of = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (of(&self.connections), of(&self.requests))
    }
}

fn answer(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
    reply: &[u8],
    requests: &AtomicUsize,
) -> std::io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut head = BufReader::new(&mut stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        if head.read_line(&mut line)? == 0 {
            return Ok(());
        }
    }
    requests.fetch_add(1, Ordering::SeqCst);
    stream.write_all(reply)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn served(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 Said\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// What `identity` serves, as it is fetched by somebody who trusts `roots`; Mozilla's where there are none.
fn place(server: &TlsServer, body: &[u8], roots: Option<PathBuf>) -> Place {
    let mut place = Place::new(std::slice::from_ref(&server.url), body).retries(3);
    place.options.certificates = roots;
    place
}

/// The certificate is refused with these words, at once, and before anything was asked.
fn check_refused(identity: &Identity, roots: Option<PathBuf>, words: &str) {
    let body = content(1_000);
    let server = TlsServer::start(identity, served(&body));
    let error = place(&server, &body, roots).refused();
    assert!(matches!(error, DownloadError::Tls { .. }), "{error:?}");
    assert!(error.problem().contains(words), "{words}: {error}");
    assert!(error.remedy().contains("SSL_CERT_FILE"), "{error}");
    assert_eq!(server.seen(), (1, 0), "{error}");
}

#[test]
fn a_certificate_of_somebody_trusted_is_taken() {
    let authority = Authority::new();
    let body = content(100_000);
    let server = TlsServer::start(&authority.sign(&naming("127.0.0.1")), served(&body));
    place(&server, &body, authority.roots()).fetch_and_check(&body);
    assert_eq!(server.seen(), (1, 1));
}

#[test]
fn a_certificate_of_somebody_else_is_refused() {
    let authority = Authority::new();
    let good = naming("127.0.0.1");
    check_refused(&authority.sign(&good), None, "UnknownIssuer");
    // An authority of the same name with another key.
    let impostor = Authority::new().sign(&good);
    check_refused(&impostor, authority.roots(), "BadSignature");
    let key = KeyPair::generate().expect("a key");
    let own = Identity {
        certificate: good.self_signed(&key).expect("signed"),
        key,
    };
    check_refused(&own, authority.roots(), "UnknownIssuer");
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let authority = Authority::new();
    let mut expired = naming("127.0.0.1");
    expired.not_after = date_time_ymd(2001, 1, 1);
    check_refused(&authority.sign(&expired), authority.roots(), "expired");
    let mut early = naming("127.0.0.1");
    early.not_before = date_time_ymd(4000, 1, 1);
    check_refused(&authority.sign(&early), authority.roots(), "not valid yet");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    for name in ["127.0.0.2", "example.org"] {
        let other = authority.sign(&naming(name));
        check_refused(&other, authority.roots(), "not valid for name");
    }
}

#[test]
fn a_redirect_out_of_the_encryption_is_refused() {
    let authority = Authority::new();
    let body = content(1_000);
    let plain = super::server::Server::start(|_| super::server::Reply::status(200));
    let target = plain.url("a");
    let reply = format!("HTTP/1.1 302 Said\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
    let identity = authority.sign(&naming("127.0.0.1"));
    let server = TlsServer::start(&identity, reply.into_bytes());
    let error = place(&server, &body, authority.roots()).refused();
    assert!(matches!(error, DownloadError::Protocol { .. }), "{error:?}");
    assert!(error.problem().contains("not encrypted"), "{error}");
    assert!(plain.requests().is_empty());
}
