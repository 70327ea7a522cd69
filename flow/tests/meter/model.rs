//! The table against plain maps, under operations at random.

use crate::driver::{START, count, interface, sample, tcp};
use netweir_flow::{Batch, EndReason, Host, Meter, Query, Record, Settings};
use netweir_wire::map::{Count, Direction, FlowKey, Volume};
use proptest::{prelude::*, sample::select};
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
};

/// What may happen to a meter.
#[derive(Clone, Debug)]
enum Step {
    /// Packets of a flow, some time before now.
    Packets(FlowKey, u64, u64),
    /// The time passes, and a tick ends.
    Tick(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let packets = (key(), 1..100_u64, 0..20_u64);
    prop_oneof![
        6 => packets.prop_map(|(key, packets, ago)| Step::Packets(key, packets, ago)),
        1 => (0..60_u64).prop_map(Step::Tick),
    ]
}

/// Few keys, of all sorts: IP and not, ports and types, with and without tags, on loopback too.
fn key() -> impl Strategy<Value = FlowKey> {
    let ends = (0..3_u8, 0..3_u8, 0..2_u8, select(vec![0_u8, 8, 3]));
    let seen = (1..3_u32, 0..2_u8, select(vec![0_u8, 7]));
    let kind = select(vec![
        (0x0800_u16, 6_u8),
        (0x0800, 1),
        (0x86dd, 17),
        (0x86dd, 58),
        (0x0806, 0),
    ]);
    (ends, seen, kind).prop_map(|(ends, seen, (ethertype, protocol))| {
        let address = |last| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last];
        FlowKey {
            netns: 1,
            ifindex: seen.0,
            source: address(ends.0),
            destination: address(ends.1),
            source_port: [0, ends.2],
            destination_port: [ends.3, 0],
            ethertype: ethertype.to_be_bytes(),
            outer_vlan: [0, seen.2],
            protocol,
            direction: seen.1,
            ..FlowKey::default()
        }
    })
}

#[derive(Debug, Default)]
struct Model {
    max_flows: usize,
    max_hosts: usize,
    idle_ns: u64,
    now_ns: u64,
    /// By key: count, time of the first and of the last packet.
    flows: HashMap<FlowKey, (Count, u64, u64)>,
    ended: Count,
    table_full: Count,
    hosts: HashMap<IpAddr, (Count, Count)>,
    hosts_full: Volume,
}

impl Model {
    fn packets(&mut self, key: FlowKey, added: Count, at_ns: u64) {
        let is_loopback = key.ifindex == 1;
        if !is_loopback || key.direction == Direction::Ingress as u8 {
            self.credit(&key, added);
        }
        if self.flows.len() >= self.max_flows && !self.flows.contains_key(&key) {
            self.table_full += added;
            return;
        }
        let flow = self.flows.entry(key);
        let (count, first_ns, last_ns) = flow.or_insert((Count::default(), u64::MAX, 0));
        *count += added;
        *first_ns = at_ns.min(*first_ns);
        *last_ns = at_ns.max(*last_ns);
    }

    fn credit(&mut self, key: &FlowKey, added: Count) {
        for (bytes, is_source) in [(key.source, true), (key.destination, false)] {
            let address = match key.ethertype {
                [8, 0] => Ipv4Addr::from([10, 0, 0, bytes[15]]).into(),
                [0x86, 0xdd] => IpAddr::from(bytes),
                _ => return,
            };
            if self.hosts.len() >= self.max_hosts && !self.hosts.contains_key(&address) {
                self.hosts_full += added.volume();
                continue;
            }
            let (sent, received) = self.hosts.entry(address).or_default();
            *(if is_source { sent } else { received }) += added;
        }
    }

    /// Lets a flow go, which must have been idle.
    fn end(&mut self, key: &FlowKey) {
        let Some((count, _, last_ns)) = self.flows.remove(key) else {
            panic!("{key:?} ended, but was not there");
        };
        assert!(self.now_ns - last_ns >= self.idle_ns);
        self.ended += count;
    }

