//! How low it has to be: a bar for each figure that matters.

use std::fmt;

use serde_json::{Value, json};

use crate::table::Table;

/// A bar: table, row and column of the figure, and the bar itself.
type Bar = (&'static str, &'static str, &'static str, Limit);

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

use Limit::{AtLeast, AtMost};

const BARS: &[Bar] = &[
    ("packet", "XDP IPv4/TCP", "over_empty", AtMost(15.0)),
    ("packet", "XDP IPv4/TCP", "ratio", AtMost(0.2)),
    ("packet", "XDP IPv6/UDP", "over_empty", AtMost(25.0)),
    ("packet", "XDP QinQ/IPv4/TCP", "over_empty", AtMost(25.0)),
    ("packet", "TC ingress IPv4/TCP", "over_empty", AtMost(25.0)),
    ("packet", "TC egress IPv4/TCP", "over_empty", AtMost(25.0)),
    ("quic", "XDP not QUIC", "over_count", AtMost(2.0)),
    ("quic", "TC ingress not QUIC", "over_count", AtMost(2.0)),
    ("quic", "TC egress not QUIC", "over_count", AtMost(2.0)),
    ("rules", "XDP 1024 rules", "new_over_none", AtMost(30.0)),
    ("rules", "XDP 1024 rules", "known_over_none", AtMost(1.0)),
    (
        "rules",
        "TC ingress 1024 rules",
        "new_over_none",
        AtMost(30.0),
    ),
    (
        "rules",
        "TC ingress 1024 rules",
        "known_over_none",
        AtMost(1.0),
    ),
    ("mix", "XDP a million flows", "ratio", AtMost(2.0)),
    ("mix", "XDP a million flows", "missing", AtMost(0.0)),
    ("mix", "TC ingress a million flows", "ratio", AtMost(2.0)),
    ("mix", "TC ingress a million flows", "missing", AtMost(0.0)),
    ("mix", "XDP Zipf", "ratio", AtMost(0.5)),
    ("mix", "XDP Zipf", "missing", AtMost(0.0)),
    ("mix", "TC ingress Zipf", "ratio", AtMost(0.5)),
    ("mix", "TC ingress Zipf", "missing", AtMost(0.0)),
    ("live", "TC ingress ours", "flows_500", AtMost(90.0)),
    ("live", "TC ingress ours", "flows_65000", AtMost(250.0)),
    ("live", "TC egress ours", "flows_500", AtMost(90.0)),
    ("live", "TC egress ours", "flows_65000", AtMost(250.0)),
    ("live", "XDP ours", "flows_500", AtMost(90.0)),
    ("live", "XDP ours", "flows_65000", AtMost(250.0)),
    ("drain", "100000 flows, 1 % changed", "cpu", AtMost(5.0)),
    ("throughput", "TCX, both ends", "ratio", AtLeast(0.97)),
    ("agent", "iperf3", "user", AtMost(0.1)),
    ("agent", "iperf3", "rss", AtMost(40.0)),
    ("agent", "iperf3", "missing", AtMost(0.0)),
    ("agent", "65,000 flows, 50,000/s", "user", AtMost(1.0)),
    ("agent", "65,000 flows, 50,000/s", "rss", AtMost(100.0)),
    ("agent", "65,000 flows, 50,000/s", "missing", AtMost(0.0)),
    ("agent", "a million flows", "kernel", AtMost(256.0)),
    ("agent", "a million flows", "rss", AtMost(300.0)),
    ("agent", "a million flows", "missing", AtMost(0.0)),
    ("overflow", "tc", "difference", AtMost(0.0)),
    ("overflow", "tc", "unseen", AtMost(0.0)),
    ("overflow", "xdp", "difference", AtMost(0.0)),
    ("overflow", "xdp", "unseen", AtMost(0.0)),
    ("inline", "kernel path", "to_bridge", AtLeast(1.0)),
    ("inline", "tap", "to_kernel", AtLeast(0.5)),
    ("inline", "socket: kernel path", "to_bridge", AtLeast(1.0)),
    ("inline", "socket: tap", "to_kernel", AtLeast(0.5)),
    ("inline", "tap at rest", "cpu", AtMost(0.5)),
];

/// The bars whose figures were measured, and the figures.
pub(crate) struct Bars(Vec<(&'static Bar, f64)>);

impl Bars {
    /// Looks the figures up.
    pub(crate) fn new(tables: &[(&str, Table)]) -> Self {
        let measured = BARS.iter().filter_map(|bar| {
            let (name, row, column, _) = bar;
            let (_, table) = tables.iter().find(|(table, _)| table == name)?;
            Some((bar, table.figure(row, column)?))
        });
        Self(measured.collect())
    }

    /// An object for each bar.
    pub(crate) fn to_json(&self) -> Value {
        let bars = self.0.iter().map(|(bar, measured)| {
            let (table, row, column, limit) = bar;
            let (side, value) = match limit {
                AtMost(most) => ("at_most", most),
                AtLeast(least) => ("at_least", least),
            };
            json!({
                "table": table, "of": row, "figure": column, side: value,
                "measured": measured, "met": limit.is_met(*measured),
            })
        });
        bars.collect()
    }
}

impl Limit {
    /// What could not be measured meets no bar.
    fn is_met(self, measured: f64) -> bool {
        match self {
            AtMost(most) => measured <= most,
            AtLeast(least) => measured >= least,
        }
    }
}

impl fmt::Display for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = self.0.iter().filter(|(bar, figure)| bar.3.is_met(*figure));
        writeln!(f, "bars: {} of {} met", met.count(), self.0.len())?;
        for ((table, row, column, limit), measured) in &self.0 {
            let (sign, value) = match limit {
                AtMost(most) => ("<=", most),
                AtLeast(least) => (">=", least),
            };
            let met = if limit.is_met(*measured) {
                "met"
            } else {
                "MISSED"
            };
            let name = format!("{table}: {row}, {column}");
            writeln!(f, "{name:52} {sign} {value:>8.2} {measured:>12.2}  {met}")?;
        }
        Ok(())
    }
}
