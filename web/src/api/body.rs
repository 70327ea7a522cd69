//! The body of a request.

use crate::{Problem, State};
use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use http_body_util::LengthLimitError;
use std::{error::Error as _, time::Duration};
use tokio::time;

/// Bytes of a body at most: more than 1,024 rules take that say all they can.
const MAX_BYTES: usize = 1 << 20;
/// How long a body may take to come.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A whole body of JSON.
pub(super) struct Whole(pub(super) Vec<u8>);

impl FromRequest<State> for Whole {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &State) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "the body must be JSON, and `Content-Type` say so: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        whole(request.into_body()).await.map(Self)
    }
}

async fn whole(body: Body) -> Result<Vec<u8>, Problem> {
    let read = time::timeout(TIMEOUT, to_bytes(body, MAX_BYTES)).await;
    let Ok(read) = read else {
        let detail = format!("the body did not come in {} seconds", TIMEOUT.as_secs());
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
    };
    read.map(Into::into).map_err(|error| {
        let is_long = error
            .source()
            .is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
        if is_long {
            let detail = format!("the body is longer than {MAX_BYTES} bytes");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail);
        }
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("the body cannot be read: {error}"),
        )
    })
}

/// Whether the body is said to be JSON. A page of another site cannot say so without asking first.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
