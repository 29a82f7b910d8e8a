//! Runs of a scaled-down network on generated vessels, end to end.

mod bad_input;
mod determinism;
mod devices;
mod methods;
mod prompts;
mod resume;
mod sam_nano_laws;
mod support;
mod use_a_run;
