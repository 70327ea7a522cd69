//! Labels: a column of other reports, and a report of their own.

use netweir_flow::{Decision, LabelTotals};
use netweir_web::view;

use super::Cells;
use crate::unit;

/// The heading of the column for people.
pub(super) const COLUMN: &str = "LABEL";

/// The columns of CSV.
pub(super) const CSV_COLUMNS: [&str; 3] = ["label", "rule", "action"];

/// What stands in the column for people; `-` where no rule has decided.
pub(super) fn cell(decision: Option<&Decision>) -> String {
    let Some(decision) = decision else {
        return "-".to_owned();
    };
    match &decision.label {
        Some(label) => label.name.to_string(),
        None => format!("rule {}", decision.rule),
    }
}

/// What stands in the columns of CSV; nothing where no rule has decided.
pub(super) fn csv_cells(decision: Option<&Decision>) -> [String; 3] {
    let view::Decision {
        label,
        rule,
        action,
    } = decision.into();
    [
        label.unwrap_or_default(),
        rule.map_or_else(String::new, |rule| rule.to_string()),
        action.unwrap_or_default().to_owned(),
    ]
}

/// A row for each label, and one for what is unlabelled.
pub(super) fn cells(rows: &[LabelTotals]) -> Cells {
    let columns = [
        "LABEL", "RULES", ">FLOWS", ">PACKETS", ">BYTES", ">RATE", ">DROPPED", ">SPARED",
    ];
    let rows = rows.iter().map(|totals| {
        let hits = &totals.hits;
        vec![
            name(totals, "-"),
            numbers(totals, "-"),
            hits.flows.to_string(),
            hits.count.packets.to_string(),
            unit::bytes(hits.count.bytes),
            unit::bits_per_second(hits.rate.bits_per_second()),
            hits.dropped.packets.to_string(),
            hits.spared.packets.to_string(),
        ]
    });
    Cells::new(&columns, rows.collect())
}

/// The same as plain numbers.
pub(super) fn csv(rows: &[LabelTotals], sampling: u32) -> Cells {
    let columns = [
        "label",
        "rules",
        "flows",
        "packets",
        "frames",
        "bytes",
        "bits_per_second",
        "packets_per_second",
        "dropped_packets",
        "dropped_bytes",
        "spared_packets",
        "spared_bytes",
        "sampling",
    ];
    let rows = rows.iter().map(|totals| {
        let hits = &totals.hits;
        vec![
            name(totals, ""),
            numbers(totals, ""),
            hits.flows.to_string(),
            hits.count.packets.to_string(),
            hits.count.frames.to_string(),
            hits.count.bytes.to_string(),
            hits.rate.bits_per_second().to_string(),
            hits.rate.packets_per_second.to_string(),
            hits.dropped.packets.to_string(),
            hits.dropped.bytes.to_string(),
            hits.spared.packets.to_string(),
            hits.spared.bytes.to_string(),
            sampling.to_string(),
        ]
    });
    Cells::new(&columns, rows.collect())
}

fn name(totals: &LabelTotals, nothing: &str) -> String {
    let label = totals.label.as_ref();
    label.map_or_else(|| nothing.to_owned(), |label| label.name.to_string())
}

/// The rules in force that give it.
fn numbers(totals: &LabelTotals, nothing: &str) -> String {
    if totals.rules.is_empty() {
        return nothing.to_owned();
    }
    let numbers: Vec<String> = totals.rules.iter().map(u16::to_string).collect();
    numbers.join(" ")
}
