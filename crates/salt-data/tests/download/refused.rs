//! What is not the file is never called by its name.

use std::time::{Duration, Instant};

use super::server::{Reply, Server, file};
use super::{ETAG, Place, content};
use salt_data::download::{DownloadError, Progress};

/// A fetch from a server that always answers so must fail with an error that matches.
macro_rules! refused {
    ($place:expr, $pattern:pat) => {{
        let error = $place.refused();
        assert!(matches!(error, $pattern), "{error:?}");
        error
    }};
}

#[test]
fn another_content_is_set_aside() {
    let (body, other) = (content(10_000), vec![3; 10_000]);
    let served = other.clone();
    let server = Server::start(move |request| file(request, &served, ETAG));
    let place = Place::new(&[server.url("a")], &body);
    let error = refused!(place, DownloadError::Checksum { .. });
    assert!(error.to_string().contains(&place.sha256), "{error}");
    assert_eq!(place.read(".corrupt"), Some(other));
    assert_eq!(place.read(".partial"), None);
}

#[test]
fn another_size_is_refused_before_a_byte_is_written() {
    let body = content(10_000);
    for announced in [9_999, 10_001, 0] {
        let served = body.clone();
        let server = Server::start(move |_| Reply {
            announced: Some(announced),
            ..Reply::ok(&served)
        });
        let place = Place::new(&[server.url("a")], &body).retries(3);
        let error = refused!(place, DownloadError::Size { .. });
        assert!(error.to_string().contains("10000"), "{error}");
        assert_eq!((place.read(".partial"), server.requests().len()), (None, 1));
    }
}

#[test]
fn a_length_that_is_never_reached_is_a_cut() {
    let body = content(10_000);
    let served = body.clone();
    // Size unknown, and the server says a byte too many.
    let server = Server::start(move |request| {
        let mut reply = file(request, &served, ETAG);
        if request.range.is_none() {
            reply.announced = Some(10_001);
        }
        reply
    });
    let place = Place::new(&[server.url("a")], &body).unknown_size();
    refused!(
        place,
        DownloadError::Cut {
            received: 10_000,
            ..
        }
    );
    place.fetch_and_check(&body);
}

#[test]
fn more_than_the_file_can_have_is_not_taken() {
    let body = content(10_000);
    let served = [content(10_000), vec![0; 3_000_000]].concat();
    let server = Server::start(move |_| Reply {
        until_close: true,
        ..Reply::ok(&served)
    });
    let place = Place::new(&[server.url("a")], &body);
    refused!(place, DownloadError::TooLong { limit: 10_000, .. });
    assert_eq!(place.read(".partial"), None);

    let mut place = Place::new(&[server.url("a")], &body).unknown_size();
    place.options.most_bytes = 500_000;
    refused!(place, DownloadError::TooLong { limit: 500_000, .. });

    // Where the server says so beforehand, nothing is read.
    let server = Server::start(move |request| file(request, &vec![0; 600_000], ETAG));
    let mut place = Place::new(&[server.url("a")], &body).unknown_size();
    place.options.most_bytes = 500_000;
    refused!(place, DownloadError::TooLong { limit: 500_000, .. });
}

#[test]
fn pages_are_no_files_whatever_they_call_themselves() {
    let body = content(10_000);
    for kind in ["text/html; charset=utf-8", "application/octet-stream"] {
        let page = "<!DOCTYPE html><title>Sorry</title>".repeat(10);
        let server =
            Server::start(move |_| Reply::ok(page.as_bytes()).header("Content-Type", kind));
        let place = Place::new(&[server.url("a")], &body).unknown_size();
        let error = refused!(place, DownloadError::WebPage { .. });
        assert!(error.remedy().contains("login"), "{error}");
    }
}

#[test]
fn a_status_that_says_no_is_asked_once() {
    for (status, word) in [(404, "moved"), (403, "login"), (418, "browser")] {
        let server = Server::start(move |_| Reply::status(status));
        let place = Place::new(&[server.url("a")], b"x").retries(5);
        let error = refused!(place, DownloadError::Status { .. });
        assert!(error.remedy().contains(word), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn redirects_without_end_end() {
    let server = Server::start(|_| Reply::status(302).header("Location", "/round"));
    let mut place = Place::new(&[server.url("round")], b"x").retries(5);
    place.options.most_redirects = 4;
    refused!(place, DownloadError::Redirects { limit: 4, .. });
    assert!(server.requests().len() <= 5);
}

#[test]
fn a_body_that_stalls_is_given_up() {
    let body = content(10_000);
    let served = body.clone();
    let server = Server::start(move |request| Reply {
        drip: Some((5_000, 3_000)),
        ..file(request, &served, ETAG)
    });
    let mut place = Place::new(&[server.url("a")], &body);
    place.options.timeouts.stall = Duration::from_millis(300);
    let since = Instant::now();
    let error = refused!(place, DownloadError::Timeout { .. });
    assert!(since.elapsed() < Duration::from_millis(2_500), "{error}");
    assert_eq!(place.read(".partial").map(|part| part.len()), Some(5_000));
}

#[test]
fn a_byte_now_and_then_is_a_stall_too() {
    let body = content(10_000);
    let served = body.clone();
    let server = Server::start(move |request| Reply {
        drip: Some((1, 20)),
        ..file(request, &served, ETAG)
    });
    let mut place = Place::new(&[server.url("a")], &body);
    place.options.timeouts.stall = Duration::from_millis(400);
    refused!(
        place,
        DownloadError::Timeout {
            what: "a kilobyte",
            ..
        }
    );
}

#[test]
fn silence_instead_of_an_answer_is_given_up() {
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_secs(3));
        Reply::status(200)
    });
    let mut place = Place::new(&[server.url("a")], b"x");
    place.options.timeouts.response = Duration::from_millis(200);
    refused!(
        place,
        DownloadError::Timeout {
            what: "an answer",
            ..
        }
    );
}

