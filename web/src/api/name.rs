//! Whether there is an interface of the name that was asked for.

use crate::Problem;
use axum::http::StatusCode;
use netweir_flow::Meter;
use std::collections::BTreeSet;

/// Names told at most, where one is not known.
const MAX_NAMES: usize = 100;

/// An error if the name is of no interface.
pub(super) fn expect(meter: &Meter, name: Option<&str>) -> Result<(), Problem> {
    let is_named = |name: &str| {
        let mut interfaces = meter.interfaces();
        interfaces.any(|state| *state.interface.name == *name)
    };
    match name {
        Some(name) if !is_named(name) => Err(unknown(meter, name)),
        _ => Ok(()),
    }
}

/// That the name is of no interface, and the names that are.
pub(super) fn unknown(meter: &Meter, name: &str) -> Problem {
    let names: BTreeSet<_> = meter
        .interfaces()
        .map(|state| &*state.interface.name)
        .collect();
    let detail = format!("there is no interface {name:?}");
    Problem {
        parameter: Some("interface"),
        known: Some(names.into_iter().take(MAX_NAMES).map(Into::into).collect()),
        ..Problem::new(StatusCode::NOT_FOUND, detail)
    }
}
