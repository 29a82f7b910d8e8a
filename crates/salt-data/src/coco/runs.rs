//! COCO's run lengths: alternately outside and inside, column by column, outside first.

use std::ops::Range;

use crate::coco::document::Counts;

/// The pixels inside, as runs of pixel numbers (`x * height + y`), or what is wrong.
pub(super) fn runs(counts: &Counts, pixels: usize) -> Result<Vec<Range<usize>>, &'static str> {
    let text;
    let counts = match counts {
        Counts::Plain(counts) => counts,
        Counts::Text(string) => {
            text = lengths(string)?;
            &text
        }
    };
    let mut runs = Vec::new();
    let mut start = 0_usize;
    for (i, &count) in counts.iter().enumerate() {
        let end = usize::try_from(count)
            .ok()
            .and_then(|count| start.checked_add(count));
        let end = end
            .filter(|&end| end <= pixels)
            .ok_or("more pixels than the image has")?;
        if i % 2 == 1 && end > start {
            runs.push(start..end);
        }
        start = end;
    }
    if start < pixels {
        return Err("fewer pixels than the image has");
    }
    Ok(runs)
}

/// The text form: each length in digits of five bits, the lowest first, as the characters from `0`;
/// bit 6 says that another digit follows, the last digit's fifth bit is the sign. From the fourth
/// length on, the difference to the length two before is written.
fn lengths(text: &str) -> Result<Vec<u64>, &'static str> {
    let mut lengths: Vec<i64> = Vec::new();
    let mut bytes = text.bytes();
    while let Some(first) = bytes.next() {
        let mut value = 0_i64;
        let mut byte = first;
        for place in (0..).step_by(5) {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit < 64);
            let digit = i64::from(digit.ok_or("a character that is no digit of a run")?);
            // Seven digits hold every image that is read.
            if place > 30 {
                return Err("a run of more than seven digits");
            }
            value |= (digit & 0x1f) << place;
            if digit & 0x20 == 0 {
                if digit & 0x10 != 0 {
                    value |= -1 << (place + 5);
                }
                break;
            }
            byte = bytes.next().ok_or("a run that breaks off")?;
        }
        if lengths.len() > 2 {
            value += lengths[lengths.len() - 2];
        }
        if value < 0 {
            return Err("a negative run");
        }
        lengths.push(value);
    }
    Ok(lengths.into_iter().map(i64::cast_unsigned).collect())
}

#[cfg(test)]
mod tests {
    use super::runs;
    use crate::coco::document::Counts;

    /// Starts and ends of the runs.
    fn ends(counts: Counts) -> Result<Vec<[usize; 2]>, &'static str> {
        let runs = runs(&counts, 10)?;
        Ok(runs.into_iter().map(|run| [run.start, run.end]).collect())
    }

    #[test]
    fn runs_must_cover_the_image_once() {
        let plain = |counts: &[u64]| ends(Counts::Plain(counts.to_vec()));
        assert_eq!(plain(&[2, 3, 5]), Ok(vec![[2, 5]]));
        assert_eq!(plain(&[0, 10]), Ok(vec![[0, 10]]));
        assert_eq!(plain(&[10]), Ok(vec![]));
        assert_eq!(plain(&[2, 0, 3, 5]), Ok(vec![[5, 10]]));
        assert_eq!(plain(&[2, 3]), Err("fewer pixels than the image has"));
        assert_eq!(plain(&[2, 9]), Err("more pixels than the image has"));
        assert_eq!(plain(&[2, u64::MAX]), Err("more pixels than the image has"));
        assert_eq!(plain(&[]), Err("fewer pixels than the image has"));
    }

    #[test]
    fn texts_that_are_no_runs() {
        let text = |text: &str| ends(Counts::Text(text.into()));
        assert_eq!(text("235"), Ok(vec![[2, 5]]));
        assert_eq!(text("2 5"), Err("a character that is no digit of a run"));
        assert_eq!(text("2~"), Err("a character that is no digit of a run"));
        assert_eq!(text("2o"), Err("a run that breaks off"));
        assert_eq!(text("oooooooo1"), Err("a run of more than seven digits"));
        assert_eq!(text("2O"), Err("a negative run"));
    }
}
