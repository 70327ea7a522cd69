//! Layouts of QUIC connection IDs: which backend and which worker queue one names.
//!
//! User space compiles what the configuration says to a [`LayoutProgram`]; the kernel programs and
//! user space read connection IDs with the very same functions. They take [`ServerChosen`] IDs
//! alone, since a client's bytes mean nothing. A layout whose IDs are encrypted is known here by its
//! guard and its lengths only: what is inside is read in user space.

mod cid;
mod field;

pub use cid::{Cid, CidPacket, MAX_CID_BYTES, ServerChosen};
pub use field::{FIELD_BIG_ENDIAN, FIELD_LITTLE_ENDIAN, LayoutField};

use super::filter::is_mapped;

/// Layouts of a program at most.
pub const MAX_LAYOUTS: usize = 16;

/// [`LayoutRow::family`]: servers of either family.
pub const LAYOUT_ANY_FAMILY: u8 = 0;
/// [`LayoutRow::family`]: IPv4 servers.
pub const LAYOUT_IPV4: u8 = 4;
/// [`LayoutRow::family`]: IPv6 servers.
pub const LAYOUT_IPV6: u8 = 6;

/// [`LayoutRow::kind`]: the fields can be read as they are.
pub const LAYOUT_CLEAR: u8 = 0;
/// [`LayoutRow::kind`]: only who has the key can read the fields.
pub const LAYOUT_ENCRYPTED: u8 = 1;

/// Why a connection ID names nothing. The higher the number, the further its reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Undecoded {
    /// No layout is for this server and this version.
    NoLayout = 0,
    /// It has no bytes.
    Empty = 1,
    /// Its first byte is not the one that a layout for this server asks for.
    Guard = 2,
    /// Its first byte says that the server had no configuration (QUIC-LB, all rotation bits set).
    Unroutable = 3,
    /// The layout is for one version, and the version of this packet is not known.
    VersionUnknown = 4,
    /// Its length is not the layout's, or its bytes could not all be read.
    Length = 5,
    /// It is encrypted, and here is no key.
    Encrypted = 6,
    /// The client chose it.
    ClientChosen = 7,
}

impl Undecoded {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::NoLayout,
        Self::Empty,
        Self::Guard,
        Self::Unroutable,
        Self::VersionUnknown,
        Self::Length,
        Self::Encrypted,
        Self::ClientChosen,
    ];

    /// The name that views, metrics and documents use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoLayout => "no_layout",
            Self::Empty => "empty",
            Self::Guard => "guard",
            Self::Unroutable => "unroutable",
            Self::VersionUnknown => "version_unknown",
            Self::Length => "length",
            Self::Encrypted => "encrypted",
            Self::ClientChosen => "client_chosen",
        }
    }
}

/// The server's end of a connection, as layouts ask about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CidServer {
    /// Its address as [`super::words`], IPv4 as v4-mapped.
    pub address: [u64; 2],
    /// Its UDP port.
    pub port: u16,
    /// The QUIC version (RFC 8999 section 5.1); 0 where it is not known, as in short headers.
    pub version: u32,
}

/// What a connection ID names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CidRoute {
    /// The backend, where the layout has one.
    pub backend: Option<u64>,
    /// The worker queue, where the layout has one.
    pub queue: Option<u64>,
}

