//! Where every packet went.

use super::{
    name,
    parameters::{OfInterface, Parameters},
};
use crate::{Problem, State, json::Json, view::Accounting};
use axum::extract;
use netweir_flow::Meter;

/// Where every packet went: seen = counted + filtered + sampled + lost.
///
/// The parameter chooses among the lines of interfaces; the sums are always over all of them.
#[utoipa::path(get, path = "/api/accounting", tag = "accounting", params(OfInterface), responses(
    (status = 200, description = "The whole, and a line for each direction", body = Accounting),
    (status = 404, description = "No such interface", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn accounting(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfInterface>,
) -> Result<Json, Problem> {
    let name = parameters.name();
    let take = move |meter: &Meter| {
        name::expect(meter, name.as_deref())?;
        Ok((meter.accounting(), name))
    };
    let tell = |(accounting, name): (netweir_flow::Accounting, Option<String>)| {
        let mut told = Accounting::from(&accounting);
        if let Some(name) = name {
            told.interfaces.retain(|line| line.interface == name);
            told.inline.retain(|line| line.interface == name);
        }
        told
    };
    state.read(take, tell).await
}
