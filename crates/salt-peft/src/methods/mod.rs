//! One file per method. The list of them is in [`registry`](crate::registry).

pub mod frozen;
pub mod full;
pub mod lora;
pub mod norms;
pub mod salt;
pub mod ssam;
