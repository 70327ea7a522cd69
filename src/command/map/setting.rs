//! What maps say that nobody counts: of the pins, and what programs were told.

use std::net::Ipv6Addr;

use netweir_wire::map::{About, FilterProgram, LayoutField, LayoutRow, RuleMark, RuleRow};
use serde_json::{Value, json};

pub(super) fn about(about: &About) -> Value {
    let end = about.interface.iter().position(|byte| *byte == 0);
    let name = &about.interface[..end.unwrap_or(about.interface.len())];
    let [cache, flows, ring, quic, interfaces] = about.sizes;
    json!({
        "abi": about.abi,
        "phase": about.phase,
        "attached_boot_ns": about.attached_ns,
        "tick_ns": about.tick_ns,
        "netns": about.netns,
        "ifindex": about.ifindex,
        "interface": String::from_utf8_lossy(name),
        "hook": netweir_agent::pin::hook(about).name(),
        "asked": about.asked,
        "mode": about.mode,
        "qdisc": about.qdisc != 0,
        "filters": about.filters != 0,
        "layouts": about.layouts != 0,
        "sampling": about.sampling,
        "heads_per_second": about.heads_per_second,
        "cache_flows": about.cache_flows,
        "cache_cpus": about.cache_cpus,
        "ring_bytes": about.ring_bytes,
        "quic_bytes": about.quic_bytes,
        "heads_bytes": about.heads_bytes,
        "sizes": {
            "cache": cache, "flows": flows, "ring": ring, "quic": quic, "interfaces": interfaces,
        },
        "migrated_from": about.migrated_from,
    })
}

/// An address that stands in words of memory.
fn word_address([first, second]: [u64; 2]) -> String {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_ne_bytes());
    bytes[8..].copy_from_slice(&second.to_ne_bytes());
    Ipv6Addr::from(bytes).to_string()
}

pub(super) fn filter(filter: &FilterProgram) -> Value {
    let terms = filter.terms.iter().take(filter.term_count as usize);
    let terms: Vec<Value> = terms
        .map(|term| {
            json!({
                "kind": term.kind, "ends": term.ends, "low": term.low, "high": term.high,
                "address": word_address(term.address), "mask": word_address(term.mask),
            })
        })
        .collect();
    let clauses = filter.clauses.iter().take(filter.clause_count as usize);
    let clauses: Vec<Value> = clauses
        .map(|clause| json!({ "yes": clause.yes, "no": clause.no }))
        .collect();
    json!({ "terms": terms, "clauses": clauses, "inverted": filter.inverted != 0 })
}

pub(super) fn layout(row: &LayoutRow) -> Value {
    let field = |field: &LayoutField| {
        json!({
            "bit_offset": field.bit_offset, "bits": field.bits, "order": field.order,
            "shift": field.shift, "modulo": field.modulo,
        })
    };
    json!({
        "address": word_address(row.address),
        "mask": word_address(row.mask),
        "backend": field(&row.backend),
        "queue": field(&row.queue),
        "version": row.version,
        "port": u16::from_be_bytes(row.port),
        "family": row.family,
        "kind": row.kind,
        "guard_mask": row.guard_mask,
        "guard_value": row.guard_value,
        "unroutable_mask": row.unroutable_mask,
        "length_mask": row.length_mask,
        "min_bytes": row.min_bytes,
        "max_bytes": row.max_bytes,
    })
}

pub(super) fn rule_row(table: u32, row: &RuleRow) -> Value {
    let mark = RuleMark(row.mark);
    json!({
        "table": table,
        "rule": mark.number(),
        "action": mark.action().name(),
        "value": row.value,
        "mask": row.mask,
        "source_ports": [row.low[0], row.high[0]],
        "destination_ports": [row.low[1], row.high[1]],
    })
}
