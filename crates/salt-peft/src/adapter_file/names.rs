//! What the modules of a file are called in the model.

/// A translation of module and parameter paths, both ways.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// A path of the file in the model.
    pub to_model: fn(&str) -> String,
    /// A path of the model in the file.
    pub to_file: fn(&str) -> String,
}

impl Names {
    /// The same in both.
    pub const SAME: Self = Self {
        to_model: str::to_owned,
        to_file: str::to_owned,
    };
}