/// One layout: for which servers, of which connection IDs, and what they name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct LayoutRow {
    /// The 16 bytes of the servers' prefix as [`super::words`], IPv4 as v4-mapped.
    pub address: [u64; 2],
    /// Which of its bits count; laid out like it.
    pub mask: [u64; 2],
    /// The backend.
    pub backend: LayoutField,
    /// The worker queue.
    pub queue: LayoutField,
    /// The QUIC version; 0 for any. Host order.
    pub version: u32,
    /// The servers' UDP port as on the wire; 0 for any.
    pub port: [u8; 2],
    /// `LAYOUT_IPV4`, `LAYOUT_IPV6` or `LAYOUT_ANY_FAMILY`.
    pub family: u8,
    /// `LAYOUT_CLEAR` or `LAYOUT_ENCRYPTED`.
    pub kind: u8,
    /// Which bits of the first byte the guard asks about.
    pub guard_mask: u8,
    /// What these bits have to be.
    pub guard_value: u8,
    /// Bits of the first byte that are all set in IDs without meaning; 0 if there are none such.
    pub unroutable_mask: u8,
    /// Bits of the first byte that hold the number of bytes behind it; 0 if none do. The lowest ones.
    pub length_mask: u8,
    /// Bytes at least, the first one included.
    pub min_bytes: u8,
    /// Bytes at most.
    pub max_bytes: u8,
    /// Padding.
    pub reserved: [u8; 2],
}

/// All layouts. The first one that is for a server, and whose guard agrees, reads a connection ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct LayoutProgram {
    /// The layouts, in the order in which they are asked.
    pub rows: [LayoutRow; MAX_LAYOUTS],
    /// How many there are.
    pub count: u32,
    /// Padding.
    pub reserved: u32,
}

impl Default for LayoutProgram {
    fn default() -> Self {
        Self {
            rows: [LayoutRow::default(); MAX_LAYOUTS],
            count: 0,
            reserved: 0,
        }
    }
}

/// What [`LayoutRow::answer`] says where no reason is against the layout.
const APPLIES: u32 = 255;

impl LayoutProgram {
    /// What a connection ID names.
    ///
    /// # Errors
    /// Why it names nothing.
    #[inline(always)]
    pub fn decode(&self, server: &CidServer, cid: &ServerChosen) -> Result<CidRoute, Undecoded> {
        self.decode_forgetting(server, cid, |number| number)
    }

    /// The same, where `forget` returns its argument in a way that the verifier does not follow, so
    /// that paths which differ in nothing but the layouts asked so far become one.
    ///
    /// # Errors
    /// Why it names nothing.
    #[inline(always)]
    pub fn decode_forgetting(
        &self,
        server: &CidServer,
        cid: &ServerChosen,
        forget: impl Fn(u32) -> u32,
    ) -> Result<CidRoute, Undecoded> {
        let place = self.find_forgetting(server, cid, forget)?;
        let row = self.rows.get(place).ok_or(Undecoded::NoLayout)?;
        row.decode(cid)
    }

    /// The place in `rows` of the layout that reads a connection ID.
    ///
    /// # Errors
    /// Why none does.
    #[inline(always)]
    pub fn find(&self, server: &CidServer, cid: &ServerChosen) -> Result<usize, Undecoded> {
        self.find_forgetting(server, cid, |number| number)
    }

    /// The same, with `forget` as [`Self::decode_forgetting`] takes it.
    ///
    /// # Errors
    /// Why none does.
    #[inline(always)]
    pub fn find_forgetting(
        &self,
        server: &CidServer,
        cid: &ServerChosen,
        forget: impl Fn(u32) -> u32,
    ) -> Result<usize, Undecoded> {
        const NO_LAYOUT: u32 = Undecoded::NoLayout as u32;
        const EMPTY: u32 = Undecoded::Empty as u32;
        const GUARD: u32 = Undecoded::Guard as u32;
        const UNROUTABLE: u32 = Undecoded::Unroutable as u32;
        const VERSION_UNKNOWN: u32 = Undecoded::VersionUnknown as u32;
        let (mut answer, mut place) = (NO_LAYOUT, 0);
        for number in 0..(self.count as usize).min(MAX_LAYOUTS) {
            // A layout that may be the one is not passed over for a later one.
            if answer >= VERSION_UNKNOWN {
                break;
            }
            if let Some(row) = self.rows.get(number) {
                let its = forget(row.answer(server, cid));
                if its > answer {
                    answer = its;
                    place = number as u32;
                }
            }
            (answer, place) = (forget(answer), forget(place));
        }
        match answer {
            APPLIES => Ok(place as usize),
            EMPTY => Err(Undecoded::Empty),
            GUARD => Err(Undecoded::Guard),
            UNROUTABLE => Err(Undecoded::Unroutable),
            VERSION_UNKNOWN => Err(Undecoded::VersionUnknown),
            _ => Err(Undecoded::NoLayout),
        }
    }
}

