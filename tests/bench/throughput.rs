//! What a hook takes from the throughput of TCP: iperf3 over a pair, with and without.
//!
//! Runs come in pairs, one with and one without, in changing order, and what counts is the ratio of
//! each pair: both ends share the CPUs with the sender and the receiver, and no two runs are alike.

use std::sync::{Arc, RwLock};

use aya::programs::XdpMode;
use netweir_agent::{
    Agent, Choice, Interfaces, QuicSettings, RuleSettings, Settings,
    attach::{HookChoice, Modes, TcMode},
    now_ns,
};
use netweir_flow::Meter;
use netweir_tests::{Program, Programs, Yardstick};
use netweir_wire::map::PortClasses;

use crate::{
    median,
    pair::{INTERFACE, Pair},
    sizes,
    table::Table,
};

const SECONDS: u32 = 3;
const FLOWS: u32 = 65_536;

/// What is attached while TCP runs.
#[derive(Clone, Copy)]
enum Load {
    /// Nothing: how far two runs without anything differ.
    Nothing,
    /// Netweir, at one end or at both.
    Netweir(HookChoice, TcMode, Ends),
    /// An XDP program that does nothing, at the receiving end.
    EmptyXdp,
}

#[derive(Clone, Copy)]
enum Ends {
    Receiver,
    Both,
}

/// What is measured, in how many pairs of runs.
const LOADS: [(&str, Load, usize); 6] = [
    (
        "TCX, both ends",
        Load::Netweir(HookChoice::Tc, TcMode::Tcx, Ends::Both),
        15,
    ),
    ("nothing", Load::Nothing, 15),
    (
        "clsact, both ends",
        Load::Netweir(HookChoice::Tc, TcMode::Clsact, Ends::Both),
        3,
    ),
    (
        "tracepoint",
        Load::Netweir(HookChoice::Tracepoint, TcMode::Auto, Ends::Receiver),
        3,
    ),
    (
        "XDP",
        Load::Netweir(HookChoice::Xdp, TcMode::Auto, Ends::Receiver),
        3,
    ),
    ("XDP that does nothing", Load::EmptyXdp, 3),
];

/// Measures each hook in turns with none.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let mut rows = Vec::new();
    for (name, load, pairs) in LOADS {
        let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..pairs {
            let (free, metered);
            if number % 2 == 0 {
                free = gigabits(Load::Nothing)?;
                metered = gigabits(load)?;
            } else {
                metered = gigabits(load)?;
                free = gigabits(Load::Nothing)?;
            }
            without.push(free);
            with.push(metered);
            ratios.push(metered / free);
        }
        let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        let figures = vec![
            median(without),
            median(with),
            median(ratios),
            lowest,
            highest,
            pairs as f64,
        ];
        rows.push((name.to_owned(), figures));
    }
    Ok(Table {
        title: "TCP throughput over veth by iperf3, in Gbit/s, and the ratios of paired runs",
        columns: vec!["without", "with", "ratio", "lowest", "highest", "pairs"],
        rows,
    })
}

fn gigabits(load: Load) -> anyhow::Result<f64> {
    let pair = Pair::new()?;
    match load {
        Load::Nothing => pair.iperf(SECONDS, || Ok(())),
        Load::Netweir(hook, tc, ends) => {
            let mut agent = start(&pair, hook, tc, ends)?;
            let gigabits = pair.iperf(SECONDS, || Ok(agent.drain()?))?;
            agent.stop()?;
            Ok(gigabits)
        }
        Load::EmptyXdp => {
            let mut yardstick = Yardstick::new(1)?;
            let program = yardstick.xdp(Program::EMPTY_XDP.name)?;
            pair.near
                .enter(|| program.attach(INTERFACE, XdpMode::Driver))??;
            pair.iperf(SECONDS, || Ok(()))
        }
    }
}

fn start(pair: &Pair, hook: HookChoice, tc: TcMode, ends: Ends) -> anyhow::Result<Agent> {
    let settings = Settings {
        choices: vec![Choice {
            interfaces: Interfaces::Name(INTERFACE.to_owned()),
            hook: None,
        }],
        except: Vec::new(),
        hook,
        modes: Modes {
            tc,
            ..Modes::default()
        },
        trace_any: false,
        maps: sizes(FLOWS),
        ports: Box::new(PortClasses { bits: [0; 65536] }),
        only: None,
        sampling: 1,
        quic: QuicSettings::default(),
        rules: RuleSettings::default(),
        pins: None,
    };
    let meter = Meter::new(&netweir_flow::Settings::default(), now_ns());
    let meter = Arc::new(RwLock::new(meter));
    let mut namespaces = vec![pair.near.try_clone()?];
    if matches!(ends, Ends::Both) {
        namespaces.push(pair.far.try_clone()?);
    }
    Ok(Agent::start(settings, namespaces, meter)?)
}
