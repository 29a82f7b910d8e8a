//! `salt weights fetch`: a published checkpoint onto this disk.

use std::path::{Path, PathBuf};

use salt_data::download::{Checksum, DownloadError, FetchOptions, Remote, fetch};
use salt_sam::weights::{PUBLISHED, PublishedCheckpoint, PublishedChecksum};

use super::transfer::Transfer;
use crate::failure::{Failure, Kind, kind_of_io};
use crate::interrupt;
use crate::screen;

/// Options of `salt weights fetch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt weights fetch sam_vit_b
  salt weights fetch medsam_vit_b --out /data/weights

The same command continues a download that was cut off, and does nothing when the file is there and
right. A file that is not what was published is renamed to FILE.corrupt.
SALT_OFFLINE=1: as --offline. HTTPS_PROXY, NO_PROXY: the proxy. SSL_CERT_FILE: certificates (PEM) to
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
        match interrupt.is_set() {
            true => std::ops::ControlFlow::Break(()),
            false => std::ops::ControlFlow::Continue(()),
        }
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

/// Whose fault it is: a folder that cannot be one was typed wrong, everything else happened on the way.
fn failure(error: DownloadError, asked_to_be_offline: bool) -> Failure {
    let kind = match &error {
        DownloadError::Stopped { partial, bytes } => {
            return Failure::Interrupted(Some(stopped(partial, *bytes)));
        }
        DownloadError::Io { source, .. } => kind_of_io(source),
        _ => Kind::Job,
    };
    let mut hint = error.remedy();
    if matches!(error, DownloadError::Offline { .. }) && asked_to_be_offline {
        hint += ", or leave out --offline";
    }
    Failure::Told {
        kind,
        message: error.problem(),
        hint: Some(hint),
    }
}

fn stopped(partial: &Path, bytes: u64) -> String {
    format!(
        "stopped with {} bytes in {}; the same command goes on from there",
        screen::count(bytes),
        partial.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_no_failure_and_says_how_to_go_on() {
        let error = DownloadError::Stopped {
            partial: "weights/a.pth.partial".into(),
            bytes: 1_234_567,
        };
        let Failure::Interrupted(Some(text)) = failure(error, false) else {
            panic!("not an interruption");
        };
        assert!(
            text.contains("1,234,567") && text.contains("same command"),
            "{text}"
        );
    }

    #[test]
    fn trouble_on_the_way_is_a_failed_job() {
        let error = DownloadError::Status {
            url: "https://example.org/a.pth".to_owned(),
            status: 404,
            retry_after: None,
        };
        let Failure::Told {
            kind,
            message,
            hint,
        } = failure(error, false)
        else {
            panic!("not told");
        };
        assert_eq!(kind, Kind::Job);
        assert!(message.contains("404"), "{message}");
        assert!(hint.is_some_and(|hint| hint.contains("moved")));
    }
}
