//! The kernel programs on a rig: run one by one over frames, and what they counted read back.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use aya::{
    TestRunOptions,
    programs::{TestRun, TestRunResult},
};
use netweir_agent::{
    attach::{MapSizes, Object, Purpose, Variant},
    collect::Collector,
};
use netweir_flow::{Batch, Meter};
use netweir_packets::port_bits;
use netweir_wire::{
    map::{Direction, InterfaceKey, PortClasses, QuicEvent},
    name,
    packet::LinkType,
};

use crate::{Feature, Programs, SkbContext};

/// What a program is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An skb.
    Tc,
    /// An XDP buffer.
    Xdp,
}

/// What programs return that let a packet pass: TC_ACT_UNSPEC and XDP_PASS.
const TC_ACT_UNSPEC: u32 = u32::MAX;
const XDP_PASS: u32 = 2;
/// What they return that drop it.
const TC_ACT_SHOT: u32 = 2;
const XDP_DROP: u32 = 1;

/// A program that the kernel can run over a frame of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its name in the object.
    pub name: &'static str,
    /// What it is run with.
    pub entry: Entry,
    /// The direction that it counts.
    pub direction: Direction,
    /// What its frames begin with.
    pub link: LinkType,
}

/// Every program that counts and that a kernel runs over a frame of ours. It runs the tracepoints over
/// none.
const PROGRAMS: [Program; 7] = {
    use Direction::{Egress, Ingress};
    use Entry::{Tc, Xdp};
    use LinkType::{Ethernet, Ip};
    [
        program(name::XDP, (Xdp, Ingress, Ethernet)),
        program(name::XDP_ASKING, (Xdp, Ingress, Ethernet)),
        program(name::XDP_LINEAR, (Xdp, Ingress, Ethernet)),
        program(name::TC_INGRESS, (Tc, Ingress, Ethernet)),
        program(name::TC_EGRESS, (Tc, Egress, Ethernet)),
        program(name::TC_INGRESS_IP, (Tc, Ingress, Ip)),
        program(name::TC_EGRESS_IP, (Tc, Egress, Ip)),
    ]
};

const fn program(
    name: &'static str,
    (entry, direction, link): (Entry, Direction, LinkType),
) -> Program {
    Program {
        name,
        entry,
        direction,
        link,
    }
}

impl Program {
    /// The XDP program for packets of several buffers.
    pub const XDP: Self = PROGRAMS[0];
    /// The same that asks the kernel how long a packet is.
    pub const XDP_ASKING: Self = PROGRAMS[1];
    /// The XDP program for packets of one buffer.
    pub const XDP_LINEAR: Self = PROGRAMS[2];
    /// The TC program of the receive path.
    pub const TC_INGRESS: Self = PROGRAMS[3];
    /// The TC program of the transmit path.
    pub const TC_EGRESS: Self = PROGRAMS[4];

    /// All that the running kernel can load.
    pub fn all() -> impl Iterator<Item = Self> {
        PROGRAMS.into_iter().filter(Self::is_loadable)
    }

    fn is_loadable(&self) -> bool {
        match *self {
            Self::XDP => Feature::KernelContext.is_there(),
            Self::XDP_ASKING => Feature::XdpFrags.is_there(),
            _ => true,
        }
    }

    /// The XDP program that the agent would take on the running kernel.
    pub fn xdp() -> Self {
        let ways = [Self::XDP, Self::XDP_ASKING];
        let found = ways.into_iter().find(Self::is_loadable);
        found.unwrap_or(Self::XDP_LINEAR)
    }
}

/// A load of the object for one namespace, with nothing attached.
pub struct Rig {
    /// The programs.
    pub object: Object,
    /// The maps.
    pub collector: Collector,
    netns: u32,
}

/// The interface of a run that names none: the loopback of whoever calls.
const LOOPBACK: u32 = 1;

