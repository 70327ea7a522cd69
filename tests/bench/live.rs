//! Nanoseconds a packet at live hooks, by the kernel's own statistics.
//!
//! The kernel takes the time before and after every run, which is in the figures; the program that
//! does nothing shows how much that is. This is the only way to measure the tracepoints.

use std::time::Duration;

use aya::{
    Btf,
    programs::{
        BtfTracePoint, LinkOrder, ProgramInfo, RawTracePoint, SchedClassifier, TcAttachType,
        XdpMode, tc::TcAttachOptions,
    },
    sys::{Stats, enable_stats},
};
use netweir_agent::{
    attach::{Object, Purpose},
    collect::Collector,
};
use netweir_tests::{Load, Program, Programs, Sender, Yardstick};
use netweir_wire::{
    map::{Direction, InterfaceKey},
    name,
};

use crate::{
    median,
    pair::{INTERFACE, Pair, device},
    sizes,
    table::Table,
};

const FLOWS: [u32; 3] = [1, 500, 65_000];
const ROOM: u32 = 65_536;
const ROUNDS: usize = 3;
/// So many that opening the flows is a small part of it, as it is in flows that live on.
const PACKETS: u64 = 650_000;
/// A round that takes longer is ended.
const MOST: Duration = Duration::from_secs(10);

/// Where a program sees frames sent from the far end to the near one.
#[derive(Clone, Copy)]
enum Place {
    TcIngress,
    TcEgress,
    Xdp,
}

const PLACES: [(&str, Place, &str); 3] = [
    ("TC ingress", Place::TcIngress, name::TC_INGRESS),
    ("TC egress", Place::TcEgress, name::TC_EGRESS),
    ("XDP", Place::Xdp, name::XDP),
];

/// Program, name of the tracepoint, and whether the program reads paged data.
const TRACEPOINTS: [(&str, &str, bool); 3] = [
    (name::TRACE_RECEIVE, "netif_receive_skb", true),
    (name::TRACE_TRANSMIT, "net_dev_queue", true),
    (name::TRACE_RECEIVE_LINEAR, "netif_receive_skb", false),
];

/// Measures each program with few and with many flows.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let _statistics = enable_stats(Stats::RunTime)?;
    let pair = Pair::new()?;
    let mut rows = Vec::new();
    for (place_name, place, ours) in PLACES {
        let mut figures = [const { Vec::new() }; 3];
        for flows in FLOWS {
            let mut rounds = [const { Vec::new() }; 3];
            for _ in 0..ROUNDS {
                rounds[0].push(with_yardstick(&pair, place, "empty", flows)?);
                rounds[1].push(with_yardstick(&pair, place, "plain", flows)?);
                rounds[2].push(with_ours(&pair, place, ours, flows)?);
            }
            for (figures, rounds) in figures.iter_mut().zip(rounds) {
                figures.push(median(rounds));
            }
        }
        for (program, figures) in ["empty", "plain", "ours"].iter().zip(figures) {
            rows.push((format!("{place_name} {program}"), figures));
        }
    }
    for (program, tracepoint, paged) in TRACEPOINTS {
        let mut figures = Vec::new();
        for flows in FLOWS {
            figures.push(with_tracepoint(&pair, program, (tracepoint, paged), flows)?);
        }
        let row = format!(
            "tracepoint {tracepoint}{}",
            if paged { "" } else { ", linear" }
        );
        rows.push((row, figures));
    }
    Ok(Table {
        title: "a packet live over veth by the kernel's statistics, in nanoseconds",
        columns: vec!["flows_1", "flows_500", "flows_65000"],
        rows,
    })
}

fn with_yardstick(pair: &Pair, place: Place, what: &str, flows: u32) -> anyhow::Result<f64> {
    let mut yardstick = Yardstick::new(ROOM)?;
    let program = match (place, what) {
        (Place::Xdp, "empty") => Program::EMPTY_XDP,
        (Place::Xdp, _) => Program::PLAIN_XDP,
        (_, "empty") => Program::EMPTY_TC,
        _ => Program::PLAIN_TC,
    };
    attach(pair, &mut yardstick, place, program.name)?;
    send(pair, flows)?;
    nanoseconds(&info(&mut yardstick, place, program.name)?)
}

