//! QUIC peers for tests, which say of themselves what a test compares with what was metered.
//!
//! They get bound sockets, so that the caller decides in which network namespace they live.

mod cids;
mod identity;
mod quic_lb;
mod quinn;
mod s2n;
mod segments;

pub use cids::Scheme;
pub use identity::{ALPN, Identity, NAME};
pub use quinn::{Server, download, download_around};
pub use s2n::{S2nServer, s2n_download};
pub use segments::send_segments;

use std::time::Duration;

/// What a peer says of a connection when it has ended.
#[derive(Clone, Debug)]
pub struct Said {
    /// Datagrams that it has sent.
    pub sent: u64,
    /// Bytes of UDP payload in them.
    pub sent_bytes: u64,
    /// Datagrams that it has received.
    pub received: u64,
    /// The shortest round trip that it has measured.
    pub min_rtt: Duration,
}
