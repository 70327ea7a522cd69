//! The connections that are known.

use super::{
    list::list,
    parameters::{MAX_LIMIT, OfList, Parameters},
};
use crate::{Problem, State, json::Json, state::Access, view::Connections};
use axum::extract;
use netweir_flow::Listing;

/// Live connections: both directions of a conversation, and flows that nothing answers.
#[utoipa::path(get, path = "/api/connections", tag = "lists", params(OfList), responses(
    (status = 200, description = "In the order that was asked for", body = Connections),
    (status = 400, description = "A parameter cannot be read", body = Problem,
        content_type = "application/problem+json"),
    (status = 404, description = "No such interface", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn connections(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfList>,
) -> Result<Json, Problem> {
    let query = parameters.query(MAX_LIMIT)?;
    let take =
        move |access: &Access| list(access, query, Listing::<netweir_flow::Connection>::read);
    let tell = |connections: Vec<netweir_flow::Connection>| Connections {
        connections: connections.iter().map(Into::into).collect(),
    };
    state.look(take, tell).await
}
