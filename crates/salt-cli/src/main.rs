//! The binary `salt`.
fn main() {}
