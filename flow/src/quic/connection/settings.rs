//! What a table of connections is given.

const SECOND_NS: u64 = 1_000_000_000;

/// Time-outs, sizes and ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A connection without a packet for so long has ended.
    pub idle_ns: u64,
    /// The same for one that no server has answered, and for what is a mere guess.
    pub unanswered_ns: u64,
    /// A ClientHello that is not complete after so long is not waited for.
    pub hello_ns: u64,
    /// UDP ports of servers: where the packets do not say which end is the server, it is the one
    /// with such a port, else the one with the lower port.
    pub ports: Vec<u16>,
    /// How much is kept.
    pub limits: Limits,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are proven or matched; half of them at most that no server has answered.
    pub connections: usize,
    /// Connections that are guessed.
    pub guesses: usize,
    /// Connection IDs of a side of a connection.
    pub cids: usize,
    /// 5-tuples of a connection, two at least.
    pub paths: usize,
    /// Bytes of memory that incomplete ClientHellos take in all.
    pub crypto_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            idle_ns: 60 * SECOND_NS,
            unanswered_ns: 10 * SECOND_NS,
            hello_ns: 10 * SECOND_NS,
            ports: vec![443, 4433, 8000],
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 65_536,
            guesses: 16_384,
            cids: 16,
            paths: 8,
            crypto_bytes: 64 << 20,
        }
    }
}
