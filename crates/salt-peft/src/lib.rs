//! Parameter-efficient fine-tuning for any Burn module: SALT and its rivals.
