//! Layouts of QUIC connection IDs: which backend and which worker queue one names.
//!
//! User space compiles what the configuration says to a [`LayoutProgram`]; the kernel programs and
//! user space read connection IDs with the very same functions. They take [`ServerChosen`] IDs
//! alone, since a client's bytes mean nothing. A layout whose IDs are encrypted is known here by its
//! guard and its lengths only: what is inside is read in user space.

mod cid;
mod field;
mod row;

pub use crate::packet::quic::MAX_CID_BYTES;
pub use cid::{Cid, CidPacket, ServerChosen};
pub use field::{FIELD_BIG_ENDIAN, FIELD_LITTLE_ENDIAN, LayoutField};
pub use row::{
    LAYOUT_ANY_FAMILY, LAYOUT_CLEAR, LAYOUT_ENCRYPTED, LAYOUT_IPV4, LAYOUT_IPV6, LayoutRow,
};

use row::APPLIES;

/// Layouts of a program at most.
pub const MAX_LAYOUTS: usize = 16;

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

impl LayoutProgram {
    /// What a connection ID names.
    ///
    /// # Errors
    /// Why it names nothing.
    #[inline(always)]
    pub fn decode(&self, server: &CidServer, cid: &ServerChosen) -> Result<CidRoute, Undecoded> {
        let place = self.find(server, cid)?;
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

    /// The same, where `forget` returns its argument in a way that the verifier does not follow, so
    /// that paths which differ in nothing but the layouts asked so far become one.
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

#[cfg(test)]
mod tests;
