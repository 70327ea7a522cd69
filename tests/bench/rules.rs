//! Nanoseconds that rules add to a packet: to the first one of a flow, which they decide about, and to
//! one whose flow is known.
//!
//! The rules are of the kinds that people write, in one list: networks and hosts at one end, at both,
//! with ports, and ports alone. The addresses are those of the flows, so that many match.

use netweir_agent::{attach::MapSizes, collect::InterfaceNames};
use netweir_flow::rule::{Field, Numbered, Rule, RuleSet};
use netweir_tests::{Pinned, Program, Rig, Target, Yardstick};

use crate::{
    minimum,
    packet::segment,
    sequence::{distinct, scattered},
    table::Table,
};

/// Times that all is loaded anew, and so lies elsewhere in memory.
const LOADS: usize = 3;
/// Times in a load that all flows are new to each list. The lists take turns: what else the machine
/// does meets them all.
const EPOCHS: usize = 60;
/// New flows of an epoch: the cache of one CPU has room for all.
const FLOWS: u32 = 6_000;
/// Small enough for the cache of a processor, so that what rules cost is not lost in the waiting for memory.
const SIZES: MapSizes = MapSizes {
    cache: 16_384,
    flows: 1024,
    ring: 1 << 20,
    quic: 1 << 20,
    interfaces: 16,
};
/// Packets of the known flow in an epoch.
const RUNS: u32 = 50_000;
/// Lists of so many rules, of all kinds or of one.
const LISTS: [(u32, Kinds); 6] = [
    (0, Kinds::All),
    (10, Kinds::All),
    (100, Kinds::All),
    (400, Kinds::All),
    (1024, Kinds::All),
    (1024, Kinds::Networks),
];
const COLUMNS: [&str; 5] = ["empty", "new", "new_over_none", "known", "known_over_none"];

/// Measures each hook with each number of rules, in turns with none.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let _pinned = Pinned::to_one_cpu()?;
    let mut rows = Vec::new();
    for (place, program, empty) in [
        ("XDP", Program::XDP, Program::EMPTY_XDP),
        ("TC ingress", Program::TC_INGRESS, Program::EMPTY_TC),
    ] {
        let mut figures: Vec<Figures> = LISTS.iter().map(|_| Figures::default()).collect();
        for _ in 0..LOADS {
            load(&mut figures, [program, empty])?;
        }
        let none = figures[0].least();
        for ((count, kinds), figures) in LISTS.iter().zip(&figures) {
            let [empty, new, known] = figures.least();
            let over = [empty, new, new - none[1], known, known - none[2]];
            rows.push((format!("{place} {count} {}", kinds.name()), over.to_vec()));
        }
    }
    Ok(Table {
        title: "a packet by BPF_PROG_TEST_RUN under rules, the lowest of all rounds, in nanoseconds",
        columns: COLUMNS.to_vec(),
        rows,
    })
}

/// What rules of a list are.
#[derive(Clone, Copy)]
enum Kinds {
    /// Of eight kinds.
    All,
    /// Source networks.
    Networks,
}

impl Kinds {
    const fn name(self) -> &'static str {
        match self {
            Self::All => "rules",
            Self::Networks => "networks",
        }
    }
}

#[derive(Default)]
struct Figures {
    empty: Vec<f64>,
    new: Vec<f64>,
    known: Vec<f64>,
}

impl Figures {
    fn least(&self) -> [f64; 3] {
        [&self.empty, &self.new, &self.known].map(|rounds| minimum(rounds))
    }
}

fn load(figures: &mut [Figures], [program, empty]: [Program; 2]) -> anyhow::Result<()> {
    let frame = segment();
    let mut yardstick = Yardstick::with_sequence(1, &distinct(FLOWS))?;
    let nothing = Target::new(&mut yardstick, empty)?;
    let rigs: anyhow::Result<Vec<_>> = LISTS.into_iter().map(|list| rig(program, list)).collect();
    let mut rigs = rigs?;
    for _ in 0..EPOCHS {
        for (rig, figures) in rigs.iter_mut().zip(&mut *figures) {
            let time = yardstick.mix(&nothing, &frame, FLOWS)?;
            figures.empty.push(time.as_nanos() as f64);
            let target = Target::new(&mut rig.object, program)?;
            let time = yardstick.mix(&target, &frame, FLOWS)?;
            figures.new.push(time.as_nanos() as f64);
            let time = program.run(&mut rig.object, &frame, RUNS)?;
            figures.known.push(time.as_nanos() as f64);
            // What was counted is taken: all flows are new again.
            rig.drain()?;
        }
    }
    Ok(())
}

/// A load with so many rules in force.
fn rig(program: Program, (count, kinds): (u32, Kinds)) -> anyhow::Result<Rig> {
    let mut rig = Rig::watching(7, SIZES)?;
    if count == 0 {
        return Ok(rig);
    }
    let rules = (0..count).map(|number| {
        let kind = match kinds {
            Kinds::All => number % 8,
            Kinds::Networks => 0,
        };
        let rule = rule(number, kind)?;
        let number = number as u16 + 1;
        anyhow::Ok(Numbered { number, rule })
    });
    let set = RuleSet::new(rules.collect::<anyhow::Result<_>>()?);
    let compiled = set.compile()?;
    rig.collector.write_rules(&compiled, 1)?;
    let interface = rig.interface(program);
    rig.collector
        .add_named_interface(interface, InterfaceNames::default())?;
    rig.collector.enforce_rules(1);
    Ok(rig)
}

/// The rule of a number, of one of eight kinds.
fn rule(number: u32, kind: u32) -> anyhow::Result<Rule> {
    let address = std::net::Ipv4Addr::from(scattered(number));
    let port = 1000 + number % 5000;
    let mut rule = Rule {
        label: format!("label-{number}"),
        both_ways: kind == 3,
        ..Rule::default()
    };
    let fields: &[(Field, String)] = &match kind {
        0 | 1 => vec![(Field::Source, format!("{address}/24"))],
        2 => vec![(Field::Source, format!("{address}/16"))],
        3 => vec![(Field::Source, format!("{address}/32"))],
        4 => vec![
            (Field::Source, format!("{address}/20")),
            (Field::DestinationPort, "443".into()),
        ],
        5 => vec![
            (Field::Source, format!("{address}/12")),
            (Field::Protocol, "tcp".into()),
        ],
        6 => vec![
            (Field::Destination, format!("{address}/24")),
            (Field::DestinationPort, format!("{port}-{}", port + 10)),
        ],
        _ => vec![
            (Field::Protocol, "udp".into()),
            (Field::DestinationPort, port.to_string()),
        ],
    };
    for (field, value) in fields {
        rule.set(*field, value).map_err(anyhow::Error::msg)?;
    }
    Ok(rule)
}
