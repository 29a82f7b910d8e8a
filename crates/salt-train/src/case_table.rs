//! `cases.csv`: one row per case, split and class, no times, so that equal runs give equal bytes.

use salt_metrics::CaseMetrics;

use crate::error::TrainError;

/// One class of one case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseRow {
    /// Case name.
    pub case: String,
    /// `train`, `val` or `test`.
    pub split: &'static str,
    /// Foreground class, from 1.
    pub class: u8,
    /// Scores at native resolution; distances in pixels.
    pub metrics: CaseMetrics,
}

const COLUMNS: [&str; 17] = [
    "case",
    "split",
    "class",
    "n_ref",
    "n_pred",
    "tp",
    "fp",
    "fn",
    "dice",
    "iou",
    "precision",
    "recall",
    "cldice",
    "hd95",
    "assd",
    "nsd",
    "status",
];

/// The rows as CSV with a header; undefined values are empty fields.
pub fn to_csv(rows: &[CaseRow]) -> Result<Vec<u8>, TrainError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for row in rows {
        let m = &row.metrics;
        let mut record = vec![
            row.case.clone(),
            row.split.to_owned(),
            row.class.to_string(),
        ];
        record.extend([m.n_ref, m.n_pred, m.tp, m.fp, m.fn_].map(|n| n.to_string()));
        let scores = [
            m.dice,
            m.iou,
            m.precision,
            m.recall,
            m.cldice,
            m.hd95,
            m.assd,
            m.nsd,
        ];
        record.extend(scores.map(|s| s.map_or_else(String::new, |s| s.to_string())));
        record.push(m.status.to_string());
        writer.write_record(&record)?;
    }
    writer
        .into_inner()
        .map_err(|e| TrainError::Csv(e.into_error().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use salt_metrics::{MaskView, case_metrics};

    fn row(pred: &[bool], reference: &[bool]) -> CaseRow {
        let view = |data| MaskView::new(2, 2, data).unwrap();
        let metrics = case_metrics(view(pred), view(reference), [1.0, 1.0], 1.0).unwrap();
        CaseRow {
            case: "a,b".into(),
            split: "test",
            class: 1,
            metrics,
        }
    }

    #[test]
    fn every_row_has_every_column_and_names_are_quoted() {
        let rows = [
            row(&[true; 4], &[true, true, false, false]),
            row(&[false; 4], &[false; 4]),
        ];
        let text = String::from_utf8(to_csv(&rows).unwrap()).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(
            reader.headers().unwrap().iter().collect::<Vec<_>>(),
            COLUMNS
        );
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(
            (&records[0][0], &records[0][5], &records[0][16]),
            ("a,b", "2", "ok")
        );
        assert_eq!(records[0][8].parse::<f64>().unwrap(), 4.0 / 6.0);
        assert_eq!((&records[1][8], &records[1][16]), ("", "both_empty"));
    }
}
