//! Datagrams with long headers one by one, as JSON has them.

use super::{Time, flow::end, name, quic::hex};
use netweir_flow::quic;
use serde::Serialize;

/// A datagram that begins with a long header, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuicDatagram {
    /// When it came.
    pub time: Time,
    /// Name of the interface.
    pub interface: String,
    /// Index of the interface within its network namespace.
    pub ifindex: u32,
    /// Inode number of the interface's network namespace.
    pub netns: u32,
    /// `ingress` or `egress`, seen from the host.
    pub direction: &'static str,
    /// Where it came from.
    pub source_address: String,
    /// Its UDP port.
    pub source_port: Option<u16>,
    /// Where it went to.
    pub destination_address: String,
    /// Its UDP port.
    pub destination_port: Option<u16>,
    /// Bytes of the UDP payload.
    pub payload_bytes: u32,
    /// What became of it, as in the accounting.
    pub outcome: &'static str,
    /// Its packets, the first ones.
    pub packets: Vec<QuicPacket>,
}

/// A QUIC packet of such a datagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuicPacket {
    /// What it is: `initial`, `zero_rtt`, `handshake`, `retry`, `version_negotiation`, `unknown`,
    /// `short` or `unreadable`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The version; null where the header says none or cannot be read.
    pub version: Option<String>,
    /// Destination connection ID as hexadecimal digits; null where it cannot be known.
    pub dcid: Option<String>,
    /// Source connection ID, likewise.
    pub scid: Option<String>,
}

impl From<&quic::Datagram> for QuicDatagram {
    fn from(datagram: &quic::Datagram) -> Self {
        let (source_address, source_port) = end(datagram.source);
        let (destination_address, destination_port) = end(datagram.destination);
        Self {
            time: Time {
                unix_ns: datagram.unix_ns,
            },
            interface: datagram.interface.to_string(),
            ifindex: datagram.ifindex,
            netns: datagram.netns,
            direction: name::direction(datagram.direction),
            source_address,
            source_port,
            destination_address,
            destination_port,
            payload_bytes: datagram.payload_bytes,
            outcome: datagram.outcome.name(),
            packets: datagram.packets.iter().map(Into::into).collect(),
        }
    }
}

impl From<&quic::Packet> for QuicPacket {
    fn from(packet: &quic::Packet) -> Self {
        let id = |bytes: &[u8]| packet.version.map(|_| hex(bytes));
        Self {
            kind: packet.kind.name(),
            version: packet.version.map(|version| version.to_string()),
            dcid: id(&packet.dcid),
            scid: id(&packet.scid),
        }
    }
}
