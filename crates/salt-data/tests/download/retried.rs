//! What may pass is tried again, here or elsewhere.

use super::server::{Reply, Server, file};
use super::{ETAG, Place, content};
use salt_data::download::{DownloadError, Progress};

#[test]
fn troubles_of_a_server_pass() {
    let body = content(10_000);
    for first in [
        Reply::status(500),
        Reply::status(503),
        Reply::status(408),
        Reply::status(429).header("Retry-After", "0"),
    ] {
        let served = body.clone();
        let server = Server::start(move |request| match request.index {
            0 => first.clone(),
            _ => file(request, &served, ETAG),
        });
        let place = Place::new(&[server.url("a")], &body).retries(1);
        let mut waited = 0;
        let outcome = place.fetch_until(|progress| {
            waited = waited.max(match progress {
                Progress::Waiting { attempt, .. } => *attempt,
                _ => 0,
            });
            false
        });
        outcome.unwrap();
        place.check_done(&body);
        assert_eq!((server.requests().len(), waited), (2, 1));
    }
}

#[test]
fn troubles_that_stay_end_after_the_last_attempt() {
    let server = Server::start(|_| Reply::status(503));
    let error = Place::new(&[server.url("a")], b"x").retries(2).refused();
    let is_status = matches!(error, DownloadError::Status { status: 503, .. });
    assert!(is_status && error.is_transient(), "{error}");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_server_that_wants_an_hour_of_rest_is_given_up() {
    let server = Server::start(|_| Reply::status(429).header("Retry-After", "3600"));
    Place::new(&[server.url("a")], b"x").retries(9).refused();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn waiting_can_be_stopped() {
    let server = Server::start(|_| Reply::status(429).header("Retry-After", "50"));
    let place = Place::new(&[server.url("a")], b"x").retries(1);
    let error = place.fetch_until(|p| matches!(p, Progress::Waiting { .. }));
    let error = error.unwrap_err();
    assert!(matches!(error, DownloadError::Stopped { .. }), "{error}");
}

#[test]
fn redirects_are_followed_with_the_range() {
    let body = content(10_000);
    let served = body.clone();
    let server = Server::start(move |request| match request.path.as_str() {
        "old" => Reply::status(302).header("Location", "/new"),
        _ => {
            let reply = file(request, &served, ETAG);
            match request.range {
                None => reply.cut_at(4_000),
                Some(_) => reply,
            }
        }
    });
    Place::new(&[server.url("old")], &body)
        .retries(1)
        .fetch_and_check(&body);
    let paths: Vec<_> = server.requests().into_iter().map(|r| r.path).collect();
    assert_eq!(paths, ["old", "new", "old", "new"]);
    assert_eq!(server.body_bytes(), body.len());
}

#[test]
fn the_next_address_is_asked_when_one_fails() {
    let body = content(10_000);
    let other = vec![5; 10_000];
    for (first, corrupt) in [
        (Reply::status(404), None),
        (
            Reply::ok(b"<html>").header("Content-Type", "text/html"),
            None,
        ),
        (Reply::ok(&other), Some(other.clone())),
    ] {
        let served = body.clone();
        let bad = Server::start(move |_| first.clone());
        let good = Server::start(move |request| file(request, &served, ETAG));
        let place = Place::new(&[bad.url("a"), good.url("a")], &body);
        let mut given_up = 0;
        let outcome = place.fetch_until(|p| {
            given_up += usize::from(matches!(p, Progress::NextMirror { .. }));
            false
        });
        outcome.unwrap();
        place.check_done(&body);
        assert_eq!(given_up, 1);
        assert_eq!(place.read(".corrupt"), corrupt);
    }
}

#[test]
fn the_next_address_continues_what_the_first_began() {
    let body = content(10_000);
    let [one, two] = [body.clone(), body.clone()];
    let first = Server::start(move |request| file(request, &one, ETAG).cut_at(7_000));
    // It has a name of its own for the same version.
    let second = Server::start(move |request| file(request, &two, "\"two\""));
    Place::new(&[first.url("a"), second.url("a")], &body).fetch_and_check(&body);
    assert_eq!(second.body_bytes(), 3_000);
}

#[test]
fn when_every_address_fails_every_failure_is_told() {
    let missing = Server::start(|_| Reply::status(404));
    let broken = Server::start(|_| Reply::status(500));
    let place = Place::new(&[missing.url("a"), broken.url("b")], b"x");
    let error = place.refused();
    let DownloadError::NoMirrorLeft { failures, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(failures.len(), 2);
    for word in ["404", "500", missing.url("a").as_str()] {
        assert!(error.problem().contains(word), "{error}");
    }
}