impl LayoutRow {
    /// What a connection ID of this layout names.
    ///
    /// # Errors
    /// [`Undecoded::Length`] or [`Undecoded::Encrypted`].
    #[inline(always)]
    pub fn decode(&self, cid: &ServerChosen) -> Result<CidRoute, Undecoded> {
        let bytes = self.checked_bytes(cid)?;
        if self.kind != LAYOUT_CLEAR {
            return Err(Undecoded::Encrypted);
        }
        Ok(CidRoute {
            backend: self.backend.read(cid, bytes)?,
            queue: self.queue.read(cid, bytes)?,
        })
    }

    /// How many bytes a connection ID of this layout has that begins with `first`; none if the
    /// layout does not say. Short headers say it nowhere (RFC 9000 section 17.3.1).
    #[inline(always)]
    pub const fn cid_bytes(&self, first: u8) -> Option<u8> {
        if self.length_mask != 0 {
            Some((first & self.length_mask).saturating_add(1))
        } else if self.min_bytes == self.max_bytes {
            Some(self.min_bytes)
        } else {
            None
        }
    }

    /// How many bytes of a connection ID may be read: all that it has, or, where that is not known,
    /// those that every ID of this layout has.
    ///
    /// # Errors
    /// [`Undecoded::Length`] if it has, or says that it has, another length.
    #[inline(always)]
    pub fn checked_bytes(&self, cid: &ServerChosen) -> Result<u8, Undecoded> {
        let cid = cid.cid();
        let said = self.cid_bytes(cid.first());
        let bytes = match said {
            Some(bytes) => bytes,
            None if cid.is_whole() => cid.bytes(),
            None => self.min_bytes,
        };
        let is_right = self.min_bytes <= bytes
            && bytes <= self.max_bytes
            && bytes <= cid.bytes()
            && (bytes == cid.bytes() || !cid.is_whole());
        if is_right {
            Ok(bytes)
        } else {
            Err(Undecoded::Length)
        }
    }

    /// Whether it reads this connection ID: `APPLIES`, or an [`Undecoded`].
    #[inline(always)]
    fn answer(&self, server: &CidServer, cid: &ServerChosen) -> u32 {
        let first = cid.cid().first();
        let is_of_version =
            self.version == 0 || server.version == 0 || self.version == server.version;
        if !self.is_for(server) || !is_of_version {
            Undecoded::NoLayout as u32
        } else if cid.cid().bytes() == 0 {
            Undecoded::Empty as u32
        } else if self.unroutable_mask != 0 && first & self.unroutable_mask == self.unroutable_mask
        {
            Undecoded::Unroutable as u32
        } else if first & self.guard_mask != self.guard_value {
            Undecoded::Guard as u32
        } else if self.version != server.version && self.version != 0 {
            Undecoded::VersionUnknown as u32
        } else {
            APPLIES
        }
    }

    /// Whether it is for an address and a port.
    #[inline(always)]
    fn is_for(&self, server: &CidServer) -> bool {
        let is_family = match self.family {
            LAYOUT_ANY_FAMILY => true,
            LAYOUT_IPV4 => is_mapped(server.address),
            LAYOUT_IPV6 => !is_mapped(server.address),
            _ => false,
        };
        let port = u16::from_be_bytes(self.port);
        is_family
            && (port == 0 || port == server.port)
            && (server.address[0] ^ self.address[0]) & self.mask[0] == 0
            && (server.address[1] ^ self.address[1]) & self.mask[1] == 0
    }
}

#[cfg(test)]
mod tests;
