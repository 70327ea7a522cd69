//! The figures of a whole host, or of one interface, as JSON has them.

use netweir_flow::Totals;
use netweir_wire::map::Class;
use serde::Serialize;
use utoipa::ToSchema;

/// How fast it goes now. Rates are over the last tick; `bps` are bits of whole frames in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Realtime {
    /// All packets.
    pub bandwidth_bps: f64,
    /// All packets.
    pub packets_per_sec: f64,
    /// TCP.
    pub tcp_bandwidth_bps: f64,
    /// TCP.
    pub tcp_packets_per_sec: f64,
    /// TCP on a port of HTTP.
    pub http_bandwidth_bps: f64,
    /// TCP on a port of HTTP.
    pub http_packets_per_sec: f64,
    /// TCP on a port of HTTPS.
    pub https_bandwidth_bps: f64,
    /// TCP on a port of HTTPS.
    pub https_packets_per_sec: f64,
    /// Since the start.
    pub total_packets: u64,
    /// Since the start.
    pub total_bytes: u64,
}

/// What was since the start. Percentages are of bytes, and 0 where nothing was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Summary {
    /// Time since the meter was made, by the clock of the packets.
    pub uptime_seconds: u64,
    /// Bits in a second since the start, on average.
    pub avg_bandwidth_bps: f64,
    /// Bits in a second in the fastest tick.
    pub peak_bandwidth_bps: f64,
    /// Packets as the wire carries them.
    pub total_packets: u64,
    /// Bytes of whole frames.
    pub total_bytes: u64,
    /// Share of TCP.
    pub tcp_percentage: f64,
    /// Share of TCP on a port of HTTP.
    pub http_percentage: f64,
    /// Share of TCP on a port of HTTPS.
    pub https_percentage: f64,
}

impl From<&Totals> for Realtime {
    fn from(totals: &Totals) -> Self {
        let rate = |class| totals.class(class).rate;
        let (tcp, http, https) = (rate(Class::Tcp), rate(Class::Http), rate(Class::Https));
        Self {
            bandwidth_bps: totals.rate.bits_per_second(),
            packets_per_sec: totals.rate.packets_per_second,
            tcp_bandwidth_bps: tcp.bits_per_second(),
            tcp_packets_per_sec: tcp.packets_per_second,
            http_bandwidth_bps: http.bits_per_second(),
            http_packets_per_sec: http.packets_per_second,
            https_bandwidth_bps: https.bits_per_second(),
            https_packets_per_sec: https.packets_per_second,
            total_packets: totals.total.packets,
            total_bytes: totals.total.bytes,
        }
    }
}

impl From<&Totals> for Summary {
    fn from(totals: &Totals) -> Self {
        Self {
            uptime_seconds: totals.uptime_ns / 1_000_000_000,
            avg_bandwidth_bps: totals.average.bits_per_second(),
            peak_bandwidth_bps: totals.peak.bits_per_second(),
            total_packets: totals.total.packets,
            total_bytes: totals.total.bytes,
            tcp_percentage: totals.percent(Class::Tcp),
            http_percentage: totals.percent(Class::Http),
            https_percentage: totals.percent(Class::Https),
        }
    }
}
