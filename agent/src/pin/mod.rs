//! Counting without a daemon: programs, maps and links that are pinned, and what is done with them.
//!
//! [`attach`] loads the programs for one interface and pins all that counting takes; [`detach`] removes
//! exactly that. An agent takes what is pinned over rather than to attach itself ([`Pinned`]), and leaves
//! it so. Pins of an older ABI are [migrated](Migration), step by step, while counting goes on.
//! [`status`] and [`dump`] only look.

mod about;
mod attach;
mod detach;
pub mod dump;
mod filter;
mod folder;
mod held;
mod inline;
mod migrate;
mod old;
mod pins;
mod state;
mod status;

pub use about::{boot_ns, hook, is_generic, pinned_about};
pub use attach::attach;
pub use detach::{Places, detach};
pub use folder::{Claim, Folder};
pub use held::{Pinned, refresh_rules};
pub(crate) use inline::inline_of;
pub use inline::{attach_inline, inline_name, is_inline_generic};
pub use migrate::{Migration, upgrade};
pub use pins::Pins;
pub(crate) use state::State;
pub use status::{Program, Status, status};
