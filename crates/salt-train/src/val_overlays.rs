//! `overlays/val/epoch-NNNN-{best,median,worst}-CASE.png`: three validation cases as the model segments them while
//! it is trained.
//!
//! The sets of the ten epochs drawn last are kept, so a long run fills no disk.

use std::fs;
use std::io::ErrorKind;

use salt_data::Dataset;

use crate::error::TrainError;
use crate::evaluate::EvaluateConfig;
use crate::overlay;
use crate::predict;
use crate::run_dir::RunDir;
use crate::segment::Segmenter;

/// Epochs whose overlays are kept.
const KEPT: usize = 10;

/// Segments the best, the median and the worst case once more and draws them; older sets make room.
///
/// # Errors
/// Cases that cannot be read, files that cannot be written.
pub(crate) fn draw(
    run: &RunDir,
    epoch: u64,
    segmenter: &Segmenter,
    dataset: &Dataset,
    config: EvaluateConfig,
    case_dice: &[Option<f64>],
) -> Result<(), TrainError> {
    let folder = run.val_overlays();
    fs::create_dir_all(&folder).map_err(|e| TrainError::io(&folder, e))?;
    make_room(run, epoch)?;
    let (roles, indices): (Vec<_>, Vec<_>) = chosen(case_dice).into_iter().unzip();
    let cases = indices.into_iter().map(|i: usize| dataset.cases[i].clone());
    for (role, case) in roles.into_iter().zip(dataset.read_ahead(cases.collect())?) {
        let case = case?;
        let prediction = segmenter.case_labels(&case, config.prompts)?;
        let picture = overlay::draw(&case.image, &prediction, Some(&case.labels));
        let stem = predict::file_stem(&case.id);
        let name = format!("epoch-{epoch:04}-{role}-{stem}.png");
        predict::write_rgb(&folder.join(name), &picture)?;
    }
    Ok(())
}

/// Which cases stand for all: by Dice, the first of equals; each once, cases without a defined Dice not at all. Of an
/// even number the median is the lower one.
fn chosen(case_dice: &[Option<f64>]) -> Vec<(&'static str, usize)> {
    let mut ranked: Vec<(f64, usize)> = case_dice
        .iter()
        .enumerate()
        .filter_map(|(i, dice)| Some(((*dice)?, i)))
        .collect();
    // Stable, so equals stay in order.
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let Some(last) = ranked.len().checked_sub(1) else {
        return Vec::new();
    };
    let places = [("best", 0), ("worst", last), ("median", ranked.len() / 2)];
    let mut cases: Vec<(&'static str, usize)> = Vec::new();
    for (role, place) in places {
        let case = ranked[place].1;
        if cases.iter().all(|(_, other)| *other != case) {
            cases.push((role, case));
        }
    }
    cases
}

/// Removes what an interrupted run has drawn of this epoch, and sets beyond [`KEPT`] with this one.
fn make_room(run: &RunDir, epoch: u64) -> Result<(), TrainError> {
    let folder = run.val_overlays();
    let io = |e| TrainError::io(&folder, e);
    let mut drawn = Vec::new();
    for entry in folder.read_dir().map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("epoch-"));
        let number = number.and_then(|rest| rest.split('-').next()?.parse::<u64>().ok());
        drawn.extend(number.map(|number| (number, name)));
    }
    let mut epochs: Vec<u64> = drawn.iter().map(|(number, _)| *number).collect();
    epochs.push(epoch);
    epochs.sort_unstable_by(|a, b| b.cmp(a));
    epochs.dedup();
    let oldest = epochs[epochs.len().min(KEPT) - 1];
    for (number, name) in drawn {
        if number < oldest || number == epoch {
            let path = folder.join(name);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(TrainError::io(&path, e)),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_cases_stand_for_all() {
        let check = |dice: &[f64], expected: &[(&str, usize)]| {
            // A negative Dice stands for an undefined one.
            let dice: Vec<_> = dice.iter().map(|d| (*d >= 0.0).then_some(*d)).collect();
            assert_eq!(chosen(&dice), expected, "{dice:?}");
        };
        check(
            &[0.2, 0.9, -1.0, 0.5],
            &[("best", 1), ("worst", 0), ("median", 3)],
        );
        check(
            &[0.1, 0.4, 0.3, 0.2],
            &[("best", 1), ("worst", 0), ("median", 3)],
        );
        check(
            &[0.5, 0.5, 0.5],
            &[("best", 0), ("worst", 2), ("median", 1)],
        );
        check(&[0.3, 0.7], &[("best", 1), ("worst", 0)]);
        check(&[0.0], &[("best", 0)]);
        check(&[-1.0], &[]);
    }

    #[test]
    fn the_ten_epochs_drawn_last_are_kept() {
        let tmp = tempfile::tempdir().unwrap();
        let run = RunDir::create(tmp.path()).unwrap();
        let folder = run.val_overlays();
        fs::create_dir_all(&folder).unwrap();
        let touch = |name: String| fs::write(folder.join(name), b"").unwrap();
        touch("mine.png".into());
        for epoch in (10..=120).step_by(10) {
            make_room(&run, epoch).unwrap();
            for role in ["best", "worst"] {
                touch(format!("epoch-{epoch:04}-{role}-a-7.png"));
            }
        }
        // Resumed before 120.
        touch("epoch-0120-median-b.png".into());
        make_room(&run, 120).unwrap();
        let mut names: Vec<_> = folder
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 9 * 2 + 1);
        assert_eq!(names[0], "epoch-0030-best-a-7.png");
        assert_eq!(names[18], "mine.png");
    }
}
