//! Segment Anything (SAM) in Burn, module for module.
