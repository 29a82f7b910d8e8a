//! Runs of a scaled-down network on generated vessels, end to end; losses and rates against others.

mod bad_input;
mod determinism;
mod devices;
mod failing_files;
mod inference;
mod loss_parity;
mod lossy_disk;
mod methods;
mod optimizers;
mod prompts;
mod recipe_keys;
mod resume;
mod resume_matrix;
mod sam_nano_laws;
mod saves;
mod schedule_parity;
mod support;
mod use_a_run;
mod watching;
