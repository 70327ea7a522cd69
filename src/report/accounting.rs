//! Where every packet went: a row for each direction of each interface.

use std::collections::BTreeMap;

use netweir_web::view::{Count, Difference, InterfaceAccounting, Volume};

use super::Cells;
use crate::unit;

/// The columns for people: packets, and bytes behind them.
pub(super) fn cells(rows: &[InterfaceAccounting]) -> Cells {
    let mut columns = vec![
        "INTERFACE",
        "DIR",
        "HOOK",
        ">SEEN",
        ">COUNTED",
        ">FILTERED",
        ">SAMPLED",
        ">LOST",
        ">IN FLIGHT",
        "VERDICT",
    ];
    let is_any_dropped = rows
        .iter()
        .any(|line| line.dropped.packets + line.spared.packets > 0);
    if is_any_dropped {
        columns.extend([">DROPPED", ">SPARED"]);
    }
    let rows = rows.iter().map(|line| {
        let lost = match reasons(&line.lost_by_reason) {
            reasons if reasons.is_empty() => amount(line.lost),
            reasons => format!("{}: {reasons}", amount(line.lost)),
        };
        let mut cells = vec![
            line.interface.clone(),
            if line.direction == "ingress" {
                "in"
            } else {
                "out"
            }
            .to_owned(),
            line.hook.to_owned(),
            amount(volume(line.seen)),
            amount(volume(line.counted)),
            amount(line.filtered),
            amount(line.sampled),
            lost,
            signed(line.in_flight),
            verdict(line),
        ];
        if is_any_dropped {
            cells.extend([line.dropped, line.spared].map(amount));
        }
        cells
    });
    Cells::new(&columns, rows.collect())
}

/// The same as plain numbers.
pub(super) fn csv(rows: &[InterfaceAccounting]) -> Cells {
    let columns = [
        "interface",
        "direction",
        "hook",
        "seen_packets",
        "seen_bytes",
        "counted_packets",
        "counted_bytes",
        "filtered_packets",
        "filtered_bytes",
        "sampled_packets",
        "sampled_bytes",
        "lost_packets",
        "lost_bytes",
        "lost_by_reason",
        "in_flight_packets",
        "in_flight_bytes",
        "balanced",
        "dropped_packets",
        "dropped_bytes",
        "spared_packets",
        "spared_bytes",
    ];
    let rows = rows.iter().map(|line| {
        let mut cells = vec![
            line.interface.clone(),
            line.direction.to_owned(),
            line.hook.to_owned(),
        ];
        let seen_and_counted = [line.seen, line.counted].map(volume);
        let left_out = [line.filtered, line.sampled, line.lost];
        for Volume { packets, bytes } in seen_and_counted.into_iter().chain(left_out) {
            cells.extend([packets.to_string(), bytes.to_string()]);
        }
        cells.extend([
            reasons(&line.lost_by_reason),
            line.in_flight.packets.to_string(),
            line.in_flight.bytes.to_string(),
            line.balanced.to_string(),
        ]);
        for Volume { packets, bytes } in [line.dropped, line.spared] {
            cells.extend([packets.to_string(), bytes.to_string()]);
        }
        cells
    });
    Cells::new(&columns, rows.collect())
}

fn volume(count: Count) -> Volume {
    Volume {
        packets: count.packets,
        bytes: count.bytes,
    }
}

fn amount(volume: Volume) -> String {
    format!("{} ({})", volume.packets, unit::bytes(volume.bytes))
}

/// What is more where it should be less is negative.
fn signed(difference: Difference) -> String {
    let sign = if difference.bytes < 0 { "-" } else { "" };
    let bytes = unit::bytes(difference.bytes.unsigned_abs());
    format!("{} ({sign}{bytes})", difference.packets)
}

/// The packets of each reason that there are any of.
fn reasons(lost: &BTreeMap<&'static str, Volume>) -> String {
    let any = lost.iter().filter(|(_, lost)| lost.packets != 0);
    let named: Vec<String> = any
        .map(|(reason, lost)| format!("{reason} {}", lost.packets))
        .collect();
    named.join(" ")
}

fn verdict(line: &InterfaceAccounting) -> String {
    if line.balanced {
        return "balanced".to_owned();
    }
    let Difference { packets, bytes } = line.kernel_difference;
    format!("off by {packets} packets, {bytes} bytes")
}