impl Rig {
    /// Loads the object as for the namespace with this inode number, whose ports are classified as
    /// the corpus is.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn new(netns: u32, sizes: MapSizes) -> anyhow::Result<Self> {
        Self::variant(netns, sizes, Variant::default())
    }

    /// The same, with programs that count only a part in flows.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn variant(netns: u32, sizes: MapSizes, variant: Variant) -> anyhow::Result<Self> {
        let mut object = Object::load_variant(&Purpose::Interfaces { netns }, sizes, variant)?;
        let collector = Collector::new(&mut object)?;
        Self::of(netns, object, collector)
    }

    /// An object that was loaded for the namespace with this inode number, and what collects from
    /// its maps.
    ///
    /// # Errors
    /// A map cannot be written.
    pub fn of(netns: u32, object: Object, mut collector: Collector) -> anyhow::Result<Self> {
        let mut ports = Box::new(PortClasses { bits: [0; 65536] });
        for (port, bits) in (0..=u16::MAX).zip(&mut ports.bits) {
            *bits = port_bits(port);
        }
        collector.set_ports(&ports)?;
        Ok(Self {
            object,
            collector,
            netns,
        })
    }

    /// The same, with the interface of runs known to the programs beforehand, as the agent does it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn watching(netns: u32, sizes: MapSizes) -> anyhow::Result<Self> {
        let mut rig = Self::new(netns, sizes)?;
        for program in [Program::TC_INGRESS, Program::TC_EGRESS] {
            let interface = rig.interface(program);
            rig.collector.add_interface(interface)?;
        }
        Ok(rig)
    }

    /// What a program counts its runs under.
    pub const fn interface(&self, program: Program) -> InterfaceKey {
        InterfaceKey {
            netns: self.netns,
            ifindex: LOOPBACK,
            direction: program.direction as u32,
        }
    }

    /// What was counted since the last drain.
    ///
    /// # Errors
    /// A map cannot be read.
    pub fn drain(&mut self) -> anyhow::Result<Batch> {
        drain(&mut self.collector)
    }

    /// What was told of QUIC since the last time, with the bytes of the datagrams.
    pub fn events(&mut self) -> Vec<(QuicEvent, Vec<u8>)> {
        let mut events = Vec::new();
        self.collector
            .read_quic(&mut |event, bytes| events.push((*event, bytes.to_vec())));
        events
    }

    /// Runs a program over a frame.
    ///
    /// # Errors
    /// The kernel takes no such frame.
    pub fn run(&mut self, program: Program, frame: &[u8]) -> anyhow::Result<()> {
        program.run(&mut self.object, frame, 1).map(drop)
    }

    /// Runs a program over a frame; says whether the frame passes.
    ///
    /// # Errors
    /// The kernel takes no such frame.
    pub fn passes(&mut self, program: Program, frame: &[u8]) -> anyhow::Result<bool> {
        let options = TestRunOptions {
            data_in: Some(frame),
            ..TestRunOptions::default()
        };
        let result = program.verdict(&mut self.object, options)?;
        match (program.entry, result.return_value) {
            (Entry::Tc, TC_ACT_UNSPEC) | (Entry::Xdp, XDP_PASS) => Ok(true),
            (Entry::Tc, TC_ACT_SHOT) | (Entry::Xdp, XDP_DROP) => Ok(false),
            (_, other) => bail!("{} returned {other}", program.name),
        }
    }

    /// Runs a TC program over a frame with a context.
    ///
    /// # Errors
    /// The kernel takes no such frame or context.
    pub fn run_with(
        &mut self,
        program: Program,
        frame: &[u8],
        context: &SkbContext,
    ) -> anyhow::Result<()> {
        let options = TestRunOptions {
            data_in: Some(frame),
            ctx_in: Some(context.as_bytes()),
            ..TestRunOptions::default()
        };
        program.test_run(&mut self.object, options).map(drop)
    }
}

/// Drains and takes, all in one batch.
///
/// # Errors
/// A map cannot be read.
pub fn drain(collector: &mut Collector) -> anyhow::Result<Batch> {
    let mut batch = Batch::default();
    let mut flows = Vec::new();
    collector.begin(&mut batch)?;
    collector.read_flows(&mut |samples| flows.extend_from_slice(samples))?;
    batch.interfaces.clear();
    collector.classified(&mut batch);
    collector.take()?;
    batch.flows = flows;
    Ok(batch)
}

/// Drains into a meter, as the agent does.
///
/// # Errors
/// A map cannot be read.
pub fn drain_into(meter: &mut Meter, collector: &mut Collector) -> anyhow::Result<()> {
    let mut batch = Batch::default();
    collector.begin(&mut batch)?;
    meter.apply(&batch);
    collector.read_flows(&mut |samples| meter.apply_flows(0, samples))?;
    batch.interfaces.clear();
    batch.settled.clear();
    collector.classified(&mut batch);
    meter.apply(&batch);
    collector.take()?;
    Ok(())
}

impl Program {
    /// Runs the program over a frame, `times` in a row, and says how long one run took.
    ///
    /// # Errors
    /// The kernel takes no such frame, or the program does not let it pass.
    pub fn run(
        self,
        programs: &mut impl Programs,
        frame: &[u8],
        times: u32,
    ) -> anyhow::Result<Duration> {
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat: times,
            ..TestRunOptions::default()
        };
        self.test_run(programs, options)
    }

    fn test_run(
        self,
        programs: &mut impl Programs,
        options: TestRunOptions<'_>,
    ) -> anyhow::Result<Duration> {
        let passes = match self.entry {
            Entry::Tc => TC_ACT_UNSPEC,
            Entry::Xdp => XDP_PASS,
        };
        let result = self.verdict(programs, options)?;
        let verdict = result.return_value;
        ensure!(verdict == passes, "{} returned {verdict}", self.name);
        Ok(result.duration)
    }

    fn verdict(
        self,
        programs: &mut impl Programs,
        options: TestRunOptions<'_>,
    ) -> anyhow::Result<TestRunResult> {
        let result = match self.entry {
            Entry::Tc => programs.tc(self.name)?.test_run(options),
            Entry::Xdp => programs.xdp(self.name)?.test_run(options),
        };
        result.with_context(|| format!("cannot run {} over a frame", self.name))
    }
}
