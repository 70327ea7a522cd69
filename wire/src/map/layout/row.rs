//! One layout, as far as the kernel programs know it.

use super::{CidRoute, CidServer, LayoutField, ServerChosen, Undecoded};
use crate::map::filter::is_mapped;

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

/// What [`LayoutRow::answer`] says where no reason is against the layout.
pub(super) const APPLIES: u32 = 255;

/// One layout: for which servers, of which connection IDs, and what they name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct LayoutRow {
    /// The 16 bytes of the servers' prefix as [`crate::map::words`], IPv4 as v4-mapped.
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
        self.route(cid, bytes)
    }

    /// What a connection ID in the clear names, of which so many bytes may be read.
    ///
    /// # Errors
    /// [`Undecoded::Length`] if a field ends behind them.
    #[inline(always)]
    pub fn route(&self, cid: &ServerChosen, bytes: u8) -> Result<CidRoute, Undecoded> {
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

    /// How many of the first bytes of a connection ID decide what it names, or why it names nothing,
    /// beside how many there are: two that do not differ in these bytes say the same.
    #[inline(always)]
    pub const fn seen_bytes(&self) -> u8 {
        // The first one has the guard and the length.
        let mut bytes = 1;
        if self.kind == LAYOUT_CLEAR {
            if self.backend.end_bytes() > bytes {
                bytes = self.backend.end_bytes();
            }
            if self.queue.end_bytes() > bytes {
                bytes = self.queue.end_bytes();
            }
        }
        bytes
    }

    /// Whether it reads this connection ID: `APPLIES`, or an [`Undecoded`].
    #[inline(always)]
    pub(super) fn answer(&self, server: &CidServer, cid: &ServerChosen) -> u32 {
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
        // `&&`, not `&`: the verifier makes paths one sooner than it forgets single bits, and needs
        // thirty times as long for the other.
        is_family
            && (port == 0 || port == server.port)
            && (server.address[0] ^ self.address[0]) & self.mask[0] == 0
            && (server.address[1] ^ self.address[1]) & self.mask[1] == 0
    }
}
