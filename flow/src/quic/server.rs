//! The ServerHello (RFC 8446 section 4.1.3).

use super::{
    cursor::Cursor,
    hello::{extension, for_each_extension},
};

/// The random bytes of a ServerHello that asks for another ClientHello (RFC 8446 section 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a server chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// `legacy_version`: 0x0303, whatever was chosen.
    pub legacy_version: u16,
    /// The cipher suite (RFC 8446 appendix B.4).
    pub cipher_suite: u16,
    /// The numbers of all extensions, in the order of the message.
    pub extensions: Vec<u16>,
    /// The TLS version (RFC 8446 section 4.2.1).
    pub version: Option<u16>,
    /// The group of the key share (RFC 8446 section 4.2.8).
    pub key_share_group: Option<u16>,
    /// Whether this is a HelloRetryRequest: the client is to say hello again, with a key of that
    /// group.
    pub is_retry_request: bool,
}

impl ServerHello {
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(message);
        let legacy_version = cursor.u16()?;
        let random = cursor.take(32)?;
        let _session_id = cursor.behind_u8()?;
        let cipher_suite = cursor.u16()?;
        let _compression_method = cursor.u8()?;
        let mut hello = Self {
            legacy_version,
            cipher_suite,
            is_retry_request: random == RETRY_RANDOM,
            ..Self::default()
        };
        for_each_extension(cursor, |number, mut content| {
            hello.extensions.push(number);
            match number {
                extension::SUPPORTED_VERSIONS => hello.version = content.u16(),
                extension::KEY_SHARE => hello.key_share_group = content.u16(),
                _ => {}
            }
        })?;
        Some(hello)
    }
}
