//! Files that are there already, and those who are not alone.

use super::server::{Reply, Server, file};
use super::{ETAG, NAME, Place, content};
use salt_data::download::{Checksum, DownloadError, Progress, Remote, fetch};

#[test]
fn what_is_downloaded_is_there_once_and_right() {
    let body = content(300_000);
    let served = body.clone();
    let server = Server::start(move |request| file(request, &served, ETAG));
    let place = Place::new(&[server.url("a")], &body);
    let mut last = (0, None);
    let outcome = place.fetch_until(|progress| {
        if let Progress::Receiving { done, of } = progress {
            assert!(*done >= last.0);
            last = (*done, *of);
        }
        false
    });
    outcome.unwrap();
    place.check_done(&body);
    assert_eq!(last, (300_000, Some(300_000)));
    // Present and right: nobody is asked.
    place.fetch_and_check(&body);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn md5_is_compared_where_it_is_what_there_is() {
    // RFC 1321, section A.5.
    let (body, md5) = (b"message digest", "F96B697D7CB7938D525A2F31AAF161D0");
    let server = Server::start(move |request| file(request, body, ETAG));
    let place = Place::new(&[server.url("a")], body);
    let fetch_as = |checksum| {
        let remote = Remote {
            urls: &[&server.url("a")],
            file_name: NAME,
            bytes: None,
            checksum,
        };
        fetch(&remote, place.folder.path(), &place.options, &mut |_| {
            std::ops::ControlFlow::Continue(())
        })
    };
    fetch_as(Checksum::Md5(md5)).unwrap();
    place.check_done(body);
    let error = fetch_as(Checksum::Md5(&"0".repeat(32))).unwrap_err();
    let is_md5 = matches!(error, DownloadError::Checksum { kind: "md5", .. });
    assert!(is_md5, "{error}");
}

#[test]
fn a_file_that_is_there_and_wrong_is_set_aside_and_fetched_again() {
    let body = content(10_000);
    // Another size, the same size, nothing, a page.
    for wrong in [
        &content(9_999),
        &vec![9; 10_000],
        &vec![],
        &b"<html>".into(),
    ] {
        let served = body.clone();
        let server = Server::start(move |request| file(request, &served, ETAG));
        let place = Place::new(&[server.url("a")], &body);
        place.write("", wrong);
        let mut said = None;
        let outcome = place.fetch_until(|progress| {
            if let Progress::SetAside { error, kept } = progress {
                said = Some((error.to_string(), kept.to_path_buf()));
            }
            false
        });
        outcome.unwrap();
        place.check_done(&body);
        assert_eq!(place.read(".corrupt").as_ref(), Some(wrong));
        let (why, kept) = said.expect("it is said");
        assert!(why.contains(NAME), "{why}");
        assert!(kept.ends_with(format!("{NAME}.corrupt")));
    }
}

#[test]
fn offline_tells_everything_that_is_needed_to_bring_it() {
    let body = content(1_000);
    let server = Server::start(|_| Reply::status(500));
    let mut place = Place::new(&[server.url("a"), server.url("b")], &body);
    place.options.offline = true;
    let text = place.refused().to_string();
    let folder = place.folder.path().display().to_string();
    for words in [
        NAME,
        &folder,
        &place.sha256,
        &server.url("a"),
        &server.url("b"),
    ] {
        assert!(text.contains(words), "{text} lacks {words}");
    }
    // Nothing is made for a download that does not begin.
    assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 0);

    // Brought by hand and damaged: told, and left where it is.
    place.write("", &vec![0; 1_000]);
    let error = place.fetch().unwrap_err();
    assert!(matches!(error, DownloadError::Checksum { .. }), "{error}");
    assert!(place.read("").is_some() && place.read(".corrupt").is_none());

    place.write("", &body);
    place.fetch_and_check(&body);
    assert!(server.requests().is_empty());
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let body = content(100_000);
    let served = body.clone();
    let server = Server::start(move |request| file(request, &served, ETAG));
    let place = Place::new(&[server.url("a")], &body);
    let mut second = None;
    let first = place.fetch_until(|progress| {
        if second.is_none() && matches!(progress, Progress::Receiving { .. }) {
            second = Some(place.fetch());
        }
        false
    });
    first.unwrap();
    place.check_done(&body);
    let error = second.expect("asked").unwrap_err();
    assert!(matches!(error, DownloadError::Locked { .. }), "{error}");
    let who = format!("process {}", std::process::id());
    assert!(error.to_string().contains(&who), "{error}");
    // Whoever comes afterwards finds the file.
    place.fetch_and_check(&body);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn many_at_once_end_with_one_right_file() {
    let body = content(200_000);
    let served = body.clone();
    let server = Server::start(move |request| file(request, &served, ETAG));
    let place = Place::new(&[server.url("a")], &body);
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| place.fetch())).collect();
        for one in all {
            match one.join().expect("no panic") {
                Ok(_) | Err(DownloadError::Locked { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    place.check_done(&body);
    assert_eq!(server.body_bytes(), body.len());
}

#[test]
fn a_folder_that_cannot_be_one_is_named() {
    let place = Place::new(&["http://127.0.0.1:1/a".to_owned()], b"x");
    let file = place.folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let remote = Remote {
        urls: &["http://127.0.0.1:1/a"],
        file_name: NAME,
        bytes: None,
        checksum: Checksum::Sha256(&place.sha256),
    };
    let error = fetch(&remote, &file.join("inner"), &place.options, &mut |_| {
        std::ops::ControlFlow::Continue(())
    });
    let error = error.unwrap_err();
    assert!(matches!(error, DownloadError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("file"), "{error}");
}
