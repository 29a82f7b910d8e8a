//! NVIDIA's virtual instruction set (PTX).

pub mod ptx_version;
