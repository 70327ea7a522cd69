//! JSON that is ready to be sent.

use crate::problem::Problem;
use axum::{
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// A text of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Json(pub(crate) String);

impl Json {
    pub(crate) fn new(value: &impl Serialize) -> Result<Self, Problem> {
        let text = serde_json::to_string(value);
        text.map(Self).map_err(|error| Problem::internal(&error))
    }
}

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}
