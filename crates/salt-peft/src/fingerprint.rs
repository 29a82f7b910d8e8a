//! What an adapter was trained over, in 64 hex digits.

use std::fmt::Write;

use burn::module::Module;
use sha2::{Digest, Sha256};

use crate::error::PeftError;
use crate::inventory::{FloatParam, values};

/// The sha256 over the base weights an adapter depends on: the adapted weights, or, for a method that
/// attaches no factors, everything it leaves frozen. Hashed in order of path: path, shape, values as
/// little-endian f32. `None` when nothing is frozen, so that the adapter depends on no base.
///
/// # Errors
/// [`PeftError::Unreadable`].
pub(crate) fn base_sha256<M: Module>(
    model: &M,
    params: &[FloatParam],
    is_base: impl Fn(&FloatParam) -> bool,
) -> Result<Option<String>, PeftError> {
    let mut base: Vec<&FloatParam> = params.iter().filter(|param| is_base(param)).collect();
    if base.is_empty() {
        return Ok(None);
    }
    base.sort_by(|a, b| a.path.cmp(&b.path));
    let values = values(model, |path| {
        base.binary_search_by(|p| p.path.as_str().cmp(path)).is_ok()
    })?;
    let mut hash = Sha256::new();
    for param in base {
        hash.update((param.path.len() as u64).to_le_bytes());
        hash.update(&param.path);
        hash.update((param.dims.len() as u64).to_le_bytes());
        for dim in &param.dims {
            hash.update((*dim as u64).to_le_bytes());
        }
        let bytes: Vec<u8> = values[&param.path]
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        hash.update(bytes);
    }
    Ok(Some(hex(&hash.finalize())))
}

/// The sha256 of some bytes, in 64 hex digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// A digest in hex digits.
pub(crate) fn hex(digest: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * digest.len());
    for byte in digest {
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
    }
    hex
}
