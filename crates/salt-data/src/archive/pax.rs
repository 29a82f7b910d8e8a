//! Records of a pax header (POSIX.1-2001, "pax Extended Header"): `LENGTH KEY=VALUE\n`, again and again.
//!
//! Read here rather than with `tar::PaxExtensions`, which takes a line end within a value (an extended attribute, for
//! example) for the end of the record.

/// What a pax header says that matters to an extraction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PaxRecords {
    /// The entry's name.
    pub(super) path: Option<Vec<u8>>,
    /// The entry's size.
    pub(super) size: Option<u64>,
    /// Whether a record makes the entry a sparse file.
    pub(super) sparse: bool,
}

/// The records in `bytes`; otherwise what is wrong with them.
pub(super) fn parse(mut bytes: &[u8]) -> Result<PaxRecords, &'static str> {
    const MALFORMED: &str = "a malformed pax record";
    let mut records = PaxRecords::default();
    while !bytes.is_empty() {
        let space = bytes
            .iter()
            .position(|byte| *byte == b' ')
            .ok_or(MALFORMED)?;
        let length = number(&bytes[..space]).ok_or(MALFORMED)?;
        let length = usize::try_from(length).map_err(|_| MALFORMED)?;
        if length > bytes.len() || length < space + 2 {
            return Err(MALFORMED);
        }
        let (record, rest) = bytes.split_at(length);
        let (end, content) = record[space + 1..].split_last().ok_or(MALFORMED)?;
        let equals = content
            .iter()
            .position(|byte| *byte == b'=')
            .ok_or(MALFORMED)?;
        if *end != b'\n' {
            return Err(MALFORMED);
        }
        let (key, value) = (&content[..equals], &content[equals + 1..]);
        // The standard lets the last of two win, and some readers take the first.
        match key {
            b"path" if records.path.is_some() => return Err("two pax records with a path"),
            b"path" => records.path = Some(value.to_owned()),
            b"size" if records.size.is_some() => return Err("two pax records with a size"),
            b"size" => records.size = Some(number(value).ok_or("a pax size that is no number")?),
            _ => {
                records.sparse |= key.starts_with(b"GNU.sparse.") || key == b"SCHILY.realsize";
            }
        }
        bytes = rest;
    }
    Ok(records)
}

/// Decimal digits and nothing else.
fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_by_their_length() {
        let with_line_end = b"31 SCHILY.xattr.user.a=x\ny z=1\n12 path=a/b\n11 size=12\n";
        assert_eq!(
            parse(with_line_end),
            Ok(PaxRecords {
                path: Some(b"a/b".to_vec()),
                size: Some(12),
                sparse: false,
            })
        );
        assert_eq!(parse(b""), Ok(PaxRecords::default()));
        assert!(parse(b"22 GNU.sparse.major=1\n").is_ok_and(|it| it.sparse));
    }

    #[test]
    fn what_is_not_such_a_record_is_refused() {
        for bytes in [
            &b"path=a\n"[..],
            b"12 path=a/b",
            b"13 path=a/b\n",
            b"11 path=a/b\n",
            b"0 path=a\n",
            b"3 \n",
            b"2 ",
            b"7 path\n",
            b"-9 path=a\n",
            b"+9 path=a\n",
            b"99999999999999999999 path=a\n",
            b"11 size=-1\n",
            b"11 size=+1\n",
            b"9 size=\n",
            b"9 path=a\n9 path=b\n",
            b"9 size=1\n9 size=1\n",
            b"9 path=a\n\0\0\0",
        ] {
            assert!(parse(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }
}
