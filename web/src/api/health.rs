//! Whether the program lives.

use crate::{Problem, State, json::Json, view::Health};
use axum::{extract, http::StatusCode};

/// Whether the program lives.
///
/// 503 when the meter has not ticked for three intervals or more: what is shown then is old.
#[utoipa::path(get, path = "/health", tag = "health", responses(
    (status = 200, description = "The meter ticks", body = Health),
    (status = 503, description = "The meter does not tick any more", body = Health),
))]
pub(super) async fn health(
    extract::State(state): extract::State<State>,
) -> Result<(StatusCode, Json), Problem> {
    let (code, status) = if state.ticks().is_stale() {
        (StatusCode::SERVICE_UNAVAILABLE, "stale")
    } else {
        (StatusCode::OK, "ok")
    };
    let json = Json::new(&Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: state.uptime().as_secs(),
    });
    Ok((code, json?))
}
