//! Lists of what is on an interface, or on any.

use super::name;
use crate::{Problem, state::Access};
use netweir_flow::{Listing, Meter, Query};

/// A list: slice by slice, and in between the meter is for others.
///
/// # Errors
/// There is no interface of the name that was asked for.
pub(super) fn list<T>(
    access: &Access,
    query: Query,
    read: fn(&mut Listing<T>, &Meter) -> bool,
) -> Result<Vec<T>, Problem> {
    access.with(|meter| name::expect(meter, query.interface.as_deref()))?;
    let mut listing = Listing::new(query);
    while access.with(|meter| read(&mut listing, meter)) {}
    Ok(listing.finish())
}
