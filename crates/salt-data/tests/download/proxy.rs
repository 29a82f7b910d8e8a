//! Behind a proxy that is set in the environment, which a process of its own has.

use std::process::Command;

use super::Place;
use super::server::{Reply, Server, file};
use super::{ETAG, content};
use salt_data::download::DownloadError;

/// Set for the process behind the proxy.
const BEHIND: &str = "SALT_DATA_BEHIND_A_PROXY";

/// No server has this name, and nobody but the proxy would be asked for it.
const FAR: &str = "http://far.invalid:8181/a";

/// Runs a test of this module once more, with these variables.
fn again(test: &str, variables: &[(&str, &str)]) {
    let this = std::env::current_exe().expect("known");
    let mut command = Command::new(this);
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let name = format!("download::proxy::{test}");
    let done = command
        .args(["--exact", &name, "--nocapture"])
        .env(BEHIND, "1")
        .envs(variables.iter().copied())
        .output()
        .expect("started");
    let text = String::from_utf8_lossy(&done.stdout);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{text}{errors}");
    assert!(text.contains("1 passed"), "{text}{errors}");
}

fn is_behind() -> bool {
    std::env::var_os(BEHIND).is_some()
}

#[test]
fn a_proxy_that_opens_no_tunnel_is_told() {
    if is_behind() {
        let mut place = Place::new(&[FAR.to_owned()], b"x");
        place.options.environment_proxy = true;
        let error = place.refused();
        let DownloadError::Unreachable { failure, .. } = &error else {
            panic!("{error:?}");
        };
        assert!(
            matches!(**failure, DownloadError::Proxy { .. }),
            "{error:?}"
        );
        assert!(error.problem().contains("responded 400"), "{error}");
        for words in ["443", "NO_PROXY", &place.sha256] {
            assert!(error.remedy().contains(words), "{words}: {error}");
        }
        return;
    }
    // It takes GET alone.
    let proxy = Server::start(|_| Reply::status(200));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        let test = "a_proxy_that_opens_no_tunnel_is_told";
        again(test, &[(name, &proxy.url(""))]);
    }
}

#[test]
fn hosts_without_a_proxy_are_asked_themselves() {
    let body = content(10_000);
    let served = body.clone();
    let server = Server::start(move |request| file(request, &served, ETAG));
    let mut place = Place::new(&[server.url("a")], &body);
    if is_behind() {
        place.options.environment_proxy = true;
        place.fetch_and_check(&body);
        return;
    }
    // Nobody listens there.
    let variables = [
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("NO_PROXY", "127.0.0.1"),
    ];
    again("hosts_without_a_proxy_are_asked_themselves", &variables);
}
