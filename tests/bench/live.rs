//! Nanoseconds a packet at live hooks, by the kernel's own statistics.
//!
//! The kernel takes the time before and after every run, which is in the figures; the program that
//! does nothing shows how much that is. This is the only way to measure the tracepoints.

use aya::{
    Btf,
    programs::{
        BtfTracePoint, LinkOrder, ProgramInfo, RawTracePoint, SchedClassifier, TcAttachType, Xdp,
        XdpMode, tc::TcAttachOptions,
    },
    sys::{Stats, enable_stats},
};
use netweir_agent::{
    Netns,
    attach::{MapSizes, Object, Purpose},
    collect::Collector,
    scratch::{FrameSocket, veth},
    watch,
};
use netweir_tests::udp_frame;
use netweir_wire::{
    map::{Direction, InterfaceKey},
    name,
};

use crate::table::Table;

const FRAMES: usize = 400_000;
const FLOWS: [usize; 3] = [1, 500, 60_000];
const SIZES: MapSizes = MapSizes {
    flows: 65_536,
    interfaces: 16,
};

/// Where a program is attached to see frames sent from one end of a pair to the other.
#[derive(Clone, Copy)]
enum Place {
    TcIngress,
    TcEgress,
    Xdp,
    Receive,
    Transmit,
    ReceiveLinear,
}

const PROGRAMS: [(&str, Place); 8] = [
    (name::EMPTY_TC, Place::TcIngress),
    (name::TC_INGRESS, Place::TcIngress),
    (name::TC_EGRESS, Place::TcEgress),
    (name::EMPTY_XDP, Place::Xdp),
    (name::XDP, Place::Xdp),
    (name::TRACE_RECEIVE, Place::Receive),
    (name::TRACE_TRANSMIT, Place::Transmit),
    (name::TRACE_RECEIVE_LINEAR, Place::ReceiveLinear),
];

/// Measures each program with few and with many flows.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let _statistics = enable_stats(Stats::RunTime)?;
    let mut rows = Vec::new();
    for (name, place) in PROGRAMS {
        let mut figures = Vec::new();
        for flows in FLOWS {
            figures.push(nanoseconds(name, place, flows)?);
        }
        rows.push((name.to_owned(), figures));
    }
    Ok(Table {
        title: "a packet live over veth by the kernel's statistics, in nanoseconds",
        columns: vec!["flows_1", "flows_500", "flows_60000"],
        rows,
    })
}

fn nanoseconds(name: &'static str, place: Place, flows: usize) -> anyhow::Result<f64> {
    let left = Netns::anonymous("left")?;
    let right = Netns::anonymous("right")?;
    veth((&left, "left"), (&right, "right"))?;
    let traced = matches!(
        place,
        Place::Receive | Place::Transmit | Place::ReceiveLinear
    );
    let purpose = if traced {
        Purpose::Tracepoints { any: false }
    } else {
        Purpose::Interfaces {
            netns: right.inode(),
        }
    };
    let mut object = Object::load(&purpose, SIZES)?;
    let mut collector = Collector::new(&mut object)?;
    for (netns, device) in [(&left, "left"), (&right, "right")] {
        let devices = watch::list(netns)?;
        let known = devices.iter().find(|known| known.name == device);
        for direction in [Direction::Ingress, Direction::Egress] {
            collector.add_interface(InterfaceKey {
                netns: netns.inode(),
                ifindex: known.map_or(0, |known| known.ifindex),
                direction: direction as u32,
            })?;
        }
    }
    let namespace = match place {
        Place::TcEgress => &left,
        _ => &right,
    };
    namespace.enter(|| attach(&mut object, name, place))??;
    let frames: Vec<Vec<u8>> = (0..flows).map(|port| udp_frame(port as u16, 22)).collect();
    let socket = FrameSocket::open(&left, "left")?;
    for frame in frames.iter().cycle().take(FRAMES) {
        socket.send(frame)?;
    }
    let info = info(&mut object, name, place)?;
    Ok(info.run_time().as_nanos() as f64 / info.run_count() as f64)
}

fn attach(object: &mut Object, name: &'static str, place: Place) -> anyhow::Result<()> {
    match place {
        Place::TcIngress | Place::TcEgress => {
            let (device, kind) = match place {
                Place::TcIngress => ("right", TcAttachType::Ingress),
                _ => ("left", TcAttachType::Egress),
            };
            let options = TcAttachOptions::TcxOrder(LinkOrder::default());
            let program = object.program(name, SchedClassifier::load)?;
            program.attach_with_options(device, kind, options)?;
        }
        Place::Xdp => {
            let program = object.program(name, Xdp::load)?;
            program.attach("right", XdpMode::Driver)?;
        }
        Place::Receive | Place::Transmit => {
            let types = Btf::from_sys_fs()?;
            let load = |program: &mut BtfTracePoint| program.load(tracepoint(place), &types);
            object.program(name, load)?.attach()?;
        }
        Place::ReceiveLinear => {
            let program = object.program(name, RawTracePoint::load)?;
            program.attach(tracepoint(place))?;
        }
    }
    Ok(())
}

const fn tracepoint(place: Place) -> &'static str {
    match place {
        Place::Transmit => "net_dev_queue",
        _ => "netif_receive_skb",
    }
}

fn info(object: &mut Object, name: &'static str, place: Place) -> anyhow::Result<ProgramInfo> {
    let info = match place {
        Place::TcIngress | Place::TcEgress => object.program(name, SchedClassifier::load)?.info(),
        Place::Xdp => object.program(name, Xdp::load)?.info(),
        Place::ReceiveLinear => object.program(name, RawTracePoint::load)?.info(),
        Place::Receive | Place::Transmit => {
            object.program(name, |_: &mut BtfTracePoint| Ok(()))?.info()
        }
    };
    Ok(info?)
}
