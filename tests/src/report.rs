//! Reports of flows as tables that can be compared as a whole.

use std::{collections::BTreeMap, iter::Sum, ops::Add};

use serde_json::Value;

/// Packets, frames and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Packets as the wire carries them.
    pub packets: u64,
    /// Frames as the host handles them.
    pub frames: u64,
    /// Bytes of whole frames.
    pub bytes: u64,
}

/// What was counted by flow, written as `w0 ingress UDP 10.7.0.2 1000 > 10.7.0.1 9 [10, 20]` with
/// VLAN identifiers at the end, and type and code behind the protocol of ICMP.
pub type Table = BTreeMap<String, Counted>;

impl Counted {
    /// As many frames of the same length, each one packet.
    pub const fn frames(count: u64, frame_bytes: u64) -> Self {
        Self {
            packets: count,
            frames: count,
            bytes: count * frame_bytes,
        }
    }

    /// Reads the three figures of a JSON object.
    ///
    /// # Panics
    /// One is missing.
    pub fn of(value: &Value) -> Self {
        let figure = |name: &str| {
            value[name]
                .as_u64()
                .unwrap_or_else(|| panic!("{name}: {value}"))
        };
        Self {
            packets: figure("packets"),
            frames: figure("frames"),
            bytes: figure("bytes"),
        }
    }
}

impl Add for Counted {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            frames: self.frames + other.frames,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl Sum for Counted {
    fn sum<I: Iterator<Item = Self>>(counted: I) -> Self {
        counted.fold(Self::default(), Add::add)
    }
}

/// The flows of JSON objects.
///
/// # Panics
/// A flow comes twice.
pub fn table(flows: &[Value]) -> Table {
    let mut table = Table::new();
    for flow in flows {
        let before = table.insert(name(flow), Counted::of(flow));
        assert_eq!(before, None, "twice: {flow}");
    }
    table
}

/// What the program prints at its end if nothing was filtered, sampled or refused.
pub fn books(counted: u64, lost: u64) -> String {
    format!(
        "netweir: {} packets seen = {counted} counted + 0 filtered + 0 sampled + {lost} lost in the \
         kernel; 0 refused by the flow table, 0 on no interface",
        counted + lost
    )
}

/// The sum of the flows whose name has this text.
pub fn sum(table: &Table, text: &str) -> Counted {
    table
        .iter()
        .filter(|(name, _)| name.contains(text))
        .map(|(_, counted)| *counted)
        .sum()
}

fn name(flow: &Value) -> String {
    let word = |name: &str| match &flow[name] {
        Value::Null => String::new(),
        Value::String(text) => format!(" {text}"),
        other => format!(" {other}"),
    };
    let icmp = flow["icmp_type"].as_u64().zip(flow["icmp_code"].as_u64());
    let icmp = icmp.map_or_else(String::new, |(kind, code)| format!(" {kind}/{code}"));
    let vlans: Vec<u64> = flow["vlans"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(Value::as_u64)
        .collect();
    let vlans = if vlans.is_empty() {
        String::new()
    } else {
        format!(" {vlans:?}")
    };
    let source = word("source_address") + &word("source_port");
    let destination = word("destination_address") + &word("destination_port");
    let name = word("interface")
        + &word("direction")
        + &word("protocol")
        + &icmp
        + &source
        + " >"
        + &destination
        + &vlans;
    name.trim_start().to_owned()
}
