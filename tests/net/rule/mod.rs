//! Rules: the commands and the API that change them, and what they do to real packets.

mod api;
mod capture;
mod command;
mod file;
mod live;
mod place;
mod wrong;

use netweir_tests::{Netweir, World};

/// Changes the rules of a world as a user does.
fn rule(world: &World, arguments: &[&str]) {
    let ended = Netweir::rule(world, arguments).finish();
    assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {ended:#?}");
}
