//! A field of a connection ID: some of its bits as a number.

use super::{Cid, ServerChosen, Undecoded};

/// [`LayoutField::order`]: the first bit is the highest one.
pub const FIELD_BIG_ENDIAN: u8 = 0;
/// [`LayoutField::order`]: the first byte is the lowest one; for whole bytes.
pub const FIELD_LITTLE_ENDIAN: u8 = 1;

/// Some bits of a connection ID as a number. The default is no field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct LayoutField {
    /// What the number is divided by, at last, to take the rest; 0 for the number itself.
    pub modulo: u64,
    /// Where it begins, in bits from the highest one of the first byte.
    pub bit_offset: u8,
    /// How many bits it has, 1 to 64; 0 for no field.
    pub bits: u8,
    /// `FIELD_BIG_ENDIAN` or `FIELD_LITTLE_ENDIAN`.
    pub order: u8,
    /// By how many bits it is shifted to the right then, 0 to 63.
    pub shift: u8,
    /// Padding.
    pub reserved: [u8; 4],
}

impl LayoutField {
    /// Its value in a connection ID of which so many bytes may be read; none if there is no field.
    ///
    /// # Errors
    /// [`Undecoded::Length`] if it ends behind these bytes.
    #[inline(always)]
    pub fn read(&self, cid: &ServerChosen, bytes: u8) -> Result<Option<u64>, Undecoded> {
        if self.bits == 0 {
            return Ok(None);
        }
        if u32::from(self.bit_offset) + u32::from(self.bits) > 8 * u32::from(bytes) {
            return Err(Undecoded::Length);
        }
        Ok(Some(self.value(cid.cid())))
    }

    /// In which byte it ends, counted from 1; 0 if there is no field.
    #[inline(always)]
    pub(super) const fn end_bytes(&self) -> u8 {
        match self.bits {
            0 => 0,
            bits => (self.bit_offset as u16 + bits as u16).div_ceil(8) as u8,
        }
    }

    #[inline(always)]
    fn value(&self, cid: &Cid) -> u64 {
        let window = self.window(cid);
        let behind = 64 - u32::from(self.bits).clamp(1, 64);
        let number = if self.order == FIELD_LITTLE_ENDIAN {
            (window & (u64::MAX << behind)).swap_bytes()
        } else {
            window >> behind
        };
        let shifted = number.wrapping_shr(u32::from(self.shift));
        shifted.checked_rem(self.modulo).unwrap_or(shifted)
    }

    /// The 64 bits of a connection ID that begin where the field does.
    #[inline(always)]
    fn window(&self, cid: &Cid) -> u64 {
        let [first, second, third] = cid.words();
        let (high, low) = match self.bit_offset >> 6 {
            0 => (first, second),
            1 => (second, third),
            2 => (third, 0),
            _ => (0, 0),
        };
        let into = u32::from(self.bit_offset & 63);
        // Two steps, since a shift by 64 bits is none.
        high << into | low >> 1 >> (63 - into)
    }
}
