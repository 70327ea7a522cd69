//! How sure a statement is.

/// How sure a statement is. The greater, the surer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// Bits and ports look like it, and nothing speaks against it.
    #[default]
    Guessed,
    /// A connection ID came back that the other side had chosen.
    Matched,
    /// An Initial was opened with the keys of its connection, or the tag of a Retry is right.
    Proven,
}

impl Certainty {
    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guessed => "guessed",
            Self::Matched => "matched",
            Self::Proven => "proven",
        }
    }
}
