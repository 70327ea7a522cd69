//! The hosts that are known.

use super::{
    list::list,
    parameters::{OfHosts, Parameters},
};
use crate::{Problem, State, json::Json, state::Access, view::Hosts};
use axum::extract;
use netweir_flow::{Host, Listing};

/// Addresses with what they sent and received, on all interfaces together.
#[utoipa::path(get, path = "/api/hosts", tag = "lists", params(OfHosts), responses(
    (status = 200, description = "In the order that was asked for", body = Hosts),
    (status = 400, description = "A parameter cannot be read", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn hosts(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfHosts>,
) -> Result<Json, Problem> {
    let query = parameters.query()?;
    let take = move |access: &Access| list(access, query, Listing::<Host>::read);
    let tell = |hosts: Vec<Host>| Hosts {
        hosts: hosts.iter().map(Into::into).collect(),
    };
    state.look(take, tell).await
}
