//! The labels that rules give.

use super::parameters::{OfLabels, Parameters};
use crate::{
    Problem, State,
    json::Json,
    view::{Label, Labels},
};
use axum::extract;
use netweir_flow::{LabelTotals, Meter};

/// What was counted under each label since the start; what no rule has decided about has none, and all
/// of them together are all that came in flows.
#[utoipa::path(get, path = "/api/labels", tag = "lists", params(OfLabels), responses(
    (status = 200, description = "In the order that was asked for", body = Labels),
    (status = 400, description = "A parameter cannot be read", body = Problem,
        content_type = "application/problem+json"),
))]
pub(super) async fn labels(
    extract::State(state): extract::State<State>,
    Parameters(parameters): Parameters<OfLabels>,
) -> Result<Json, Problem> {
    let query = parameters.query()?;
    let take = move |meter: &Meter| Ok((meter.labels(&query), meter.sampling()));
    state.read(take, tell).await
}

fn tell((totals, sampling): (Vec<LabelTotals>, u32)) -> Labels {
    let labels = totals.iter().map(|totals| Label::new(totals, sampling));
    Labels {
        labels: labels.collect(),
    }
}
