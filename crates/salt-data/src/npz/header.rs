//! The header of an npy file: a Python dictionary, of which only numpy's own form is understood.
//!
//! The form (numpy, `numpy.lib.format`): `{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }`
//! in any order of the three keys, filled up with spaces, ended by a line feed. Nothing is
//! evaluated.

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NpyHeader {
    pub(super) descr: Descr,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<u64>,
}

/// The type of the elements.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Descr {
    /// A plain type such as `<u2`.
    Plain(String),
    /// A list of fields.
    Structured,
}

/// Reads a header, or says what is wrong with it.
pub(super) fn parse(bytes: &[u8]) -> Result<NpyHeader, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not a text".to_owned())?;
    let mut rest = Rest(text.strip_suffix('\n').ok_or("no line feed at the end")?);
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    rest.expect('{')?;
    while !rest.take('}') {
        let key = rest.quoted()?;
        rest.expect(':')?;
        let new = match key {
            "descr" if rest.take('[') => {
                // A structured type is refused anyway, so its fields are not looked at.
                return Ok(NpyHeader {
                    descr: Descr::Structured,
                    fortran_order: false,
                    shape: Vec::new(),
                });
            }
            "descr" => descr
                .replace(Descr::Plain(rest.quoted()?.to_owned()))
                .is_none(),
            "fortran_order" => fortran_order.replace(rest.boolean()?).is_none(),
            "shape" => shape.replace(rest.tuple()?).is_none(),
            other => return Err(format!("the key `{other}`")),
        };
        if !new {
            return Err(format!("the key `{key}` twice"));
        }
        if !rest.take(',') {
            rest.expect('}')?;
            break;
        }
    }
    rest.trim();
    if !rest.0.is_empty() {
        return Err("more behind the dictionary".to_owned());
    }
    let missing = |key: &str| format!("no key `{key}`");
    Ok(NpyHeader {
        descr: descr.ok_or_else(|| missing("descr"))?,
        fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
        shape: shape.ok_or_else(|| missing("shape"))?,
    })
}

/// What has not been read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn trim(&mut self) {
        self.0 = self.0.trim_start_matches(' ');
    }

    fn take(&mut self, wanted: char) -> bool {
        self.trim();
        match self.0.strip_prefix(wanted) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) {
            return Ok(());
        }
        match self.0.chars().next() {
            Some(received) => Err(format!("{received:?} where {wanted:?} belongs")),
            None => Err(format!("the end where {wanted:?} belongs")),
        }
    }

    /// A text in single or double quotes without escapes.
    fn quoted(&mut self) -> Result<&'a str, String> {
        let quote = if self.take('"') {
            '"'
        } else {
            self.expect('\'')?;
            '\''
        };
        let (text, rest) = self.0.split_once(quote).ok_or("a text without end")?;
        if text.contains('\\') {
            return Err("a text with an escape".to_owned());
        }
        self.0 = rest;
        Ok(text)
    }

    fn boolean(&mut self) -> Result<bool, String> {
        self.trim();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err("neither True nor False".to_owned())
    }

    /// `()`, `(2,)`, `(2, 3)`: at most eight extents.
    fn tuple(&mut self) -> Result<Vec<u64>, String> {
        self.expect('(')?;
        let mut extents = Vec::new();
        while !self.take(')') {
            self.trim();
            let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = self.0.split_at(digits);
            extents.push(
                number
                    .parse()
                    .map_err(|_| "an extent that is no number".to_owned())?,
            );
            self.0 = rest;
            if extents.len() > 8 {
                return Err("more than eight extents".to_owned());
            }
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(extents)
    }
}

#[cfg(test)]
mod tests {
    use super::{Descr, NpyHeader, parse};

    #[test]
    fn numpys_forms_are_read() {
        let check = |text: &str, descr: &str, fortran_order: bool, shape: &[u64]| {
            let header = NpyHeader {
                descr: Descr::Plain(descr.into()),
                fortran_order,
                shape: shape.to_vec(),
            };
            assert_eq!(parse(text.as_bytes()), Ok(header), "{text}");
        };
        check(
            "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }   \n",
            "|u1",
            false,
            &[2, 3],
        );
        check(
            "{\"shape\":(),'fortran_order':True,'descr':'<i8'}\n",
            "<i8",
            true,
            &[],
        );
        check(
            "{'descr': '|b1', 'fortran_order': False, 'shape': (5,), }\n",
            "|b1",
            false,
            &[5],
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for (name, text) in [
            ("nothing", ""),
            (
                "no line feed",
                "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }",
            ),
            (
                "no end",
                "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), \n",
            ),
            (
                "a call",
                "{'descr': __import__('os'), 'fortran_order': False, 'shape': (2,), }\n",
            ),
            ("a missing key", "{'descr': '|u1', 'shape': (2,), }\n"),
            (
                "a key twice",
                "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': ()}\n",
            ),
            (
                "another key",
                "{'descr': '|u1', 'fortran_order': False, 'shape': (), 'x': 1}\n",
            ),
            (
                "more behind",
                "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)} + 1\n",
            ),
            (
                "a negative extent",
                "{'descr': '|u1', 'fortran_order': False, 'shape': (-2,)}\n",
            ),
            (
                "a long extent",
                "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}\n",
            ),
            (
                "python 2",
                "{'descr': '|u1', 'fortran_order': False, 'shape': (2L,)}\n",
            ),
            (
                "an escape",
                "{'descr': '\\x7cu1', 'fortran_order': False, 'shape': (2,)}\n",
            ),
            (
                "a number as order",
                "{'descr': '|u1', 'fortran_order': 0, 'shape': (2,)}\n",
            ),
            (
                "nine extents",
                "{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}\n",
            ),
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{name}");
        }
        let fields = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}\n";
        assert_eq!(
            parse(fields.as_bytes()).expect("named").descr,
            Descr::Structured
        );
    }
}
