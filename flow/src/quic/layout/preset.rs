//! Layouts of servers that are known.

use super::{Field, Guard, Layout, LengthRule, QuicLb, Scope};

impl Layout {
    /// 8 bytes: format version, flags, backend in bytes 2 and 3, salt; the queue is the rest of the
    /// backend by 64.
    pub fn telementry() -> Self {
        let queue = Field {
            modulo: 64,
            ..Field::of("queue", "backend")
        };
        Self {
            length: LengthRule::Exactly(8),
            fields: vec![
                Field::bits("format", 0, 8),
                Field::bits("flags", 8, 8),
                Field::bits("backend", 16, 16),
                Field::bits("salt", 32, 32),
                queue,
            ],
            ..Self::custom("telementry")
        }
    }

    /// mvfst (`DefaultConnectionIdAlgo`): the two highest bits are the version, 1 to 3; host, worker
    /// and the bit that tells the two processes of a takeover apart follow.
    ///
    /// The IDs have 8 bytes unless the server is told otherwise; only what is read is asked for.
    pub fn mvfst() -> [Self; 3] {
        // Version, bytes at least, first bit and number of bits of the host; worker and process
        // stand right behind it.
        [(1, 4, 2, 16), (2, 6, 8, 24), (3, 7, 8, 32)].map(|(version, bytes, offset, bits)| Self {
            guard: Guard {
                mask: 0xc0,
                value: version << 6,
            },
            length: LengthRule::AtLeast(bytes),
            fields: vec![
                Field::bits("host", offset, bits),
                Field::bits("worker", offset + bits, 8),
                Field::bits("process", offset + bits + 8, 1),
                Field::of("backend", "host"),
                Field::of("queue", "worker"),
            ],
            ..Self::custom(&format!("mvfst v{version}"))
        })
    }

    /// nginx, built with its BPF module: 20 bytes, of which the first 8 are the cookie of the
    /// listening socket (`SO_COOKIE`), and each worker has one.
    pub fn nginx() -> Self {
        Self {
            length: LengthRule::Exactly(20),
            fields: vec![Field::bits("socket", 0, 64), Field::of("queue", "socket")],
            ..Self::custom("nginx")
        }
    }

    /// QUIC-LB. A server ID of up to 8 bytes is the backend; of a longer one, fields have to be
    /// named.
    pub fn quic_lb(quic_lb: QuicLb) -> Self {
        let fields = match quic_lb.server_id_bytes {
            bytes @ 0..=8 => vec![
                Field::bits("server_id", 8, 8 * bytes),
                Field::of("backend", "server_id"),
            ],
            _ => Vec::new(),
        };
        Self {
            length: LengthRule::AtLeast(quic_lb.text_bytes().saturating_add(1)),
            fields,
            ..Self::custom(&format!("quic-lb {}", quic_lb.config_id))
        }
        .with_quic_lb(quic_lb)
    }

    /// One for all servers, of which nothing is known but the name.
    pub fn custom(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            scope: Scope::default(),
            guard: Guard::default(),
            length: LengthRule::AtLeast(1),
            quic_lb: None,
            fields: Vec::new(),
        }
    }

    fn with_quic_lb(mut self, quic_lb: QuicLb) -> Self {
        self.quic_lb = Some(quic_lb);
        self
    }
}
