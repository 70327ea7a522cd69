//! The ClientHello (RFC 8446 section 4.1.2).

use super::{
    TransportParameters,
    cursor::Cursor,
    hello::{extension, for_each_extension},
};

/// The longest name that the domain name system has (RFC 1035 section 2.3.4), and a dot.
const MAX_NAME_BYTES: usize = 254;
/// Bytes of a server's name that are kept where it is no host name.
const KEPT_BYTES: usize = 64;
/// The extensions that are read here.
const READ: [u16; 7] = [
    extension::SERVER_NAME,
    extension::ALPN,
    extension::SUPPORTED_VERSIONS,
    extension::SIGNATURE_ALGORITHMS,
    extension::SUPPORTED_GROUPS,
    extension::TRANSPORT_PARAMETERS,
    extension::TRANSPORT_PARAMETERS_DRAFT,
];

/// What a client says of itself. Lists are in the order of the message, GREASE included
/// (see [`super::is_grease`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// `legacy_version`: 0x0303, whatever versions there are.
    pub legacy_version: u16,
    /// Cipher suites (RFC 8446 appendix B.4).
    pub cipher_suites: Vec<u16>,
    /// The numbers of all extensions.
    pub extensions: Vec<u16>,
    /// Extensions that are read here and could not be, or came more than once (RFC 8446 section 4.2):
    /// but for the server's name, and for the first of several, they count as absent in the fields below.
    pub malformed: Vec<u16>,
    /// The first of the server's names (RFC 6066 section 3). Where Encrypted Client Hello is used, it is
    /// the name that everybody may see. What is no host name is escaped as in Rust; then, and where there
    /// are several, the extension is among the malformed ones.
    pub server_name: Option<String>,
    /// Whether only the beginning of it is there.
    pub is_name_cut: bool,
    /// Application protocols (RFC 7301 section 3.1), such as `h3`: bytes, not always text.
    pub alpn: Vec<Vec<u8>>,
    /// TLS versions (RFC 8446 section 4.2.1).
    pub supported_versions: Vec<u16>,
    /// Signature algorithms (RFC 8446 section 4.2.3).
    pub signature_algorithms: Vec<u16>,
    /// Key exchange groups (RFC 8446 section 4.2.7).
    pub supported_groups: Vec<u16>,
    /// QUIC transport parameters (RFC 9001 section 8.2). Those of the drafts before -27, which had
    /// another encoding, count as malformed.
    pub transport_parameters: Option<TransportParameters>,
}

impl ClientHello {
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(message);
        let legacy_version = cursor.u16()?;
        let _random = cursor.take(32)?;
        let _session_id = cursor.behind_u8()?;
        let cipher_suites = cursor.behind_u16()?.numbers()?;
        let _compression_methods = cursor.behind_u8()?;
        let mut hello = Self {
            legacy_version,
            cipher_suites,
            ..Self::default()
        };
        let mut is_there = [false; READ.len()];
        for_each_extension(cursor, |number, content| {
            hello.extensions.push(number);
            let Some(place) = READ.iter().position(|one| *one == number) else {
                return;
            };
            let is_again = std::mem::replace(&mut is_there[place], true);
            let is_read = !is_again && hello.read_extension(number, content).is_some();
            if !is_read && !hello.malformed.contains(&number) {
                hello.malformed.push(number);
            }
        })?;
        Some(hello)
    }

    fn read_extension(&mut self, number: u16, mut content: Cursor<'_>) -> Option<()> {
        match number {
            extension::SERVER_NAME => self.read_server_name(content)?,
            extension::ALPN => self.alpn = read_alpn(content)?,
            extension::SUPPORTED_VERSIONS => {
                self.supported_versions = content.behind_u8()?.numbers()?;
            }
            extension::SIGNATURE_ALGORITHMS => {
                self.signature_algorithms = content.behind_u16()?.numbers()?;
            }
            extension::SUPPORTED_GROUPS => {
                self.supported_groups = content.behind_u16()?.numbers()?;
            }
            extension::TRANSPORT_PARAMETERS | extension::TRANSPORT_PARAMETERS_DRAFT => {
                self.transport_parameters = Some(TransportParameters::read(content.rest())?);
            }
            _ => {}
        }
        Some(())
    }

    /// Reads the first name; there is one type of them, and one name of each type.
    fn read_server_name(&mut self, mut content: Cursor<'_>) -> Option<()> {
        let mut names = content.behind_u16()?;
        let name_type = names.u8()?;
        let name = names.behind_u16()?.rest();
        let kept = match is_host_name(name) {
            true => name,
            false => name.get(..KEPT_BYTES).unwrap_or(name),
        };
        self.server_name = Some(kept.escape_ascii().to_string());
        self.is_name_cut = kept.len() < name.len();
        let is_well_formed = name_type == 0 && names.is_empty() && content.is_empty();
        (is_well_formed && is_host_name(name)).then_some(())
    }
}

/// Whether a name has a length and characters that names of hosts have.
fn is_host_name(name: &[u8]) -> bool {
    let is_usual = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.iter().all(is_usual)
}

fn read_alpn(mut content: Cursor<'_>) -> Option<Vec<Vec<u8>>> {
    let mut protocols = content.behind_u16()?;
    let mut names = Vec::new();
    while !protocols.is_empty() {
        names.push(protocols.behind_u8()?.rest().to_vec());
    }
    Some(names)
}
