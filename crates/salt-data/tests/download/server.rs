//! An HTTP/1.1 server on this machine that fails as it is told to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// Position among all requests, from 0.
    pub(crate) index: usize,
    pub(crate) path: String,
    /// First byte of `Range: bytes=N-`.
    pub(crate) range: Option<usize>,
    pub(crate) if_range: Option<String>,
}

/// What is answered, and how badly.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Announced instead of the true length.
    pub(crate) announced: Option<usize>,
    /// Announce no length: the end of the connection is the end of the body.
    pub(crate) until_close: bool,
    /// Close the connection after so many bytes of the body.
    pub(crate) cut_at: Option<usize>,
    /// A pause, of that many milliseconds, after every so many bytes.
    pub(crate) drip: Option<(usize, u64)>,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub(crate) fn ok(body: &[u8]) -> Self {
        Self {
            status: 200,
            body: body.to_vec(),
            ..Self::default()
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn cut_at(mut self, bytes: usize) -> Self {
        self.cut_at = Some(bytes);
        self
    }
}

/// `body` as a well-behaved server sends it: ranges, `If-Range`, 416.
pub(crate) fn file(request: &Request, body: &[u8], etag: &str) -> Reply {
    let unchanged = request.if_range.as_deref().is_none_or(|tag| tag == etag);
    let reply = match request.range {
        Some(from) if unchanged && from >= body.len() => {
            Reply::status(416).header("Content-Range", format!("bytes */{}", body.len()))
        }
        Some(from) if unchanged => {
            let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
            let mut reply = Reply::ok(&body[from..]).header("Content-Range", range);
            reply.status = 206;
            reply
        }
        _ => Reply::ok(body),
    };
    reply.header("ETag", etag)
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    body_bytes: usize,
}

/// The running server.
pub(crate) struct Server {
    address: String,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    /// Answer every request as `behave` says. Each gets a connection of its own.
    pub(crate) fn start(behave: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (behave, log) = (Arc::new(behave), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (behave, log) = (Arc::clone(&behave), Arc::clone(&log));
                std::thread::spawn(move || {
                    // A client that leaves is part of many tests.
                    let _ = answer(stream, behave.as_ref(), &log);
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn https(&self, path: &str) -> String {
        format!("https://{}/{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().expect("no panic").requests.clone()
    }

    /// Bytes of bodies that went out, in all.
    pub(crate) fn body_bytes(&self) -> usize {
        self.seen.lock().expect("no panic").body_bytes
    }
}

fn answer(
    mut stream: TcpStream,
    behave: &dyn Fn(&Request) -> Reply,
    seen: &Mutex<Seen>,
) -> std::io::Result<()> {
    let Some(mut request) = read(&stream)? else {
        return Ok(());
    };
    {
        let mut seen = seen.lock().expect("no panic");
        request.index = seen.requests.len();
        seen.requests.push(request.clone());
    }
    let reply = behave(&request);
    let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", reply.status);
    if !reply.until_close {
        let length = reply.announced.unwrap_or(reply.body.len());
        head += &format!("Content-Length: {length}\r\n");
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    let sent = &reply.body[..reply.cut_at.unwrap_or(usize::MAX).min(reply.body.len())];
    let (size, pause) = reply.drip.unwrap_or((usize::MAX, 0));
    for piece in sent.chunks(size.min(1 << 20)) {
        seen.lock().expect("no panic").body_bytes += piece.len();
        stream.write_all(piece)?;
        stream.flush()?;
        std::thread::sleep(Duration::from_millis(pause));
    }
    stream.shutdown(Shutdown::Write)
}

/// The head of a request; None for another one than GET, and for what is not HTTP, as a TLS handshake.
fn read(stream: &TcpStream) -> std::io::Result<Option<Request>> {
    let mut lines = BufReader::new(stream);
    let mut request = Request::default();
    let mut line = Vec::new();
    let mut is_get = true;
    for n in 0.. {
        line.clear();
        lines.read_until(b'\n', &mut line)?;
        let Ok(text) = std::str::from_utf8(&line) else {
            break;
        };
        let text = text.trim_end();
        match (n, text.split_once(": ")) {
            (0, _) => match text.strip_prefix("GET /").and_then(|t| t.split_once(' ')) {
                Some((path, _)) => request.path = path.to_owned(),
                // A client that is cut off while it asks may not see the answer.
                None if text.starts_with("CONNECT ") => is_get = false,
                None => break,
            },
            (_, Some((name, value))) if name.eq_ignore_ascii_case("range") => {
                let from = value
                    .strip_prefix("bytes=")
                    .and_then(|t| t.strip_suffix('-'));
                request.range = from.and_then(|from| from.parse().ok());
            }
            (_, Some((name, value))) if name.eq_ignore_ascii_case("if-range") => {
                request.if_range = Some(value.to_owned());
            }
            (_, None) if text.is_empty() && is_get => return Ok(Some(request)),
            (_, None) if text.is_empty() => break,
            _ => {}
        }
    }
    // Answered in plain text, which no TLS client takes.
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 400 Said\r\nContent-Length: 0\r\n\r\n")?;
    Ok(None)
}
