//! Which interfaces a person wants to be metered, and at which hook.

use globset::{Glob, GlobMatcher};

use crate::{Error, attach::HookChoice};

/// The word for every interface.
const ANY: &str = "any";

/// One wish: interfaces, and the hook if this wish has one of its own.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Which interfaces.
    pub interfaces: Interfaces,
    /// The hook for them; `None` for the one that applies to all.
    pub hook: Option<HookChoice>,
}

/// Interfaces, as a person names them.
#[derive(Clone, Debug)]
pub enum Interfaces {
    /// The one of the default route.
    Default,
    /// Every one.
    Any,
    /// The one of this name.
    Name(String),
    /// Those whose names match.
    Glob(GlobMatcher),
}

impl Interfaces {
    /// Reads a name, a pattern with `*`, `?` or `[…]`, or `any`.
    ///
    /// # Errors
    /// [`Error::Pattern`] for a pattern that is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text == ANY {
            return Ok(Self::Any);
        }
        if !text.contains(['*', '?', '[', '{']) {
            return Ok(Self::Name(text.to_owned()));
        }
        let glob = Glob::new(text).map_err(|source| Error::Pattern {
            pattern: text.to_owned(),
            source,
        })?;
        Ok(Self::Glob(glob.compile_matcher()))
    }

    /// Whether an interface is among them, where `default` is the one of the default route.
    pub fn contains(&self, name: &str, is_default: bool) -> bool {
        match self {
            Self::Default => is_default,
            Self::Any => true,
            Self::Name(wanted) => wanted == name,
            Self::Glob(glob) => glob.is_match(name),
        }
    }
}

/// The hook that the first fitting wish has for an interface; `None` where none fits.
pub(crate) fn hook_for(
    choices: &[Choice],
    name: &str,
    is_default: bool,
    hook: HookChoice,
) -> Option<HookChoice> {
    let fitting = choices
        .iter()
        .find(|choice| choice.interfaces.contains(name, is_default))?;
    Some(fitting.hook.unwrap_or(hook))
}
