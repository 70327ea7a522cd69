//! What flows and connections show of QUIC, as JSON has it.

use super::QuicRoute;
use netweir_flow::quic::{self, layout::Undecoded};
use serde::Serialize;
use utoipa::ToSchema;

/// What a flow or a connection shows of the QUIC connection that it is a part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicSummary {
    /// How sure it is that this is QUIC: `proven`, `matched` or `guessed`.
    #[schema(example = "proven")]
    pub certainty: &'static str,
    /// The version that is spoken; null where no long header was seen.
    #[schema(example = "v1")]
    pub version: Option<String>,
    /// The name that the client asks for; null where it is not known.
    pub server_name: Option<String>,
    /// Backend and queue.
    #[serde(flatten)]
    pub route: QuicRoute,
    /// Why nothing is decoded; null where something is.
    pub undecoded: Option<&'static str>,
}

impl From<&quic::Summary> for QuicSummary {
    fn from(summary: &quic::Summary) -> Self {
        let route = summary.backend.unwrap_or_default();
        Self {
            certainty: summary.certainty.name(),
            version: summary.version.map(|version| version.to_string()),
            server_name: summary.server_name.clone(),
            route: QuicRoute::new(route.backend, route.queue),
            undecoded: summary.backend.err().map(Undecoded::name),
        }
    }
}
