//! `netweir map dump`: what stands in pinned maps, a JSON line for each entry.

mod setting;

use std::{
    io::{self, BufWriter, Write},
    net::Ipv6Addr,
};

use anyhow::bail;
use netweir_agent::pin::{
    Folder, Pins,
    dump::{Content, Entry, dump},
};
use netweir_wire::{
    map::{
        CacheState, Carried, CarriedSums, Class, Count, Direction, Epoch, FlowKey, FlowValue,
        HeadCounters, HeadLoss, InterfaceCounters, LossReason, QuicCounters, QuicLoss, RuleMark,
        StrayReason, Undecoded, Volume,
    },
    packet::Problem,
    version,
};
use serde_json::{Map, Value, json};

use crate::{args::MapDumpArgs, config::Config};

/// Prints the entries of the maps that are asked for, or of all.
pub(super) fn run(config: &Config, args: &MapDumpArgs) -> anyhow::Result<()> {
    let folder = Folder::new(&config.pins);
    let interfaces = if args.interface.is_empty() {
        folder.interfaces()?
    } else {
        args.interface.clone()
    };
    let mut out = BufWriter::new(io::stdout().lock());
    for interface in interfaces {
        let all = folder.pins(&interface)?;
        if all.is_empty() {
            bail!("{interface} is not attached to; `netweir status` shows what is");
        }
        for pins in all {
            dump_pins(&pins, &args.maps, &mut out)?;
        }
    }
    Ok(out.flush()?)
}

fn dump_pins(pins: &Pins, wanted: &[String], out: &mut impl Write) -> anyhow::Result<()> {
    let known: Vec<&str> = pins.maps().collect();
    for name in wanted {
        if !known.contains(&name.as_str()) {
            bail!(
                "{} has no map {name}; there are {}",
                pins.interface(),
                known.join(", ")
            );
        }
    }
    let is_readable = pins.abi() == version::ABI;
    for map in pins.maps() {
        let is_wanted = wanted.is_empty() || wanted.iter().any(|name| name == map);
        // Of other versions is only said what they are.
        if !is_wanted || !(is_readable || map == netweir_wire::name::ABOUT) {
            continue;
        }
        let mut written = Ok(());
        dump(pins, map, &mut |entry| {
            if written.is_ok() {
                written = write(pins, &entry, out);
            }
        })?;
        written?;
    }
    Ok(())
}

fn write(pins: &Pins, entry: &Entry, out: &mut impl Write) -> io::Result<()> {
    let mut line = Map::new();
    line.insert("interface".into(), pins.interface().into());
    line.insert("map".into(), entry.map.into());
    if let Some(place) = entry.place {
        line.insert("place".into(), place.into());
    }
    if let Some(cpu) = entry.cpu {
        line.insert("cpu".into(), cpu.into());
    }
    match &entry.content {
        Content::Flow(key, value) => {
            line.insert("key".into(), flow_key(key));
            line.insert("value".into(), flow_value(value));
        }
        Content::Interface(key, place) => {
            line.insert(
                "key".into(),
                json!({
                    "netns": key.netns, "ifindex": key.ifindex,
                    "direction": direction(key.direction as u8),
                }),
            );
            line.insert(
                "value".into(),
                json!({ "number": place.number, "names": place.names, "rules": place.rules }),
            );
        }
        Content::Backend(key, volume) => {
            line.insert(
                "key".into(),
                json!({
                    "layout": key.layout, "backend": (key.named & 1 != 0).then_some(key.backend),
                    "queue": (key.named & 2 != 0).then_some(key.queue),
                }),
            );
            line.insert("value".into(), self::volume(volume));
        }
        other => {
            line.insert("value".into(), value(other));
        }
    }
    serde_json::to_writer(&mut *out, &Value::Object(line))?;
    writeln!(out)
}

/// What has no key but its place.
fn value(content: &Content) -> Value {
    match content {
        Content::About(about) => setting::about(about),
        Content::CacheState(state) => cache_state(state),
        Content::Carried(Carried { counters, taken }) => {
            json!({ "counters": self::counters(counters), "taken": count(taken) })
        }
        Content::CarriedSums(sums) => carried_sums(sums),
        Content::Counters(counters) => self::counters(counters),
        Content::Epoch(epoch) => self::epoch(epoch),
        Content::Filter(filter) => setting::filter(filter),
        Content::HeadCounters(heads) => self::heads(heads),
        Content::Layout(row) => setting::layout(row),
        Content::Near(near) => json!({ "ifindex": near.ifindex, "number": near.number }),
        Content::Port(bits) => json!({
            "http": bits & netweir_wire::map::PORT_HTTP != 0,
            "https": bits & netweir_wire::map::PORT_HTTPS != 0,
            "quic": bits & netweir_wire::map::PORT_QUIC != 0,
        }),
        Content::QuicCounters(quic) => self::quic(quic),
        Content::Rate(one_in) => json!({ "one_in": one_in }),
        Content::Ring(bytes, unread) => json!({ "bytes": bytes, "unread_bytes": unread }),
        Content::Queue(entries) => json!({ "room": entries }),
        Content::RuleRow(table, row) => setting::rule_row(*table, row),
        Content::Volume(volume) => self::volume(volume),
        Content::Backend(..) | Content::Flow(..) | Content::Interface(..) => Value::Null,
    }
}

