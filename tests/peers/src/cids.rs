//! Connection IDs that name a backend, as servers write them.

use std::time::Duration;

use quinn::{ConnectionId, ConnectionIdGenerator};

use crate::quic_lb::encrypt;

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
    /// QUIC-LB, encrypted: the same, with a nonce of so many bytes.
    Encrypted {
        /// The server ID, 24 bits.
        server: u32,
        /// Bytes of the nonce, 4 to 16. With 13 there is one block to encrypt.
        nonce: usize,
        /// The key that the reader has as well.
        key: [u8; 16],
    },
}

impl Scheme {
    /// The connection ID that carries this salt.
    fn write(self, salt: u32) -> Vec<u8> {
        let salt = salt.wrapping_mul(2_654_435_761).to_be_bytes();
        match self {
            Self::Telementry { backend } => {
                let [high, low] = backend.to_be_bytes();
                [&[1, 0, high, low], &salt[..]].concat()
            }
            Self::Mvfst { host, worker } => {
                let [_, a, b, c] = host.to_be_bytes();
                let first = 0x80 | salt[0] & 0x3f;
                [&[first, a, b, c, worker], &salt[1..]].concat()
            }
            Self::QuicLb { server } => {
                let [_, a, b, c] = server.to_be_bytes();
                // Configuration 1; the other bits of the first byte are random.
                [&[0x27, a, b, c], &salt[..]].concat()
            }
            Self::Encrypted { server, nonce, key } => {
                let [_, a, b, c] = server.to_be_bytes();
                let nonce = salt.into_iter().cycle().take(nonce);
                let mut cid: Vec<u8> = [0x27, a, b, c].into_iter().chain(nonce).collect();
                encrypt(key, &mut cid[1..]);
                cid
            }
        }
    }

    /// Bytes of each connection ID.
    const fn bytes(self) -> usize {
        match self {
            Self::Encrypted { nonce, .. } => 4 + nonce,
            _ => 8,
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
        self.scheme.bytes()
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
