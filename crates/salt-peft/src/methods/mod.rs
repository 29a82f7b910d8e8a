//! One file per method; `low_rank` and `residual` are what LoRA and its kin share.

pub mod bias;
pub mod decoder;
pub mod dora;
pub mod frozen;
pub mod full;
pub mod lora;
pub mod loraxs;
mod low_rank;
pub mod norms;
pub mod olora;
pub mod pissa;
pub mod residual;
pub mod rslora;
pub mod salt;
pub mod ssam;
pub mod svft;
