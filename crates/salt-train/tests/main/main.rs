//! Runs of a scaled-down network on generated vessels, end to end; losses, rates and whole steps against others.

mod bad_input;
mod determinism;
mod devices;
mod encoder;
mod failed_batch;
mod failing_files;
mod inference;
mod loss_parity;
mod lossy_disk;
mod lr_find;
mod memory;
mod methods;
mod optimizers;
mod overfit;
mod pretrain;
mod prompts;
mod recipe_keys;
mod resume;
mod resume_matrix;
mod sam_nano_laws;
mod saves;
mod schedule_parity;
mod steps_parity;
mod support;
mod use_a_run;
mod watching;