#[test]
fn a_server_that_is_not_there_and_one_that_speaks_no_tls() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a", free.local_addr().unwrap());
    drop(free);
    let place = Place::new(std::slice::from_ref(&url), b"x").retries(2);
    let error = refused!(place, DownloadError::Unreachable { .. });
    assert!(error.problem().contains(&url), "{error}");
    assert!(error.is_transient());
    // Where there is no network, the file can be brought.
    let folder = place.folder.path().display().to_string();
    for words in ["proxy", &url, &place.sha256, &folder, super::NAME] {
        assert!(error.remedy().contains(words), "{words}: {error}");
    }

    let server = Server::start(|_| Reply::status(200));
    let place = Place::new(&[server.https("a")], b"x").retries(3);
    let error = refused!(place, DownloadError::Tls { .. });
    assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
}

/// The last address decides what to do, and the others are told.
#[test]
fn after_every_address_the_way_without_a_network_is_told() {
    let broken = Server::start(|_| Reply::status(404));
    let nowhere = "http://127.0.0.1:1/b".to_owned();
    let place = Place::new(&[broken.url("a"), nowhere.clone()], b"x");
    let error = refused!(place, DownloadError::Unreachable { .. });
    assert!(error.problem().contains("HTTP status 404"), "{error}");
    assert!(error.remedy().contains(&place.sha256), "{error}");
    let place = Place::new(&[nowhere, broken.url("a")], b"x");
    refused!(place, DownloadError::NoMirrorLeft { .. });
}

#[test]
fn a_name_that_leads_nowhere_is_tried_once_more() {
    // Longer than a part of a name may be, so that no server of names is asked.
    let url = format!("http://{}.invalid/a", "a".repeat(64));
    let place = Place::new(&[url], b"x").retries(9);
    let mut attempts = 0;
    let outcome = place.fetch_until(|progress| {
        attempts = attempts.max(match progress {
            Progress::Waiting { attempt, .. } => *attempt,
            _ => 0,
        });
        false
    });
    let error = outcome.unwrap_err();
    let DownloadError::Unreachable { failure, .. } = &error else {
        panic!("{error}");
    };
    let is_name = matches!(**failure, DownloadError::Unresolved { .. });
    assert!(is_name && error.remedy().contains(&place.sha256), "{error}");
    assert_eq!(attempts, 1);
}

#[test]
fn a_part_that_was_not_asked_for_is_refused() {
    let server = Server::start(|_| {
        let mut reply = Reply::ok(b"xyz").header("Content-Range", "bytes 4-6/10");
        reply.status = 206;
        reply
    });
    refused!(
        Place::new(&[server.url("a")], b"x").unknown_size(),
        DownloadError::Protocol { .. }
    );
}

#[test]
fn a_compressed_body_is_refused() {
    let server = Server::start(|_| Reply::ok(b"zzz").header("Content-Encoding", "gzip"));
    let error = refused!(
        Place::new(&[server.url("a")], b"x").unknown_size(),
        DownloadError::Protocol { .. }
    );
    assert!(error.to_string().contains("gzip"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_called_one() {
    let body = content(10_000);
    let served = body.clone();
    let server = Server::start(move |request| file(request, &served, ETAG));
    let place = Place::new(&[server.url("a")], &body).retries(3);
    // A device that is always full.
    let partial = place.folder.path().join(format!("{}.partial", super::NAME));
    std::os::unix::fs::symlink("/dev/full", partial).unwrap();
    let error = refused!(place, DownloadError::DiskFull { .. });
    assert!(error.remedy().contains("free some space"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn certificates_that_cannot_be_read_are_named() {
    let mut place = Place::new(&["https://127.0.0.1:1/a".to_owned()], b"x");
    let path = place.folder.path().join("roots.pem");
    place.options.certificates = Some(path.clone());
    refused!(place, DownloadError::Io { .. });
    std::fs::write(&path, "no certificate").unwrap();
    let error = refused!(place, DownloadError::Io { .. });
    assert!(error.to_string().contains("roots.pem"), "{error}");
}
