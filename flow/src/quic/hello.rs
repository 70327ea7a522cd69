//! The first message of a TLS 1.3 handshake: ClientHello or ServerHello (RFC 8446 section 4.1).
//!
//! Read by a cursor of our own, not by `tls-parser`: that would bring many crates (`nom`,
//! `phf`, code generators) and know nothing of QUIC's transport parameters, and what is wanted here
//! are a few lists of numbers.

use super::{ClientHello, ServerHello, cursor::Cursor};
use thiserror::Error;

/// A longer message is not waited for. It is what [`super::CryptoLimits`] keeps by default.
pub const MAX_HELLO_BYTES: usize = 16_384;

/// Bytes of type and length before a handshake message (RFC 8446 section 4).
const HEADER_BYTES: usize = 4;

/// The first message of a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// The client's.
    Client(Box<ClientHello>),
    /// The server's.
    Server(ServerHello),
}

/// How far a message is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is not there to its end.
    NeedsMore {
        /// How many bytes have to be there before it is worth trying again.
        bytes: usize,
    },
    /// It is there.
    Complete(Hello),
}

/// Why a handshake is not one that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HelloError {
    /// It begins with another message.
    #[error("a handshake begins with message type {message_type}")]
    NotHello {
        /// The type (RFC 8446 section 4).
        message_type: u8,
    },
    /// It is longer than [`MAX_HELLO_BYTES`].
    #[error("a hello of {bytes} bytes is too long")]
    TooLong {
        /// The length that it states, its own header included.
        bytes: usize,
    },
    /// What is inside contradicts its own lengths.
    #[error("a hello whose fields do not fit into it")]
    Malformed,
}

impl Hello {
    /// Reads the first message of a handshake, from [`super::CryptoStream::prefix`]. What stands
    /// behind it is left alone.
    ///
    /// # Errors
    /// Says why there will be no message to read, however many bytes come.
    pub fn read(handshake: &[u8]) -> Result<Progress, HelloError> {
        let mut cursor = Cursor::new(handshake);
        let needs_more = |bytes| Ok(Progress::NeedsMore { bytes });
        let Some(message_type) = cursor.u8() else {
            return needs_more(HEADER_BYTES);
        };
        if !matches!(message_type, 1 | 2) {
            return Err(HelloError::NotHello { message_type });
        }
        let Some(length) = cursor.u24() else {
            return needs_more(HEADER_BYTES);
        };
        let bytes = HEADER_BYTES + length as usize;
        if bytes > MAX_HELLO_BYTES {
            return Err(HelloError::TooLong { bytes });
        }
        let Some(message) = cursor.take(length as usize) else {
            return needs_more(bytes);
        };
        let hello = match message_type {
            1 => ClientHello::read(message).map(Box::new).map(Self::Client),
            _ => ServerHello::read(message).map(Self::Server),
        };
        hello.map(Progress::Complete).ok_or(HelloError::Malformed)
    }
}

/// Whether a TLS number means nothing and is only there so that peers stay open for what they do
/// not know (RFC 8701 section 2).
pub const fn is_grease(number: u16) -> bool {
    let [upper, lower] = number.to_be_bytes();
    upper == lower && lower & 0x0f == 0x0a
}

/// Hands each extension to `read`, with its number (RFC 8446 section 4.2). Nothing at all stands for
/// no extensions.
pub(super) fn for_each_extension(
    mut message: Cursor<'_>,
    mut read: impl FnMut(u16, Cursor<'_>),
) -> Option<()> {
    if message.is_empty() {
        return Some(());
    }
    let mut extensions = message.behind_u16()?;
    while !extensions.is_empty() {
        let number = extensions.u16()?;
        read(number, extensions.behind_u16()?);
    }
    message.is_empty().then_some(())
}

/// Numbers of the extensions that are read (IANA, TLS ExtensionType Values).
pub(super) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0x0000;
    pub(crate) const SUPPORTED_GROUPS: u16 = 0x000a;
    pub(crate) const SIGNATURE_ALGORITHMS: u16 = 0x000d;
    pub(crate) const ALPN: u16 = 0x0010;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 0x002b;
    pub(crate) const KEY_SHARE: u16 = 0x0033;
    pub(crate) const TRANSPORT_PARAMETERS: u16 = 0x0039;
    /// As it was before draft-ietf-quic-tls-33.
    pub(crate) const TRANSPORT_PARAMETERS_DRAFT: u16 = 0xffa5;
}
