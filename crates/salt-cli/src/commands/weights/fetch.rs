//! `salt weights fetch`: a published checkpoint onto this disk.

use std::path::PathBuf;

use salt_data::download::{Checksum, DownloadError, FetchOptions, Remote, fetch};
use salt_sam::weights::{PUBLISHED, PublishedCheckpoint, PublishedChecksum};

use crate::failure::Failure;
use crate::interrupt;
use crate::screen;
use crate::transfer::Transfer;

/// Options of `salt weights fetch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt weights fetch sam_vit_b
  salt weights fetch medsam_vit_b --out /data/weights

The same command continues a download that was cut off, and does nothing when the file is there and
right. A file that is not what was published is renamed to FILE.corrupt.
SALT_OFFLINE=1: as --offline. ALL_PROXY, HTTPS_PROXY, HTTP_PROXY: the
proxy, the first that is set, asked for a tunnel (CONNECT) also for http:// addresses; NO_PROXY: hosts without it.
SSL_CERT_FILE: certificates (PEM) to
trust, where the network inspects TLS.")]
pub(crate) struct Args {
    /// Name, as `salt weights list` shows it
    name: String,
    /// Folder to put it in
    #[arg(long, value_name = "DIR", default_value = "weights")]
    out: PathBuf,
    /// Use no network: check what is there, or say what to bring
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let published = PublishedCheckpoint::by_name(&args.name).ok_or_else(|| unknown(&args.name))?;
    let mut options = FetchOptions::from_environment();
    options.offline |= args.offline;
    // Before the first byte: who does not agree can still stop.
    screen::note(format_args!(
        "{}\nlicence: {} ({})\ncite: {}",
        published.title, published.licence, published.terms, published.citation
    ));
    let remote = remote(published);
    let interrupt = interrupt::listen()?;
    let mut transfer = Transfer::new(published.file_name);
    let outcome = fetch(&remote, &args.out, &options, &mut |progress| {
        transfer.show(&progress);
        interrupt::go_on(&interrupt)
    });
    drop(transfer);
    let path = outcome.map_err(|error| failure(error, args.offline))?;
    screen::result(format_args!(
        "{}, {} as published: {}",
        published.name,
        published.checksum.kind(),
        path.display()
    ))
}

fn remote(published: &'static PublishedCheckpoint) -> Remote<'static> {
    Remote {
        urls: published.urls,
        file_name: published.file_name,
        bytes: published.bytes,
        checksum: match published.checksum {
            PublishedChecksum::Sha256(hex) => Checksum::Sha256(hex),
            PublishedChecksum::Md5(hex) => Checksum::Md5(hex),
        },
    }
}

fn unknown(name: &str) -> Failure {
    let mut names: Vec<&str> = PUBLISHED.iter().map(|published| published.name).collect();
    let known = names.join(", ");
    names.sort_by(|a, b| strsim::jaro_winkler(b, name).total_cmp(&strsim::jaro_winkler(a, name)));
    Failure::usage(
        format!("no published checkpoint is called `{name}`; there are: {known}"),
        format!("nearest: {}", names[..names.len().min(2)].join(", ")),
    )
}

/// The library's remedy, and the option where it is what stands in the way.
fn failure(error: DownloadError, asked_to_be_offline: bool) -> Failure {
    match &error {
        DownloadError::Offline { .. } if asked_to_be_offline => {
            let hint = format!("{}, or leave out --offline", error.remedy());
            Failure::from(error).with_hint(hint)
        }
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_named_only_where_it_was_given() {
        let hint = |asked| {
            let error = DownloadError::Offline {
                file_name: "a.pth".to_owned(),
                folder: "weights".into(),
                urls: vec!["https://example.org/a.pth".to_owned()],
                checksum: "md5 00".to_owned(),
            };
            match failure(error, asked) {
                Failure::Told { hint, .. } => hint.unwrap_or_default(),
                other => panic!("{other:?}"),
            }
        };
        assert!(hint(true).ends_with("or leave out --offline"));
        let by_variable = hint(false);
        assert!(by_variable.contains("md5 00"), "{by_variable}");
        assert!(!by_variable.contains("--offline"), "{by_variable}");
    }
}
