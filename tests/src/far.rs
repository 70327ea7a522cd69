//! The far ends of a network that frames cross: live frames set out at one, and arrive at the other. And the
//! least that can be in its middle.
//!
//! The programs are those of `kernel/bench/far.rs`, of which the names are spelled here.

use anyhow::Context;
use aya::{
    TestRunOptions,
    maps::{Array, DevMap, PerCpuArray},
    programs::{TcAttachType, TestRun, TestRunAttrs, XdpMode},
};
use netweir_agent::{Netns, watch};

use crate::{Programs, Yardstick};

const SEND: &str = "bench_send_xdp";
const ARRIVE_XDP: &str = "bench_arrive_xdp";
const ARRIVE_TC: &str = "bench_arrive_tc";
const OUT: &str = "OUT";
const ARRIVED: &str = "ARRIVED";
const DELAYS: &str = "DELAYS";

/// Where the payload of UDP over IPv4 begins: the time, then the number.
const PAYLOAD: usize = 14 + 20 + 8;

/// A middle that does nothing but send on, until this value ends.
pub struct Onward {
    _yardstick: Yardstick,
}

impl Onward {
    /// What comes by one interface goes on by another one, in the driver or behind it.
    ///
    /// # Errors
    /// There is no such interface, or the kernel refuses.
    pub fn new(netns: &Netns, (from, to): (&str, &str), native: bool) -> anyhow::Result<Self> {
        let mut yardstick = sending(netns, to)?;
        let program = yardstick.xdp(SEND)?;
        let mode = match native {
            true => XdpMode::Driver,
            false => XdpMode::Skb,
        };
        netns.enter(|| program.attach(from, mode))??;
        Ok(Self {
            _yardstick: yardstick,
        })
    }
}

/// Programs of which one sends by this interface.
fn sending(netns: &Netns, interface: &str) -> anyhow::Result<Yardstick> {
    let mut yardstick = Yardstick::new(1)?;
    let ifindex = watch::find(netns, interface)?.ifindex;
    let mut out: DevMap<_> = yardstick.map(OUT)?.try_into()?;
    netns.enter(|| out.set(0, ifindex, None, 0))??;
    yardstick.xdp(SEND)?;
    Ok(yardstick)
}

/// Where frames arrive: they are counted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// In the driver, before there is an skb: they are dropped.
    Driver,
    /// Where the stack begins, which takes them to whom they are for.
    Stack,
}

/// Both ends, until this value ends.
pub struct Far {
    yardstick: Yardstick,
}

impl Far {
    /// Frames that the kernel sends at once.
    pub const BATCH: u32 = 64;

    /// Between two interfaces, each in its namespace.
    ///
    /// # Errors
    /// There is no such interface, or the kernel refuses.
    pub fn new(
        from: (&Netns, &str),
        (to, interface): (&Netns, &str),
        arrival: Arrival,
    ) -> anyhow::Result<Self> {
        let mut yardstick = sending(from.0, from.1)?;
        match arrival {
            Arrival::Driver => {
                let program = yardstick.xdp(ARRIVE_XDP)?;
                to.enter(|| program.attach(interface, XdpMode::Driver).map(drop))??;
            }
            Arrival::Stack => {
                let program = yardstick.tc(ARRIVE_TC)?;
                to.enter(|| program.attach(interface, TcAttachType::Ingress).map(drop))??;
            }
        }
        Ok(Self { yardstick })
    }

    /// Sends a frame so many times, as fast as it goes; on this CPU, with all that the kernel does for them
    /// there.
    ///
    /// # Errors
    /// The kernel has no live frames (they came with Linux 5.18), or takes no such one.
    pub fn send(&mut self, frame: &[u8], times: u32) -> anyhow::Result<()> {
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat: times,
            attrs: TestRunAttrs::new().xdp_live_frames(Self::BATCH),
            ..TestRunOptions::default()
        };
        let sent = self.yardstick.xdp(SEND)?.test_run(options);
        sent.context("cannot send live frames")?;
        Ok(())
    }

    /// Frames that have arrived so far.
    ///
    /// # Errors
    /// The map cannot be read.
    pub fn arrived(&mut self) -> anyhow::Result<u64> {
        let arrived: PerCpuArray<_, u64> = self.yardstick.map(ARRIVED)?.try_into()?;
        Ok(arrived.get(&0, 0)?.iter().sum())
    }

    /// Writes into a frame of UDP over IPv4 when it is sent, and its number, from 1 to 65,535: then
    /// [`Self::delays`] has it. The checksum becomes wrong; nobody looks at it.
    pub fn mark(frame: &mut [u8], sent_ns: u64, number: u32) {
        let (time, rest) = frame[PAYLOAD..].split_at_mut(size_of::<u64>());
        time.copy_from_slice(&sent_ns.to_ne_bytes());
        rest[..size_of::<u32>()].copy_from_slice(&number.to_ne_bytes());
    }

    /// How long the frames up to a number were on their way, in nanoseconds, without those that have not
    /// arrived; and forgets it.
    ///
    /// # Errors
    /// The map cannot be read or written.
    pub fn delays(&mut self, numbers: u32) -> anyhow::Result<Vec<u64>> {
        let mut delays: Array<_, u64> = self.yardstick.map(DELAYS)?.try_into()?;
        let mut known = Vec::new();
        for number in 1..=numbers {
            let delay = delays.get(&number, 0)?;
            if delay != 0 {
                known.push(delay);
                delays.set(number, 0, 0)?;
            }
        }
        Ok(known)
    }
}
