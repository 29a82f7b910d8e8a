//! Recipe to run directory: training, evaluation, prediction, pretraining.
