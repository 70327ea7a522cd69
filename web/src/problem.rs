//! What went wrong with a request (RFC 9457).

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::fmt::Display;
use utoipa::ToSchema;

/// What went wrong with a request, as `application/problem+json` (RFC 9457). There is no `type`:
/// the status and the title say which problem it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// What the status means.
    #[schema(example = "Bad Request")]
    pub title: &'static str,
    /// The status of the response.
    #[schema(example = 400)]
    pub status: u16,
    /// What is wrong.
    pub detail: String,
    /// The parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<&'static str>,
    /// Where it is wrong, in characters from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
    /// Names that are known, where the one that was given is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<Vec<String>>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("Unknown"),
            status: status.as_u16(),
            detail: detail.into(),
            parameter: None,
            position: None,
            hint: None,
            known: None,
        }
    }

    /// A parameter that cannot be read.
    pub(crate) fn parameter(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            parameter: Some(name),
            ..Self::new(StatusCode::BAD_REQUEST, detail)
        }
    }

    /// What is wrong with us, not with the request.
    pub(crate) fn internal(error: &impl Display) -> Self {
        tracing::error!(%error, "a request could not be answered");
        let detail = "the answer could not be made; the log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    pub(crate) fn hint(self, hint: &'static str) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // A struct of strings and numbers always has a JSON form.
        let text = serde_json::to_string(&self).unwrap_or_default();
        let kind = [(CONTENT_TYPE, "application/problem+json")];
        (status, kind, text).into_response()
    }
}
