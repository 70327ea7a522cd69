//! What flows and connections show of QUIC, as JSON has it.

use super::quic::hex_number;
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
    /// The backend; null where nothing is decoded.
    pub backend: Option<u64>,
    /// The same as hexadecimal digits, for readers whose numbers have no 64 bits.
    #[schema(example = "0x12c")]
    pub backend_hex: Option<String>,
    /// The worker queue; null where nothing is decoded.
    pub queue: Option<u64>,
    /// The same as hexadecimal digits.
    #[schema(example = "0x2c")]
    pub queue_hex: Option<String>,
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
            backend: route.backend,
            backend_hex: route.backend.map(hex_number),
            queue: route.queue,
            queue_hex: route.queue.map(hex_number),
            undecoded: summary.backend.err().map(Undecoded::name),
        }
    }
}
