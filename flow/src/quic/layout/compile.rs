//! From a layout as it is said to one as it is evaluated.

use super::{
    ByteOrder, Field, FieldSource, Layout, LayoutError, LengthRule, MAX_CID_BYTES, MAX_FIELDS,
    QuicLb, Scope, cipher::Cipher,
};
use crate::filter::{mapped, mask};
use ipnet::IpNet;
use netweir_wire::map::{
    FIELD_BIG_ENDIAN, FIELD_LITTLE_ENDIAN, LAYOUT_ANY_FAMILY, LAYOUT_CLEAR, LAYOUT_ENCRYPTED,
    LAYOUT_IPV4, LAYOUT_IPV6, LayoutField, LayoutRow, words,
};

/// The longest name of a field.
const LONGEST_NAME: usize = 32;

/// A layout as it is evaluated.
pub(super) struct Compiled {
    pub(super) name: String,
    /// What the kernel programs know of it.
    pub(super) row: LayoutRow,
    /// Every field by its name.
    pub(super) fields: Vec<(String, LayoutField)>,
    /// What decrypts its connection IDs.
    pub(super) cipher: Option<Cipher>,
}

impl Layout {
    /// Whether it can be evaluated.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), LayoutError> {
        self.compile().map(drop)
    }

    pub(super) fn compile(&self) -> Result<Compiled, LayoutError> {
        self.check_guard()?;
        if let Some(quic_lb) = &self.quic_lb {
            check_quic_lb(quic_lb)?;
        }
        self.check_length()?;
        let fields = self.compile_fields()?;
        let (min_bytes, max_bytes, length_mask) = self.lengths(&fields)?;
        check_ends(&fields, min_bytes)?;
        let cipher = self.quic_lb.as_ref().and_then(Cipher::new);
        let guard = self.quic_lb.as_ref().map_or(self.guard, QuicLb::guard);
        let named = |name: &str| {
            let field = fields.iter().find(|(known, _)| known == name);
            field.map_or_else(LayoutField::default, |(_, field)| *field)
        };
        let row = LayoutRow {
            backend: named("backend"),
            queue: named("queue"),
            kind: match cipher {
                Some(_) => LAYOUT_ENCRYPTED,
                None => LAYOUT_CLEAR,
            },
            guard_mask: guard.mask,
            guard_value: guard.value,
            unroutable_mask: self.quic_lb.as_ref().map_or(0, QuicLb::rotation_mask),
            length_mask,
            min_bytes,
            max_bytes,
            ..servers(&self.scope)
        };
        Ok(Compiled {
            name: self.name.clone(),
            row,
            fields,
            cipher,
        })
    }

    fn check_guard(&self) -> Result<(), LayoutError> {
        let (mask, value) = (self.guard.mask, self.guard.value);
        if value & !mask != 0 {
            return Err(LayoutError::Guard { mask, value });
        }
        if self.quic_lb.is_some() && mask != 0 {
            return Err(LayoutError::NotTaken {
                preset: "quic-lb".to_owned(),
                key: "guard".to_owned(),
            });
        }
        Ok(())
    }

    /// Before the fields, which are wrong themselves where the length is.
    const fn check_length(&self) -> Result<(), LayoutError> {
        match self.length {
            LengthRule::Exactly(bytes) | LengthRule::AtLeast(bytes)
                if bytes == 0 || bytes > MAX_CID_BYTES as u8 =>
            {
                Err(LayoutError::Length(bytes))
            }
            _ => Ok(()),
        }
    }

    fn compile_fields(&self) -> Result<Vec<(String, LayoutField)>, LayoutError> {
        match self.fields.len() {
            0 => return Err(LayoutError::NoField),
            1..=MAX_FIELDS => {}
            count => return Err(LayoutError::TooManyFields(count)),
        }
        let mut compiled = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            check_name(&field.name)?;
            if compiled.iter().any(|(known, _)| *known == field.name) {
                return Err(LayoutError::Twice(field.name.clone()));
            }
            let (base, from) = match &field.source {
                FieldSource::Bits { .. } => (read_bits(field)?, ""),
                FieldSource::Field(from) => (find(&compiled, field, from)?, from.as_str()),
            };
            compiled.push((field.name.clone(), derive(field, base, from)?));
        }
        Ok(compiled)
    }

    /// Bytes at least, bytes at most, and the bits of the first byte that say how many.
    fn lengths(&self, fields: &[(String, LayoutField)]) -> Result<(u8, u8, u8), LayoutError> {
        let most = MAX_CID_BYTES as u8;
        let written = self.quic_lb.as_ref().map_or(1, |lb| 1 + lb.text_bytes());
        let (min_bytes, max_bytes, length_mask) = match self.length {
            LengthRule::Exactly(bytes) => (bytes, bytes, 0),
            LengthRule::AtLeast(bytes) => (bytes, most, 0),
            LengthRule::SelfDescribed(bits @ 1..=8) => {
                let ends = fields.iter().map(|(_, field)| end(field).div_ceil(8) as u8);
                let bytes = ends.fold(written, u8::max).min(most);
                (bytes, most, u8::MAX >> (8 - bits))
            }
            LengthRule::SelfDescribed(bits) => return Err(LayoutError::LengthBits(bits)),
        };
        if min_bytes < written {
            return Err(LayoutError::LengthOfQuicLb {
                bytes: min_bytes,
                needed: written,
            });
        }
        Ok((min_bytes, max_bytes, length_mask))
    }
}

