//! The figures of the host, or of one interface.

use super::{
    name,
    parameters::{OfInterface, Parameters},
};
use crate::{
    Problem, State,
    json::Json,
    view::{Realtime, Summary},
};
use axum::extract;
use netweir_flow::{Meter, Totals};

/// How fast it goes now.
#[utoipa::path(get, path = "/api/metrics/realtime", tag = "totals", params(OfInterface), responses(
    (status = 200, description = "Rates over the last tick", body = Realtime),
    (status = 404, description = "No such interface", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn realtime(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfInterface>,
) -> Result<Json, Problem> {
    let name = parameters.name();
    let take = move |meter: &Meter| totals(meter, name.as_deref());
    state.read(take, |totals| Realtime::from(&totals)).await
}

/// What was since the start.
#[utoipa::path(get, path = "/api/stats/summary", tag = "totals", params(OfInterface), responses(
    (status = 200, description = "Totals, averages and shares", body = Summary),
    (status = 404, description = "No such interface", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn summary(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfInterface>,
) -> Result<Json, Problem> {
    let name = parameters.name();
    let take = move |meter: &Meter| totals(meter, name.as_deref());
    state.read(take, |totals| Summary::from(&totals)).await
}

/// Sums over all interfaces, or over those of a name.
pub(super) fn totals(meter: &Meter, interface: Option<&str>) -> Result<Totals, Problem> {
    let unknown = || name::unknown(meter, interface.unwrap_or_default());
    meter.totals(interface).ok_or_else(unknown)
}