fn with_ours(pair: &Pair, place: Place, name: &'static str, flows: u32) -> anyhow::Result<f64> {
    let netns = match place {
        Place::TcEgress => &pair.far,
        Place::TcIngress | Place::Xdp => &pair.near,
    };
    let purpose = Purpose::Interfaces {
        netns: netns.inode(),
    };
    let mut object = Object::load(&purpose, sizes(ROOM))?;
    let _collector = collector(pair, &mut object)?;
    attach(pair, &mut object, place, name)?;
    send(pair, flows)?;
    nanoseconds(&info(&mut object, place, name)?)
}

fn with_tracepoint(
    pair: &Pair,
    name: &'static str,
    (tracepoint, paged): (&str, bool),
    flows: u32,
) -> anyhow::Result<f64> {
    let mut object = Object::load(&Purpose::Tracepoints { any: false }, sizes(ROOM))?;
    let _collector = collector(pair, &mut object)?;
    let info = if paged {
        let types = Btf::from_sys_fs()?;
        let load = |program: &mut BtfTracePoint| program.load(tracepoint, &types);
        object.program(name, load)?.attach()?;
        send(pair, flows)?;
        object.program(name, |_: &mut BtfTracePoint| Ok(()))?.info()
    } else {
        let program = object.program(name, RawTracePoint::load)?;
        program.attach(tracepoint)?;
        send(pair, flows)?;
        object.program(name, RawTracePoint::load)?.info()
    };
    nanoseconds(&info?)
}

/// Announces both ends as an agent does.
fn collector(pair: &Pair, object: &mut Object) -> anyhow::Result<Collector> {
    let mut collector = Collector::new(object)?;
    for netns in [&pair.near, &pair.far] {
        for direction in [Direction::Ingress, Direction::Egress] {
            collector.add_interface(InterfaceKey {
                netns: netns.inode(),
                ifindex: device(netns)?.ifindex,
                direction: direction as u32,
            })?;
        }
    }
    Ok(collector)
}

fn attach(
    pair: &Pair,
    programs: &mut (impl Programs + Send),
    place: Place,
    name: &'static str,
) -> anyhow::Result<()> {
    let (netns, direction) = match place {
        Place::Xdp => {
            let program = programs.xdp(name)?;
            pair.near
                .enter(|| program.attach(INTERFACE, XdpMode::Driver))??;
            return Ok(());
        }
        Place::TcIngress => (&pair.near, TcAttachType::Ingress),
        Place::TcEgress => (&pair.far, TcAttachType::Egress),
    };
    let program: &mut SchedClassifier = programs.tc(name)?;
    let options = TcAttachOptions::TcxOrder(LinkOrder::default());
    netns.enter(|| program.attach_with_options(INTERFACE, direction, options))??;
    Ok(())
}

fn send(pair: &Pair, flows: u32) -> anyhow::Result<()> {
    let load = Load {
        packets: PACKETS,
        per_second: None,
        at_most: MOST,
    };
    let sender = Sender::open(&pair.far, INTERFACE)?;
    sender.send(load, |place| (place % u64::from(flows)) as u32)?;
    Ok(())
}

fn info(
    programs: &mut impl Programs,
    place: Place,
    name: &'static str,
) -> anyhow::Result<ProgramInfo> {
    Ok(match place {
        Place::Xdp => programs.xdp(name)?.info()?,
        Place::TcIngress | Place::TcEgress => programs.tc(name)?.info()?,
    })
}

fn nanoseconds(info: &ProgramInfo) -> anyhow::Result<f64> {
    anyhow::ensure!(info.run_count() != 0, "the program never ran");
    Ok(info.run_time().as_nanos() as f64 / info.run_count() as f64)
}