fn direction(number: u8) -> &'static str {
    match Direction::try_from(number) {
        Ok(Direction::Ingress) => "ingress",
        Ok(Direction::Egress) => "egress",
        Err(_) => "unknown",
    }
}

fn count(count: &Count) -> Value {
    json!({ "packets": count.packets, "frames": count.frames, "bytes": count.bytes })
}

fn volume(volume: &Volume) -> Value {
    json!({ "packets": volume.packets, "bytes": volume.bytes })
}

/// Values by name.
fn named<'a, T>(names: impl IntoIterator<Item = (&'static str, T)>) -> Value
where
    Value: From<T>,
    T: 'a,
{
    let all = names.into_iter();
    all.map(|(name, value)| (name.to_owned(), Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn address(bytes: [u8; 16]) -> String {
    let address = Ipv6Addr::from(bytes);
    match address.to_ipv4_mapped() {
        Some(address) => address.to_string(),
        None => address.to_string(),
    }
}

fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

fn flow_key(key: &FlowKey) -> Value {
    let rule = RuleMark(u16::from_ne_bytes([key.reserved[0], key.reserved[1]]));
    json!({
        "netns": key.netns,
        "ifindex": key.ifindex,
        "direction": direction(key.direction),
        "ethertype": u16::from_be_bytes(key.ethertype),
        "protocol": key.protocol,
        "source": address(key.source),
        "source_port": u16::from_be_bytes(key.source_port),
        "destination": address(key.destination),
        "destination_port": u16::from_be_bytes(key.destination_port),
        "outer_vlan": u16::from_be_bytes(key.outer_vlan),
        "inner_vlan": u16::from_be_bytes(key.inner_vlan),
        "rule": rule.number(),
    })
}

fn flow_value(value: &FlowValue) -> Value {
    let rule = RuleMark(value.rule);
    let classes = value.classes.map(|class| {
        let class = Class::ALL.get(usize::from(class)).copied();
        class.map_or("unknown", Class::name)
    });
    json!({
        "packets": value.packets,
        "frames": value.frames,
        "bytes": value.bytes,
        "first_ns": value.first_ns,
        "first_tick": value.first_tick,
        "last_tick": value.last_tick,
        "tcp_flags": value.tcp_flags,
        "traffic_class": value.traffic_class,
        "marks": value.marks,
        "source_mac": mac(value.source_mac),
        "destination_mac": mac(value.destination_mac),
        "classes": classes,
        "counters": value.interface_number(),
        "long_way": value.interface & netweir_wire::map::LONG_WAY != 0,
        "rule": rule.number(),
        "action": rule.action().name(),
    })
}

fn counters(counters: &InterfaceCounters) -> Value {
    let classes = Class::ALL.map(|class| (class.name(), volume(&counters.class(class))));
    let lost = LossReason::ALL.map(|reason| {
        let lost = &counters.lost[reason as usize];
        (reason.name(), volume(lost))
    });
    let problems =
        Problem::ALL.map(|problem| (problem.name(), counters.problems[problem as usize]));
    json!({
        "seen": count(&counters.seen),
        "counted": count(&counters.counted),
        "short": count(&counters.short),
        "filtered": volume(&counters.filtered),
        "sampled": volume(&counters.sampled),
        "lost": named(lost),
        "dropped": volume(&counters.dropped),
        "spared": volume(&counters.spared),
        "classes": named(classes),
        "problems": named(problems),
    })
}

fn quic(quic: &QuicCounters) -> Value {
    let [long, short, spin] = quic.told;
    let lost = QuicLoss::ALL.map(|reason| (reason.name(), quic.lost[reason as usize]));
    let undecoded = Undecoded::ALL.map(|reason| (reason.name(), quic.undecoded[reason as usize]));
    json!({
        "long": quic.long,
        "short": quic.short,
        "told": { "long": long, "short": short, "spin": spin },
        "lost": named(lost),
        "decoded": quic.decoded,
        "no_room": quic.no_room,
        "undecoded": named(undecoded),
        "granted_tick": quic.granted_tick,
        "allowance": quic.allowance,
    })
}

fn heads(heads: &HeadCounters) -> Value {
    let lost = HeadLoss::ALL.map(|reason| (reason.name(), heads.lost[reason as usize]));
    json!({
        "told": heads.told,
        "passed_over": heads.passed_over,
        "lost": named(lost),
        "granted_tick": heads.granted_tick,
        "allowance": heads.allowance,
    })
}

fn carried_sums(sums: &CarriedSums) -> Value {
    let strays = StrayReason::ALL.map(|reason| {
        let stray = &sums.strays[reason as usize];
        (reason.name(), volume(stray))
    });
    json!({ "strays": named(strays), "quic": quic(&sums.quic), "heads": heads(&sums.heads) })
}

fn cache_state(state: &CacheState) -> Value {
    json!({
        "epoch": state.epoch, "used": state.used, "opened": state.opened,
        "admitted": state.admitted,
    })
}

fn epoch(epoch: &Epoch) -> Value {
    json!({
        "current": epoch.current,
        "generation": epoch.generation,
        "taken_epochs": epoch.taken >> 32,
        "taken_ring_bytes": epoch.taken & u64::from(u32::MAX),
        "prepared": epoch.prepared != 0,
    })
}
