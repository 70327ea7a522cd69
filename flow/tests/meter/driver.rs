//! A pretend collector with a pretend clock, and short ways to write samples.

use netweir_flow::{
    Batch, Hook, Interface, InterfaceId, InterfaceSample, Meter, Record, Sample, Settings,
};
use netweir_wire::{
    map::{
        Class, Count, Direction, FlowCounters, FlowKey, InterfaceCounters, InterfaceKey, Volume,
    },
    packet::{LinkType, ethertype, protocol},
};
use std::net::{IpAddr, SocketAddr};

pub(crate) const SECOND: u64 = 1_000_000_000;
/// When a driver begins: not at zero, so that times can lie before it.
pub(crate) const START: u64 = 1_000 * SECOND;

/// A meter, and the time that is passed in.
pub(crate) struct Driver {
    pub(crate) meter: Meter,
    pub(crate) now_ns: u64,
}

impl Driver {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut meter = Meter::new(settings, START);
        meter.add_interface(interface(1, "lo"));
        meter.add_interface(interface(2, "eth0"));
        Self {
            meter,
            now_ns: START,
        }
    }

    /// A drain at this moment.
    pub(crate) fn drain(&mut self, flows: &[Sample]) {
        self.meter.apply(&Batch {
            now_ns: self.now_ns,
            flows: flows.to_vec(),
            ..Batch::default()
        });
    }

    /// A drain of the counters of one direction of an interface.
    pub(crate) fn drain_interface(&mut self, ifindex: u32, direction: Direction, seen: Count) {
        self.meter.apply(&Batch {
            now_ns: self.now_ns,
            interfaces: vec![InterfaceSample {
                key: InterfaceKey {
                    netns: 1,
                    ifindex,
                    direction: direction as u32,
                },
                counters: tcp_counters(seen),
            }],
            ..Batch::default()
        });
    }

    /// Lets the time pass, then ends a tick.
    pub(crate) fn tick(&mut self, after_ns: u64) -> Vec<Record> {
        self.now_ns += after_ns;
        self.meter.tick(self.now_ns)
    }

    /// A packet of 100 bytes at this moment.
    pub(crate) fn packet(&mut self, key: FlowKey) {
        self.drain(&[sample(key, count(1, 100), self.now_ns)]);
    }
}

/// Counters of an interface that saw TCP over IPv4 alone, and lost none.
pub(crate) fn tcp_counters(seen: Count) -> InterfaceCounters {
    let mut counters = InterfaceCounters {
        seen,
        counted: seen,
        ..InterfaceCounters::default()
    };
    for class in [Class::Ipv4, Class::Tcp, Class::Https] {
        counters.classes[class as usize] = seen.volume();
    }
    counters
}

pub(crate) fn interface(ifindex: u32, name: &str) -> Interface {
    Interface {
        id: InterfaceId { netns: 1, ifindex },
        name: name.into(),
        netns_name: None,
        hook: Hook::Tcx,
        loopback: name == "lo",
        link: Some(LinkType::Ethernet),
        present: true,
    }
}

pub(crate) fn count(packets: u64, bytes: u64) -> Count {
    Count {
        packets,
        frames: packets,
        bytes,
    }
}

pub(crate) fn volume(packets: u64, bytes: u64) -> Volume {
    count(packets, bytes).volume()
}

/// A sample whose packets all came at `at_ns`.
pub(crate) fn sample(key: FlowKey, count: Count, at_ns: u64) -> Sample {
    Sample {
        key,
        counters: FlowCounters {
            packets: count.packets,
            frames: count.frames,
            bytes: count.bytes,
            first_ns: at_ns,
            last_ns: at_ns,
            ..FlowCounters::default()
        },
        ..Sample::default()
    }
}

/// The same with TCP flags.
pub(crate) fn flagged(key: FlowKey, tcp_flags: u16, at_ns: u64) -> Sample {
    let mut sample = sample(key, count(1, 100), at_ns);
    sample.counters.tcp_flags = tcp_flags;
    sample
}

/// TCP that comes in by `eth0`: `tcp("10.0.0.1:50000 10.0.0.2:443")`.
pub(crate) fn tcp(ends: &str) -> FlowKey {
    transport(protocol::TCP, ends)
}

/// A protocol with ports that comes in by `eth0`.
pub(crate) fn transport(protocol: u8, ends: &str) -> FlowKey {
    let mut ends = ends
        .split(' ')
        .filter_map(|end| end.parse::<SocketAddr>().ok());
    let (Some(source), Some(destination)) = (ends.next(), ends.next()) else {
        panic!("two ends are needed");
    };
    FlowKey {
        source_port: source.port().to_be_bytes(),
        destination_port: destination.port().to_be_bytes(),
        protocol,
        ..ip(source.ip(), destination.ip())
    }
}

/// ICMP of either version that comes in by `eth0`: `icmp("10.0.0.1 10.0.0.2", 8)`.
pub(crate) fn icmp(ends: &str, kind: u8) -> FlowKey {
    let mut ends = ends.split(' ').filter_map(|end| end.parse::<IpAddr>().ok());
    let (Some(source), Some(destination)) = (ends.next(), ends.next()) else {
        panic!("two addresses are needed");
    };
    FlowKey {
        destination_port: [kind, 0],
        protocol: if source.is_ipv4() {
            protocol::ICMP
        } else {
            protocol::ICMPV6
        },
        ..ip(source, destination)
    }
}

fn ip(source: IpAddr, destination: IpAddr) -> FlowKey {
    let number = if source.is_ipv4() {
        ethertype::IPV4
    } else {
        ethertype::IPV6
    };
    FlowKey {
        netns: 1,
        ifindex: 2,
        source: octets(source),
        destination: octets(destination),
        ethertype: number.to_be_bytes(),
        direction: Direction::Ingress as u8,
        ..FlowKey::default()
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The same flow, seen on its way out.
pub(crate) fn egress(key: FlowKey) -> FlowKey {
    FlowKey {
        direction: Direction::Egress as u8,
        ..key
    }
}

/// The same flow on the loopback device.
pub(crate) fn on_loopback(key: FlowKey) -> FlowKey {
    FlowKey { ifindex: 1, ..key }
}
