//! Connection IDs that name a backend, as servers write them.

use std::time::Duration;

use quinn::{ConnectionId, ConnectionIdGenerator};

/// How a server writes where it is into the connection IDs that it chooses.
#[derive(Clone, Copy, Debug)]
pub enum Scheme {
    /// Eight bytes: format, flags, backend, salt.
    Telementry {
        /// The backend.
        backend: u16,
    },
    /// Version 2 of mvfst's, eight bytes.
    Mvfst {
        /// The host, 24 bits.
        host: u32,
        /// The worker.
        worker: u8,
    },
    /// QUIC-LB in the clear: a first byte with the configuration, three bytes of server ID, a nonce of
    /// four.
    QuicLb {
        /// The server ID, 24 bits.
        server: u32,
    },
}

impl Scheme {
    /// The connection ID that carries this salt.
    fn write(self, salt: u32) -> [u8; 8] {
        let salt = salt.wrapping_mul(2_654_435_761).to_be_bytes();
        match self {
            Self::Telementry { backend } => {
                let [high, low] = backend.to_be_bytes();
                [1, 0, high, low, salt[0], salt[1], salt[2], salt[3]]
            }
            Self::Mvfst { host, worker } => {
                let [_, a, b, c] = host.to_be_bytes();
                let first = 0x80 | salt[0] & 0x3f;
                [first, a, b, c, worker, salt[1], salt[2], salt[3]]
            }
            Self::QuicLb { server } => {
                let [_, a, b, c] = server.to_be_bytes();
                // Configuration 1; the other bits of the first byte are random.
                [0x27, a, b, c, salt[0], salt[1], salt[2], salt[3]]
            }
        }
    }
}

/// A scheme, and the salt of the next connection ID.
pub(crate) struct Generator {
    scheme: Scheme,
    salt: u32,
}

impl Generator {
    pub(crate) const fn new(scheme: Scheme) -> Self {
        Self { scheme, salt: 0 }
    }
}

impl ConnectionIdGenerator for Generator {
    fn generate_cid(&mut self) -> ConnectionId {
        self.salt += 1;
        ConnectionId::new(&self.scheme.write(self.salt))
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