fn check_quic_lb(quic_lb: &QuicLb) -> Result<(), LayoutError> {
    if !matches!(quic_lb.rotation_bits, 2 | 3) {
        return Err(LayoutError::Rotation(quic_lb.rotation_bits));
    }
    // The one with all bits set is for servers without a configuration.
    let most = (1 << quic_lb.rotation_bits) - 2;
    if quic_lb.config_id > most {
        return Err(LayoutError::ConfigId {
            config_id: quic_lb.config_id,
            most,
        });
    }
    if !matches!(quic_lb.server_id_bytes, 1..=15) {
        return Err(LayoutError::ServerId(quic_lb.server_id_bytes));
    }
    if !matches!(quic_lb.nonce_bytes, 4..=18) {
        return Err(LayoutError::Nonce(quic_lb.nonce_bytes));
    }
    match quic_lb.text_bytes() {
        0..=19 => Ok(()),
        bytes => Err(LayoutError::TextBytes(bytes)),
    }
}

fn check_name(name: &str) -> Result<(), LayoutError> {
    let is_right = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.len() <= LONGEST_NAME
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match is_right {
        true => Ok(()),
        false => Err(LayoutError::FieldName(name.to_owned())),
    }
}

/// The bits of a field, before it is shifted and divided.
fn read_bits(field: &Field) -> Result<LayoutField, LayoutError> {
    let FieldSource::Bits {
        offset,
        bits,
        order,
    } = field.source
    else {
        return Ok(LayoutField::default());
    };
    let name = || field.name.clone();
    if !matches!(bits, 1..=64) {
        return Err(LayoutError::FieldBits {
            field: name(),
            bits,
        });
    }
    let order = match order {
        ByteOrder::Big => FIELD_BIG_ENDIAN,
        ByteOrder::Little if (offset | bits) % 8 == 0 => FIELD_LITTLE_ENDIAN,
        ByteOrder::Little => {
            return Err(LayoutError::FieldOrder {
                field: name(),
                offset,
                bits,
            });
        }
    };
    Ok(LayoutField {
        bit_offset: offset,
        bits,
        order,
        ..LayoutField::default()
    })
}

/// The field that another one comes from.
fn find(
    compiled: &[(String, LayoutField)],
    field: &Field,
    from: &str,
) -> Result<LayoutField, LayoutError> {
    let base = compiled.iter().find(|(known, _)| known == from);
    base.map(|(_, base)| *base)
        .ok_or_else(|| LayoutError::FieldSource {
            field: field.name.clone(),
            from: from.to_owned(),
        })
}

/// A field that comes from another one, or from its own bits: one shift, one modulo.
fn derive(field: &Field, base: LayoutField, from: &str) -> Result<LayoutField, LayoutError> {
    let is_changed = field.shift != 0 || field.modulo != 0;
    if base.modulo != 0 && is_changed {
        return Err(LayoutError::FieldModulo {
            field: field.name.clone(),
            from: from.to_owned(),
        });
    }
    let shift = base.shift.saturating_add(field.shift);
    if shift >= base.bits {
        return Err(LayoutError::FieldShift {
            field: field.name.clone(),
            shift,
            bits: base.bits,
        });
    }
    Ok(LayoutField {
        shift,
        modulo: base.modulo | field.modulo,
        ..base
    })
}

/// Every field has to end inside of the shortest connection ID.
fn check_ends(fields: &[(String, LayoutField)], bytes: u8) -> Result<(), LayoutError> {
    let beyond = fields
        .iter()
        .find(|(_, field)| end(field) > 8 * u16::from(bytes));
    match beyond {
        None => Ok(()),
        Some((name, field)) => Err(LayoutError::FieldEnd {
            field: name.clone(),
            end: end(field),
            bytes,
        }),
    }
}

/// The number of the bit behind a field.
fn end(field: &LayoutField) -> u16 {
    u16::from(field.bit_offset) + u16::from(field.bits)
}

/// The part of a row that says for which servers it is.
fn servers(scope: &Scope) -> LayoutRow {
    let mut row = LayoutRow {
        version: scope.version.unwrap_or_default(),
        port: scope.port.unwrap_or_default().to_be_bytes(),
        family: LAYOUT_ANY_FAMILY,
        ..LayoutRow::default()
    };
    if let Some(net) = &scope.net {
        row.address = words(mapped(net.network()));
        row.mask = words(mask(net));
        row.family = match net {
            IpNet::V4(_) => LAYOUT_IPV4,
            IpNet::V6(_) => LAYOUT_IPV6,
        };
    }
    row
}
