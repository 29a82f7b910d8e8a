//! The learning rate of every step against PyTorch's schedulers (`tests/parity/generate.py`).

use salt_train::recipe::TrainSection;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    steps: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: TrainSection,
    factors: Vec<f64>,
}

#[test]
fn every_decay_equals_that_of_pytorch() {
    let fixture: Fixture = serde_json::from_str(include_str!("../parity/schedules.json")).unwrap();
    for case in &fixture.cases {
        let schedule = case.config.schedule(fixture.steps);
        assert_eq!(case.factors.len() as u64, fixture.steps);
        for (step, expected) in (0..).zip(&case.factors) {
            let factor = schedule.factor(step);
            // PyTorch multiplies its way from step to step.
            assert!(
                (factor - expected).abs() < 1e-12,
                "{:?}, step {step}: {factor} {expected}",
                case.config.decay
            );
        }
    }
}
