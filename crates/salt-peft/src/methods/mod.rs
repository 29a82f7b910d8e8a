//! The list of methods. A new one is one file in this folder and one line here; its recipe name, its files,
//! its parameter counts and all conformance tests follow.
//!
//! `low_rank` and `residual` are what LoRA and its kin share.

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor};
use burn::tensor::{Device, Tensor};

use crate::adapter_file::export::HfFactors;
use crate::method::{LayerAdapter, Method};
use crate::rank::LayerRank;
use crate::weight::WeightShape;
use crate::whole::WholeFactors;

mod low_rank;
pub mod residual;

methods! {
    // the method => its factors at one weight, for methods that attach any
    salt::Salt => salt::SaltAdapter,
    ssam::Ssam => ssam::SsamAdapter,
    svft::Svft => svft::SvftAdapter,
    lora::Lora => lora::LoraAdapter,
    rslora::Rslora => lora::LoraAdapter,
    pissa::Pissa => residual::ResidualAdapter,
    olora::Olora => residual::ResidualAdapter,
    dora::Dora => dora::DoraAdapter,
    loraxs::Loraxs => loraxs::LoraxsAdapter,
    norms::Norms,
    bias::Bias,
    decoder::Decoder,
    full::Full,
    frozen::Frozen,
}
