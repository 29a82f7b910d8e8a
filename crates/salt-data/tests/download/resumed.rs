//! What was cut off goes on where it was.

use super::server::{Reply, Server, file};
use super::{ETAG, Place, content};
use salt_data::download::{DownloadError, Progress};

#[test]
fn a_body_that_is_cut_anywhere_is_continued_by_the_next_call() {
    let body = content(300_000);
    let offsets = [
        1, 2, 511, 4096, 65_535, 65_536, 65_537, 131_072, 196_608, 262_144, 299_999,
    ];
    for cut in offsets {
        let served = body.clone();
        let server = Server::start(move |request| match request.index {
            0 => file(request, &served, ETAG).cut_at(cut),
            _ => file(request, &served, ETAG),
        });
        let place = Place::new(&[server.url("a")], &body);
        let error = place.refused();
        let is_cut = matches!(error, DownloadError::Cut { received, expected: Some(300_000), .. } if received == cut as u64);
        assert!(is_cut, "{error}");
        assert_eq!(place.read(".partial").as_deref(), Some(&body[..cut]));

        place.fetch_and_check(&body);
        let second = &server.requests()[1];
        assert_eq!(
            (second.range, second.if_range.as_deref()),
            (Some(cut), Some(ETAG))
        );
        assert_eq!(server.body_bytes(), body.len(), "cut at {cut}");
    }
}

#[test]
fn a_body_that_is_cut_again_and_again_is_continued_within_one_call() {
    let body = content(100_000);
    let served = body.clone();
    let server = Server::start(move |request| match request.index {
        0..4 => file(request, &served, ETAG).cut_at(10_000),
        _ => file(request, &served, ETAG),
    });
    Place::new(&[server.url("a")], &body)
        .retries(4)
        .fetch_and_check(&body);
    assert_eq!(server.body_bytes(), body.len());
    let ranges: Vec<_> = server.requests().iter().map(|r| r.range).collect();
    let expected = [None, Some(10_000), Some(20_000), Some(30_000), Some(40_000)];
    assert_eq!(ranges, expected);
}

#[test]
fn a_server_without_ranges_sends_all_of_it_again() {
    let body = content(50_000);
    let served = body.clone();
    let server = Server::start(move |request| {
        let reply = Reply::ok(&served).header("ETag", ETAG);
        match request.index {
            0 => reply.cut_at(20_000),
            _ => reply,
        }
    });
    let place = Place::new(&[server.url("a")], &body);
    place.refused();
    let mut dropped = 0;
    let path = place.fetch_until(|progress| {
        if let Progress::StartingOver { dropped: bytes } = progress {
            dropped = *bytes;
        }
        false
    });
    path.unwrap();
    assert_eq!(dropped, 20_000);
    place.check_done(&body);
    assert_eq!(server.requests()[1].range, Some(20_000));
}

#[test]
fn another_version_is_taken_whole() {
    let (old, new) = (vec![7; 50_000], content(50_000));
    for honours_if_range in [true, false] {
        let (old, served) = (old.clone(), new.clone());
        let server = Server::start(move |request| {
            let mut asked = request.clone();
            if !honours_if_range {
                asked.if_range = None;
            }
            match request.index {
                0 => file(&asked, &old, "\"old\"").cut_at(20_000),
                _ => file(&asked, &served, "\"new\""),
            }
        });
        let place = Place::new(&[server.url("a")], &new);
        place.refused();
        place.fetch_and_check(&new);
        assert!(server.requests()[1].range.is_some());
        assert!(server.requests().len() <= 3);
    }
}

#[test]
fn a_version_that_nobody_can_tell_is_found_by_the_checksum() {
    // No ETag, no date: the second half is of another version, and only the whole shows it.
    let (old, new) = (vec![7; 50_000], content(50_000));
    let served = new.clone();
    let server = Server::start(move |request| {
        let mut reply = match request.index {
            0 => file(request, &old, "").cut_at(20_000),
            _ => file(request, &served, ""),
        };
        reply.headers.retain(|(name, _)| *name != "ETag");
        reply
    });
    let place = Place::new(&[server.url("a")], &new);
    place.refused();
    place.fetch_and_check(&new);
    let ranges: Vec<_> = server.requests().iter().map(|r| r.range).collect();
    assert_eq!(ranges, [None, Some(20_000), None]);
}