    fn compare(&self, meter: &Meter) {
        let records = meter.flows(&Query::default());
        let flows = records.iter().map(|it| {
            let times = (it.count, it.first_unix_ns, it.last_unix_ns);
            (key_of(it), times)
        });
        assert_eq!(flows.collect::<HashMap<_, _>>(), self.flows);
        let hosts = meter.hosts(&Query::default());
        let credit = |it: &Host| (it.address, (it.sent, it.received));
        assert_eq!(
            hosts.iter().map(credit).collect::<HashMap<_, _>>(),
            self.hosts
        );
        let live = self.flows.values().map(|(count, ..)| *count);
        let in_flows = live.fold(self.ended, |sum, count| sum + count);
        let accounting = meter.audit();
        assert_eq!(accounting, meter.accounting());
        assert_eq!(accounting.in_flows, in_flows);
        assert_eq!(accounting.table_full, self.table_full);
        assert_eq!(accounting.hosts_full, self.hosts_full);
        assert_eq!(accounting.flows, self.flows.len());
        assert_eq!(accounting.hosts, self.hosts.len());
    }
}

/// The key that a record was made of.
fn key_of(record: &Record) -> FlowKey {
    let bytes = |address| match address {
        netweir_flow::Address::Ip(IpAddr::V4(ip)) => ip.to_ipv6_mapped().octets(),
        netweir_flow::Address::Ip(IpAddr::V6(ip)) => ip.octets(),
        // A frame that is not IP: the tests put the same bytes there, of which six are told.
        netweir_flow::Address::Mac(_) => [0; 16],
    };
    let (source, destination) = (record.source, record.destination);
    let icmp = record.icmp.map(|it| [it.kind, it.code]);
    let port = |port: Option<u16>| port.unwrap_or_default().to_be_bytes();
    FlowKey {
        netns: record.netns,
        ifindex: record.ifindex,
        source: bytes(source.address),
        destination: bytes(destination.address),
        source_port: port(source.port),
        destination_port: icmp.unwrap_or_else(|| port(destination.port)),
        ethertype: record.ethertype.to_be_bytes(),
        outer_vlan: record.vlans[0].to_be_bytes(),
        inner_vlan: record.vlans[1].to_be_bytes(),
        protocol: record.protocol,
        direction: record.direction as u8,
        reserved: [0; 4],
    }
}

/// A key as a record tells it.
fn told(key: FlowKey) -> FlowKey {
    let is_icmp = matches!(key.protocol, 1 | 58);
    match key.ethertype {
        [8, 6] => FlowKey {
            source: [0; 16],
            destination: [0; 16],
            source_port: [0; 2],
            destination_port: [0; 2],
            ..key
        },
        _ if is_icmp => FlowKey {
            source_port: [0; 2],
            ..key
        },
        _ => key,
    }
}

fn meter(settings: &Settings) -> Meter {
    let mut meter = Meter::new(settings, START);
    meter.add_interface(interface(1, "lo"));
    meter.add_interface(interface(2, "eth0"));
    meter
}

fn apply(meter: &mut Meter, now_ns: u64, samples: &[netweir_flow::Sample]) {
    meter.apply(&Batch {
        now_ns,
        ..Batch::default()
    });
    meter.apply_flows(now_ns, samples);
}

