//! How the numbers of a row are written, the same on screen, in Markdown and in HTML.

use super::results::Results;
use super::table::{Row, SdOver, Spread};

/// Column headings, in the order of [`fields`].
pub(super) const HEADINGS: [&str; 6] = [
    "method",
    "Dice mean ± sd [95% CI]",
    "HD95",
    "trainable %",
    "step ms",
    "peak MB",
];

/// Shown where there is no value.
const NONE: &str = "-";

/// A row's values under [`HEADINGS`].
pub(super) fn fields(row: &Row) -> [String; 6] {
    [
        row.method.clone(),
        row.dice.map_or_else(|| NONE.to_owned(), dice),
        row.hd95
            .map_or_else(|| NONE.to_owned(), |hd95| format!("{:.2}", hd95.mean)),
        percent(row.trainable_percent),
        row.step_ms
            .map_or_else(|| NONE.to_owned(), |ms| format!("{ms:.0}")),
        row.peak_rss_mb
            .map_or_else(|| NONE.to_owned(), |mb| format!("{mb:.0}")),
    ]
}

fn dice(spread: Spread) -> String {
    let Spread {
        mean,
        sd,
        ci95: [low, high],
        ..
    } = spread;
    format!("{mean:.3} ± {sd:.3} [{low:.3}, {high:.3}]")
}

/// Three significant digits below 10 %, which is where methods differ.
pub(super) fn percent(percent: f64) -> String {
    if percent == 0.0 || percent >= 100.0 {
        format!("{percent:.0}")
    } else if percent >= 10.0 {
        format!("{percent:.1}")
    } else {
        format!("{percent:.2}")
    }
}

/// A p value with as many digits as anybody reads.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.0005 {
        "< 0.001".to_owned()
    } else {
        format!("{p:.3}")
    }
}

/// What is not in the tables because it is not done, `None` when all is.
pub(super) fn incomplete(results: &Results) -> Option<String> {
    let named = |what: &str, cells: &[String]| {
        (!cells.is_empty()).then(|| format!("{what}: {}", cells.join(", ")))
    };
    let parts = [
        named("Not finished", &results.unfinished),
        named("Not begun", &results.missing),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| {
        let done = results.cells.len();
        let all = done + results.unfinished.len() + results.missing.len();
        format!("{done} of {all} cells are finished. {}", parts.join(". "))
    })
}

/// What was left out of the tables.
pub(super) fn left_out(names: &[String]) -> String {
    format!(
        "Left out, because they were made with other settings, another program or other data: {}",
        names.join(", ")
    )
}

/// The line under a data set's table: what was averaged over what.
pub(super) fn caption(rows: &[&Row]) -> String {
    let Some(first) = rows.first() else {
        return String::new();
    };
    let range = |of: fn(&Row) -> usize| {
        let values = rows.iter().map(|row| of(row));
        let (low, high) = (values.clone().min().unwrap_or(0), values.max().unwrap_or(0));
        if low == high {
            low.to_string()
        } else {
            format!("{low} to {high}")
        }
    };
    let over = match first.dice.map(|dice| dice.sd_over) {
        Some(SdOver::Seeds) => {
            "seeds (initialisation, order, augmentation and, where the set brings none, the validation cases vary; the test cases do not)"
        }
        _ => "cases",
    };
    format!(
        "{} test cases, {} seed(s); ± is over {over}; the interval is of the mean over cases (bootstrap). Cases \
         count as independent: where several are of one person, intervals and p values are too optimistic.",
        range(|row| row.n_cases),
        range(|row| row.n_seeds),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn row(method: &str, dice: f64, percent: f64) -> Row {
        let spread = |mean| Spread {
            mean,
            sd: 0.05,
            sd_over: SdOver::Cases,
            ci95: [mean - 0.02, mean + 0.02],
        };
        Row {
            method: method.into(),
            dataset: "vessels".into(),
            n_seeds: 1,
            n_cases: 8,
            trainable: 1000,
            trainable_percent: percent,
            dice: Some(spread(dice)),
            hd95: Some(spread(3.0)),
            cldice: None,
            step_ms: None,
            peak_rss_mb: Some(812.4),
            wall_s: 60.0,
        }
    }

    #[test]
    fn a_row_is_written_under_its_headings() {
        let fields = fields(&row("salt", 0.7, 4.321));
        let expected = [
            "salt",
            "0.700 ± 0.050 [0.680, 0.720]",
            "3.00",
            "4.32",
            "-",
            "812",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn shares_keep_the_digits_that_tell_methods_apart() {
        for (value, text) in [
            (0.0, "0"),
            (0.426, "0.43"),
            (14.084, "14.1"),
            (100.0, "100"),
        ] {
            assert_eq!(percent(value), text);
        }
    }

    #[test]
    fn small_p_values_are_not_written_as_zero() {
        assert_eq!(
            (p_value(0.0004), p_value(0.0432)),
            ("< 0.001".into(), "0.043".into())
        );
    }

    #[test]
    fn what_is_not_done_is_named_with_how_much_is() {
        let tmp = tempfile::tempdir().unwrap();
        crate::report::results::tests::example(tmp.path());
        let mut results = Results::read(tmp.path()).unwrap();
        assert_eq!(
            incomplete(&results).unwrap(),
            "6 of 8 cells are finished. Not finished: lora__vessels__s0. Not begun: salt__vessels__s1"
        );
        results.unfinished.clear();
        results.missing.clear();
        assert_eq!(incomplete(&results), None);
    }

    #[test]
    fn the_caption_says_what_varies() {
        let (one, mut other) = (row("salt", 0.7, 4.0), row("lora", 0.7, 4.0));
        let text = caption(&[&one, &other]);
        assert!(
            text.contains("8 test cases, 1 seed(s); ± is over cases"),
            "{text}"
        );
        other.n_seeds = 3;
        assert!(caption(&[&one, &other]).contains("1 to 3 seed(s)"));
    }
}
