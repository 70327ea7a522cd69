//! QUIC transport parameters (RFC 9000 section 18).

use super::cursor::Cursor;
use netweir_wire::packet::quic::Version;
use std::fmt;

/// The number of a transport parameter (IANA, QUIC Transport Parameters).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterId(pub u64);

/// One transport parameter as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportParameter {
    /// Which one.
    pub id: ParameterId,
    /// Its value, whose form depends on the parameter.
    pub value: Vec<u8>,
}

/// The transport parameters of one side, in the order of the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportParameters(pub Vec<TransportParameter>);

/// What a client speaks, and what it began with (RFC 9368 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInformation {
    /// The version of the packets that carry this.
    pub chosen: Version,
    /// The versions that it would change to, best first.
    pub available: Vec<Version>,
}

/// The parameters that have a name, in the order of their numbers.
const NAMES: [(ParameterId, &str); 21] = [
    (
        ParameterId::ORIGINAL_DESTINATION_CONNECTION_ID,
        "original_destination_connection_id",
    ),
    (ParameterId::MAX_IDLE_TIMEOUT, "max_idle_timeout"),
    (ParameterId(0x02), "stateless_reset_token"),
    (ParameterId::MAX_UDP_PAYLOAD_SIZE, "max_udp_payload_size"),
    (ParameterId(0x04), "initial_max_data"),
    (ParameterId(0x05), "initial_max_stream_data_bidi_local"),
    (ParameterId(0x06), "initial_max_stream_data_bidi_remote"),
    (ParameterId(0x07), "initial_max_stream_data_uni"),
    (ParameterId(0x08), "initial_max_streams_bidi"),
    (ParameterId(0x09), "initial_max_streams_uni"),
    (ParameterId::ACK_DELAY_EXPONENT, "ack_delay_exponent"),
    (ParameterId::MAX_ACK_DELAY, "max_ack_delay"),
    (
        ParameterId::DISABLE_ACTIVE_MIGRATION,
        "disable_active_migration",
    ),
    (ParameterId(0x0d), "preferred_address"),
    (
        ParameterId::ACTIVE_CONNECTION_ID_LIMIT,
        "active_connection_id_limit",
    ),
    (
        ParameterId::INITIAL_SOURCE_CONNECTION_ID,
        "initial_source_connection_id",
    ),
    (
        ParameterId::RETRY_SOURCE_CONNECTION_ID,
        "retry_source_connection_id",
    ),
    (ParameterId::VERSION_INFORMATION, "version_information"),
    (ParameterId(0x20), "max_datagram_frame_size"),
    (ParameterId::GREASE_QUIC_BIT, "grease_quic_bit"),
    (
        ParameterId::VERSION_INFORMATION_DRAFT,
        "version_information_draft",
    ),
];

impl ParameterId {
    /// The destination connection ID of the client's first Initial (RFC 9000 section 18.2).
    pub const ORIGINAL_DESTINATION_CONNECTION_ID: Self = Self(0x00);
    /// Milliseconds (RFC 9000 section 18.2).
    pub const MAX_IDLE_TIMEOUT: Self = Self(0x01);
    /// Bytes (RFC 9000 section 18.2).
    pub const MAX_UDP_PAYLOAD_SIZE: Self = Self(0x03);
    /// Power of two that acknowledgement delays are multiplied with (RFC 9000 section 18.2).
    pub const ACK_DELAY_EXPONENT: Self = Self(0x0a);
    /// Milliseconds (RFC 9000 section 18.2).
    pub const MAX_ACK_DELAY: Self = Self(0x0b);
    /// Without a value (RFC 9000 section 18.2).
    pub const DISABLE_ACTIVE_MIGRATION: Self = Self(0x0c);
    /// Connection IDs that are kept for the peer's use (RFC 9000 section 18.2).
    pub const ACTIVE_CONNECTION_ID_LIMIT: Self = Self(0x0e);
    /// The sender's connection ID in its first Initial (RFC 9000 section 18.2).
    pub const INITIAL_SOURCE_CONNECTION_ID: Self = Self(0x0f);
    /// The server's connection ID in its Retry (RFC 9000 section 18.2).
    pub const RETRY_SOURCE_CONNECTION_ID: Self = Self(0x10);
    /// RFC 9368 section 3.
    pub const VERSION_INFORMATION: Self = Self(0x11);
    /// Without a value: the fixed bit may be 0 (RFC 9287 section 3).
    pub const GREASE_QUIC_BIT: Self = Self(0x2ab2);
    /// [`Self::VERSION_INFORMATION`] as it was in its drafts.
    pub const VERSION_INFORMATION_DRAFT: Self = Self(0x00ff_73db);

    /// The name in the register; `None` where it is not known here.
    pub fn name(self) -> Option<&'static str> {
        let (_, name) = NAMES.iter().find(|(id, _)| *id == self)?;
        Some(name)
    }

    /// Whether its value is an integer (RFC 9000 section 18.2, RFC 9221 section 3): bytes of others may
    /// look like one.
    pub const fn is_integer(self) -> bool {
        matches!(self.0, 0x01 | 0x03..=0x0b | 0x0e | 0x20)
    }

    /// Whether it means nothing and is there to be passed over (RFC 9000 section 18.1).
    pub const fn is_grease(self) -> bool {
        self.0 >= 27 && (self.0 - 27).is_multiple_of(31)
    }
}

/// The name, or the number: `0x4752`.
impl fmt::Display for ParameterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl TransportParameters {
    /// Reads the content of the TLS extension; `None` where a parameter goes past its end.
    pub fn read(content: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(content);
        let mut parameters = Vec::new();
        while !cursor.is_empty() {
            let id = ParameterId(cursor.varint()?);
            let value = cursor.behind_varint()?.to_vec();
            parameters.push(TransportParameter { id, value });
        }
        Some(Self(parameters))
    }

    /// The value of a parameter, where it was sent.
    pub fn get(&self, id: ParameterId) -> Option<&[u8]> {
        let parameter = self.0.iter().find(|parameter| parameter.id == id)?;
        Some(&parameter.value)
    }

    /// The value of a parameter that is an integer, where it was sent and is one.
    pub fn integer(&self, id: ParameterId) -> Option<u64> {
        let mut value = Cursor::new(self.get(id).filter(|_| id.is_integer())?);
        let integer = value.varint()?;
        value.is_empty().then_some(integer)
    }

    /// Which versions the sender speaks, where it says so and says it well.
    pub fn version_information(&self) -> Option<VersionInformation> {
        let value = self
            .get(ParameterId::VERSION_INFORMATION)
            .or_else(|| self.get(ParameterId::VERSION_INFORMATION_DRAFT))?;
        let (words, []) = value.as_chunks::<4>() else {
            return None;
        };
        let mut versions = words.iter().map(|&word| Version(u32::from_be_bytes(word)));
        Some(VersionInformation {
            chosen: versions.next()?,
            available: versions.collect(),
        })
    }
}
