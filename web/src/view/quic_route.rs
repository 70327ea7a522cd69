//! Backends and queues, as JSON has them.

use serde::Serialize;
use utoipa::ToSchema;

/// The backend and the queue that a connection ID names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuicRoute {
    /// The backend; null where the layout has none, or nothing is decoded.
    pub backend: Option<u64>,
    /// The same as hexadecimal digits, for readers whose numbers have no 64 bits.
    #[schema(example = "0x12c")]
    pub backend_hex: Option<String>,
    /// The worker queue; null where the layout has none, or nothing is decoded.
    pub queue: Option<u64>,
    /// The same as hexadecimal digits.
    #[schema(example = "0x2c")]
    pub queue_hex: Option<String>,
}

impl QuicRoute {
    pub(super) fn new(backend: Option<u64>, queue: Option<u64>) -> Self {
        Self {
            backend,
            backend_hex: backend.map(hex_number),
            queue,
            queue_hex: queue.map(hex_number),
        }
    }
}

/// A number that readers of JSON may round: many of them keep 53 bits (RFC 8259 section 6).
pub(super) fn hex_number(number: u64) -> String {
    format!("{number:#x}")
}
