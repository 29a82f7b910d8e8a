//! The vocabulary of generated scenes: what a structure can be.

/// What a structure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShapeKind {
    /// Filled ellipse.
    Ellipse,
    /// Filled polygon or rectangle.
    Polygon,
    /// Filled smooth irregular shape.
    Blob,
    /// Filled shape with a hole.
    Ring,
    /// Filled crescent.
    Crescent,
    /// Filled star.
    Star,
    /// One line.
    Stroke,
    /// Branching tube that tapers to one pixel.
    Tree,
    /// Closed lines.
    Loop,
    /// Interrupted lines.
    Dashes,
    /// Two families of parallel lines.
    Grid,
    /// Many fine connected lines.
    Network,
    /// Lines side by side.
    Bundle,
    /// A spiral.
    Spiral,
    /// A jagged line with side cracks.
    Crack,
}

impl ShapeKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Ellipse,
        Self::Polygon,
        Self::Blob,
        Self::Ring,
        Self::Crescent,
        Self::Star,
        Self::Stroke,
        Self::Tree,
        Self::Loop,
        Self::Dashes,
        Self::Grid,
        Self::Network,
        Self::Bundle,
        Self::Spiral,
        Self::Crack,
    ];

    /// Whether the kind is curvilinear (`thin`) rather than compact (`object`).
    pub fn is_thin(self) -> bool {
        !matches!(
            self,
            Self::Ellipse | Self::Polygon | Self::Blob | Self::Ring | Self::Crescent | Self::Star
        )
    }
}
