//! Heads of packets that rules sample.

use super::parameters::{OfHeads, Parameters};
use crate::{
    Problem, State,
    json::Json,
    view::{Head, HeadAccounting, Heads},
};
use axum::extract;
use netweir_flow::Meter;

/// The latest heads of packets that rules with the action `sample` told of, and what became of all of
/// them.
#[utoipa::path(get, path = "/api/heads", tag = "lists", params(OfHeads), responses(
    (status = 200, description = "The latest first", body = Heads),
    (status = 400, description = "A parameter cannot be read", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn heads(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfHeads>,
) -> Result<Json, Problem> {
    let wanted = parameters.wanted()?;
    let take = move |meter: &Meter| {
        let mut heads = meter.heads(wanted.after);
        if let Some(name) = &wanted.label {
            heads.retain(|head| head.label().map_or("", |label| &label.name) == name);
        }
        heads.reverse();
        heads.truncate(wanted.limit);
        Ok((heads, meter.accounting().heads))
    };
    let tell =
        |(heads, accounting): (Vec<netweir_flow::Head>, netweir_flow::HeadAccounting)| Heads {
            accounting: HeadAccounting::from(&accounting),
            heads: heads.iter().map(Head::from).collect(),
        };
    state.read(take, tell).await
}