#[test]
fn a_date_guards_a_range_where_the_tag_is_weak() {
    let body = content(50_000);
    let served = body.clone();
    let date = "Wed, 21 Oct 2015 07:28:00 GMT";
    let server = Server::start(move |request| {
        let mut asked = request.clone();
        asked.if_range = None;
        let reply = file(&asked, &served, "W/\"weak\"").header("Last-Modified", date);
        match request.index {
            0 => reply.cut_at(1_000),
            _ => reply,
        }
    });
    let place = Place::new(&[server.url("a")], &body);
    place.refused();
    place.fetch_and_check(&body);
    assert_eq!(server.requests()[1].if_range.as_deref(), Some(date));
    assert_eq!(server.body_bytes(), body.len());
}

#[test]
fn stopping_keeps_what_has_come() {
    let body = content(2_000_000);
    let served = body.clone();
    let server = Server::start(move |request| {
        let mut reply = file(request, &served, ETAG);
        if request.index == 0 {
            // Slow enough that not all of it is on its way when the client leaves.
            reply.drip = Some((50_000, 5));
        }
        reply
    });
    let place = Place::new(&[server.url("a")], &body);
    let error = place
        .fetch_until(|p| matches!(p, Progress::Receiving { done, .. } if *done > 400_000))
        .unwrap_err();
    let DownloadError::Stopped { bytes, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(
        place.read(".partial").as_deref(),
        Some(&body[..bytes as usize])
    );
    place.fetch_and_check(&body);
    assert_eq!(server.requests()[1].range, Some(bytes as usize));
}

#[test]
fn what_is_complete_but_has_no_name_yet_is_not_asked_for() {
    let body = content(10_000);
    let server = Server::start(|_| Reply::status(500));
    let place = Place::new(&[server.url("a")], &body);
    place.write(".partial", &body);
    place.fetch_and_check(&body);
    assert!(server.requests().is_empty());
}

#[test]
fn a_file_of_unknown_size_is_found_complete_by_asking_for_more() {
    let body = content(10_000);
    let served = body.clone();
    let server = Server::start(move |request| file(request, &served, ETAG));
    let place = Place::new(&[server.url("a")], &body).unknown_size();
    place.write(".partial", &body);
    place.fetch_and_check(&body);
    assert_eq!(
        (server.requests().len(), server.body_bytes()),
        (1, 0),
        "416 is the whole answer"
    );
}

#[test]
fn a_partial_file_that_cannot_be_of_this_file_is_dropped() {
    let body = content(10_000);
    // Longer than the file; as long, with other content; shorter, of which a server knows nothing.
    for left in [vec![1; 20_000], vec![1; 10_000], vec![1; 5_000]] {
        let served = body.clone();
        let server = Server::start(move |request| file(request, &served, ETAG));
        let place = Place::new(&[server.url("a")], &body);
        place.write(".partial", &left);
        place.write(".partial.json", b"{ cut off");
        place.fetch_and_check(&body);
        assert!(place.read(".corrupt").is_none());
    }
}

#[test]
fn a_page_in_its_place_does_not_cost_what_has_come() {
    let body = content(10_000);
    let served = body.clone();
    let server = Server::start(move |request| match request.index {
        0 => file(request, &served, ETAG).cut_at(6_000),
        1 => Reply::ok(b"<html>Log in to this network</html>").header("Content-Type", "text/html"),
        _ => file(request, &served, ETAG),
    });
    let place = Place::new(&[server.url("a")], &body);
    place.refused();
    let error = place.refused();
    assert!(matches!(error, DownloadError::WebPage { .. }), "{error}");
    place.fetch_and_check(&body);
    assert_eq!(server.requests()[2].range, Some(6_000));
}
