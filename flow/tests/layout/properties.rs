//! The evaluator of kernel and host says what one says that goes bit by bit.

use crate::given::{open, server, whole};
use netweir_flow::quic::layout::{CidRoute, Layout, Layouts, ServerChosen, Undecoded};
use netweir_wire::map::{FIELD_LITTLE_ENDIAN, LayoutField, LayoutRow};
use proptest::prelude::*;

/// A field bit by bit. What may be any byte is any byte, as in a map that somebody else wrote.
fn slow_field(field: &LayoutField, cid: &[u8], bytes: u8) -> Result<Option<u64>, Undecoded> {
    let (offset, bits) = (usize::from(field.bit_offset), usize::from(field.bits));
    if bits == 0 {
        return Ok(None);
    }
    if offset + bits > 8 * usize::from(bytes) {
        return Err(Undecoded::Length);
    }
    // Of more than 64 bits, the first 64 count.
    let bits = bits.min(64);
    let mut number: u64 = 0;
    for place in 0..bits {
        let at = offset + place;
        let bit = u64::from(cid[at / 8] >> (7 - at % 8) & 1);
        let power = if field.order == FIELD_LITTLE_ENDIAN {
            place / 8 * 8 + 7 - place % 8
        } else {
            bits - 1 - place
        };
        number |= bit << power;
    }
    let shifted = number >> (field.shift % 64);
    Ok(Some(match field.modulo {
        0 => shifted,
        modulo => shifted % modulo,
    }))
}

fn slow_bytes(row: &LayoutRow, cid: &[u8], is_whole: bool) -> Result<u8, Undecoded> {
    let known = cid.len() as u16;
    let first = cid.first().copied().unwrap_or_default();
    let bytes = match (row.length_mask, is_whole) {
        (0, _) if row.min_bytes == row.max_bytes => u16::from(row.min_bytes),
        (0, true) => known,
        (0, false) => u16::from(row.min_bytes),
        (mask, _) => (u16::from(first & mask) + 1).min(255),
    };
    let is_in_rule = (u16::from(row.min_bytes)..=u16::from(row.max_bytes)).contains(&bytes);
    let is_there = if is_whole {
        bytes == known
    } else {
        bytes <= known
    };
    match is_in_rule && is_there {
        true => Ok(bytes as u8),
        false => Err(Undecoded::Length),
    }
}

fn slow(row: &LayoutRow, cid: &[u8], is_whole: bool) -> Result<CidRoute, Undecoded> {
    let bytes = slow_bytes(row, cid, is_whole)?;
    if row.kind != 0 {
        return Err(Undecoded::Encrypted);
    }
    Ok(CidRoute {
        backend: slow_field(&row.backend, cid, bytes)?,
        queue: slow_field(&row.queue, cid, bytes)?,
    })
}

fn fields() -> impl Strategy<Value = LayoutField> {
    let offset = prop_oneof![0..160_u8, any::<u8>()];
    let bits = prop_oneof![0..=64_u8, any::<u8>()];
    let modulo = prop_oneof![Just(0), 1..100_u64, any::<u64>()];
    let field = (offset, bits, 0..3_u8, any::<u8>(), modulo);
    field.prop_map(|(bit_offset, bits, order, shift, modulo)| LayoutField {
        modulo,
        bit_offset,
        bits,
        order,
        shift,
        reserved: [0; 4],
    })
}

fn rows() -> impl Strategy<Value = LayoutRow> {
    let masks = prop_oneof![Just(0), Just(0x1f), Just(0x3f), any::<u8>()];
    let kinds = prop_oneof![9 => Just(0), 1 => any::<u8>()];
    let row = (fields(), fields(), masks, 0..12_u8, 0..30_u8, kinds);
    row.prop_map(
        |(backend, queue, length_mask, min_bytes, more, kind)| LayoutRow {
            backend,
            queue,
            kind,
            length_mask,
            min_bytes,
            max_bytes: min_bytes + more,
            ..LayoutRow::default()
        },
    )
}

fn taken(cid: &[u8], is_whole: bool) -> ServerChosen {
    if is_whole { whole(cid) } else { open(cid) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_layout_reads_any_bytes_as_bit_by_bit(
        row in rows(),
        cid in prop::collection::vec(any::<u8>(), 0..=20),
        is_whole in any::<bool>(),
    ) {
        prop_assert_eq!(row.decode(&taken(&cid, is_whole)), slow(&row, &cid, is_whole));
    }

    #[test]
    fn kernel_and_host_name_the_same(
        offset in 0..150_u8,
        bits in 1..=64_u8,
        shift in 0..64_u8,
        modulo in 0..70_u64,
        cid in prop::collection::vec(any::<u8>(), 1..=20),
        is_whole in any::<bool>(),
    ) {
        let modulo = if modulo == 0 { String::new() } else { format!("%{modulo}") };
        let guard = "guard=0x80/0x80";
        let least = (u16::from(offset) + u16::from(bits)).div_ceil(8);
        let line = format!("custom length={least}+ {guard} backend={offset}:{bits} queue=backend>>{shift}{modulo}");
        let Ok(layout) = Layout::parse(&line) else {
            prop_assert!(shift >= bits || least > 20, "{}", line);
            return Ok(());
        };
        let layouts = Layouts::new(&layout).unwrap();
        let cid = taken(&cid, is_whole);
        let host = layouts.decode(&server(), &cid);
        let kernel = layouts.program().decode(&server(), &cid);
        prop_assert_eq!(host.map(|host| host.route), kernel);
        if let Ok(route) = kernel {
            let (backend, queue) = (route.backend.unwrap(), route.queue.unwrap());
            let shifted = backend >> shift;
            prop_assert_eq!(queue, shifted.checked_rem(layout[0].fields[1].modulo).unwrap_or(shifted));
        }
    }
}
