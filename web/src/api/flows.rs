//! The flows that are known.

use super::{
    list::list,
    parameters::{MAX_LIMIT, OfList, Parameters},
};
use crate::{Problem, State, json::Json, state::Access, view::Flows};
use axum::extract;
use netweir_flow::Listing;

/// Live flows: each is one direction of a 5-tuple on an interface.
#[utoipa::path(get, path = "/api/flows", tag = "lists", params(OfList), responses(
    (status = 200, description = "In the order that was asked for", body = Flows),
    (status = 400, description = "A parameter cannot be read", body = Problem,
        content_type = "application/problem+json"),
    (status = 404, description = "No such interface", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn flows(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfList>,
) -> Result<Json, Problem> {
    let query = parameters.query(MAX_LIMIT)?;
    let take = move |access: &Access| list(access, query, Listing::<netweir_flow::Record>::read);
    let tell = |flows: Vec<netweir_flow::Record>| Flows {
        flows: flows.iter().map(Into::into).collect(),
    };
    state.look(take, tell).await
}