proptest! {
    #[test]
    fn the_table_is_a_map(
        steps in prop::collection::vec(step(), 0..200),
        max_flows in select(vec![0, 1, 5, 1000]),
        // A host that loopback shows at egress first takes a place before it is credited.
        max_hosts in select(vec![0, 1000]),
        idle_ns in 1..50_u64,
    ) {
        let idle_ns = idle_ns << 20;
        let settings = Settings {
            idle_ns,
            active_ns: u64::MAX,
            max_flows,
            max_hosts,
            ..Settings::default()
        };
        let mut meter = meter(&settings);
        let mut model = Model { max_flows, max_hosts, idle_ns, now_ns: START, ..Model::default() };
        for step in steps {
            match step {
                Step::Packets(key, packets, ago) => {
                    let key = told(key);
                    let (added, at_ns) = (count(packets, packets * 60), model.now_ns - (ago << 20));
                    apply(&mut meter, model.now_ns, &[sample(key, added, at_ns)]);
                    model.packets(key, added, at_ns);
                }
                Step::Tick(passed) => {
                    model.now_ns += passed << 20;
                    for record in meter.tick(model.now_ns) {
                        prop_assert_eq!(record.reason, Some(EndReason::Idle));
                        model.end(&key_of(&record));
                    }
                    // A bucket has at least a millisecond, and less than a thirtieth of the
                    // time-out above that.
                    let late_ns = idle_ns + (2 << 20) + idle_ns / 15;
                    prop_assert!(model.flows.values().all(|flow| model.now_ns - flow.2 <= late_ns));
                }
            }
            model.compare(&meter);
        }
    }

    #[test]
    fn ticks_in_pieces_report_the_same(
        flows in prop::collection::vec(0..40_u16, 1..60),
        at_most in 1..5_usize,
    ) {
        let settings = Settings { idle_ns: 1 << 30, active_ns: 1 << 29, ..Settings::default() };
        let (mut whole, mut pieces) = (meter(&settings), meter(&settings));
        let mut now_ns = START;
        for flow in flows {
            let key = tcp(&format!("10.0.0.1:{} 10.0.0.2:443", flow + 1));
            for meter in [&mut whole, &mut pieces] {
                apply(meter, now_ns, &[sample(key, count(1, 60), now_ns)]);
            }
            now_ns += 1 << 26;
            pieces.end_tick(now_ns);
            let mut records = Vec::new();
            while let Some(some) = pieces.due(at_most) {
                prop_assert!(some.len() <= at_most);
                records.extend(some);
            }
            prop_assert_eq!(records, whole.tick(now_ns));
        }
        let mut records = Vec::new();
        while let Some(some) = pieces.rest(now_ns, at_most) {
            prop_assert!(some.len() <= at_most);
            records.extend(some);
        }
        prop_assert_eq!(records, whole.finish(now_ns));
        prop_assert_eq!(pieces.finish(now_ns), whole.finish(now_ns));
    }

    #[test]
    fn connections_are_those_that_keys_tell(keys in prop::collection::hash_set(key(), 0..60)) {
        let keys: Vec<_> = keys.into_iter().collect();
        let mut meter = meter(&Settings::default());
        // Each flow has a number of packets of its own.
        let flows = keys.iter().zip(1..);
        let samples: Vec<_> = flows.map(|(&key, n)| sample(key, count(n, 60), START)).collect();
        apply(&mut meter, START, &samples);
        let numbers: HashMap<_, _> = keys.iter().copied().zip(1_u64..).collect();
        let expected = keys.iter().map(|key| {
            let number = |key: Option<FlowKey>| key.map_or(0, |key| numbers[&key]);
            let (one, other) = (number(Some(*key)), number(partner(key, &numbers)));
            (one.max(other), one.min(other))
        });
        let connections = meter.connections(&Query::default());
        let found = connections.iter().map(|it| {
            let (one, other) = (it.forward.packets, it.reverse.packets);
            (one.max(other), one.min(other))
        });
        let found: Vec<_> = found.collect();
        let distinct: HashSet<_> = found.iter().copied().collect();
        prop_assert_eq!(found.len(), distinct.len());
        prop_assert_eq!(distinct, expected.collect::<HashSet<_>>());
    }
}

/// The flow that answers another, by their keys alone.
fn partner(key: &FlowKey, live: &HashMap<FlowKey, u64>) -> Option<FlowKey> {
    let [kind, code] = key.destination_port;
    let replies: &[(u8, u8)] = match (key.ethertype, key.protocol) {
        ([8, 0], 1) => &[(8, 0), (13, 14)],
        ([0x86, 0xdd], 58) => &[(128, 129), (133, 134), (135, 136)],
        _ => &[],
    };
    let of = |&(request, reply): &(u8, u8)| match kind {
        _ if kind == request => Some(reply),
        _ if kind == reply => Some(request),
        _ => None,
    };
    let (source_port, destination_port) = if replies.is_empty() {
        (key.destination_port, key.source_port)
    } else {
        (key.source_port, [replies.iter().find_map(of)?, code])
    };
    let opposite = FlowKey {
        source: key.destination,
        destination: key.source,
        source_port,
        destination_port,
        direction: 1 - key.direction,
        ..*key
    };
    if live.contains_key(&opposite) {
        return Some(opposite);
    }
    let same = FlowKey {
        direction: key.direction,
        ..opposite
    };
    let taken = FlowKey {
        direction: opposite.direction,
        ..*key
    };
    let is_tied = same != *key && live.contains_key(&same) && !live.contains_key(&taken);
    is_tied.then_some(same)
}
