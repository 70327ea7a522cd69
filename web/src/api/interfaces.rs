//! The interfaces that are known.

use super::{
    name,
    parameters::{OfInterface, Parameters},
};
use crate::{Problem, State, json::Json, view::Interfaces};
use axum::extract;
use netweir_flow::{InterfaceState, Meter};

/// Every interface that was ever watched, those that are gone included.
#[utoipa::path(get, path = "/api/interfaces", tag = "lists", params(OfInterface), responses(
    (status = 200, description = "By network namespace and index", body = Interfaces),
    (status = 404, description = "No such interface", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn interfaces(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfInterface>,
) -> Result<Json, Problem> {
    let name = parameters.name();
    let take = move |meter: &Meter| {
        name::expect(meter, name.as_deref())?;
        let is_wanted = |state: &&InterfaceState| {
            let name = name.as_deref();
            name.is_none_or(|name| *state.interface.name == *name)
        };
        Ok(meter.interfaces().filter(is_wanted).cloned().collect())
    };
    let tell = |interfaces: Vec<InterfaceState>| Interfaces {
        interfaces: interfaces.iter().map(Into::into).collect(),
    };
    state.read(take, tell).await
}
