//! How many frames cross in a second.

use std::{
    thread,
    time::{Duration, Instant},
};

use netweir_tests::{Load, Sender};

use super::{
    ROUNDS, Rows, frame, row,
    wire::{CLIENT, Middle, Wire},
};
use crate::median;

/// Frames sent as fast as they come, by one call: each call takes the kernel some 25 ms beside the frames.
const FRAMES: u32 = 2_000_000;
/// How long frames are sent by a socket, and how many rates are tried.
const PACED: Duration = Duration::from_millis(250);
const TRIES: usize = 7;
/// About what a packet socket sends where nothing is done with it.
const HIGHEST: f64 = 1_800_000.0;
/// The flow that leaves a frame's source address, and so its checksum, as they are.
const FLOW: u32 = 16;
/// The share that has to go by user space.
const SHARE: f64 = 0.999;
/// How long the last frames may take.
const PATIENCE: Duration = Duration::from_millis(100);

/// What became of some frames, in a second.
#[derive(Clone, Copy)]
struct Rate {
    sent: f64,
    arrived: f64,
    tapped: f64,
}

impl Rate {
    /// Of those sent, how many have not arrived, in percent.
    fn lost(&self) -> f64 {
        (self.sent - self.arrived) / self.sent * 100.0
    }
}

/// One of each wire, in their order.
type Round = [Rate; 8];

/// Measures each wire in turns: without a middle, by XDP alone, by the bridge, by the kernel and by user space.
pub(super) fn measure(wires: &mut [Wire; 8]) -> anyhow::Result<Rows> {
    let mut rounds = Vec::new();
    let mut capacities = Vec::new();
    for _ in 0..ROUNDS {
        let mut round = Vec::new();
        for wire in wires.iter_mut() {
            round.push(wire.measured(both)?);
        }
        rounds.push(round);
        capacities.push(wires[Middle::Tap as usize].measured(capacity)?);
    }
    let mut all = Rows::new();
    for (place, sender) in ["", "socket: "].into_iter().enumerate() {
        let of_sender = |round: &Vec<[Rate; 2]>| std::array::from_fn(|wire| round[wire][place]);
        let rounds: Vec<Round> = rounds.iter().map(of_sender).collect();
        all.extend(rows(&rounds, sender));
    }
    let capacity = [("frames_s", median(capacities))];
    all.push(row("socket: tap, capacity", &capacity));
    Ok(all)
}

/// As fast as it goes: live frames, and those of a socket.
fn both(wire: &mut Wire) -> anyhow::Result<[Rate; 2]> {
    Ok([flat_out(wire)?, by_socket(wire)?])
}

/// Rows of all wires, whose names begin with who sent.
fn rows(rounds: &[Round], sender: &str) -> Rows {
    let mut all = vec![
        arrived(rounds, "sending alone", (Middle::Sink, Middle::Kernel)),
        arrived(rounds, "bridge", (Middle::Bridge, Middle::Kernel)),
    ];
    let ways = [
        ("", [Middle::Redirect, Middle::Kernel, Middle::Tap]),
        (
            "native: ",
            [
                Middle::NativeRedirect,
                Middle::NativeKernel,
                Middle::NativeTap,
            ],
        ),
    ];
    for (way, [redirect, kernel, tap]) in ways {
        let name = |of: &str| format!("{way}{of}");
        all.extend([
            arrived(rounds, &name("redirect alone"), (redirect, kernel)),
            arrived(rounds, &name("kernel path"), (kernel, kernel)),
            tapped(rounds, &name("tap"), (tap, kernel)),
            arrived(rounds, &name("tap and what passes it by"), (tap, kernel)),
        ]);
    }
    for (name, _) in &mut all {
        name.insert_str(0, sender);
    }
    all
}

/// What arrived by a wire, beside the bridge and a kernel path.
fn arrived(rounds: &[Round], name: &str, (wire, kernel): (Middle, Middle)) -> (String, Vec<f64>) {
    let of = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    let arrived = |round: &Round, wire: Middle| round[wire as usize].arrived;
    let share = |to: Middle| of(&|round| arrived(round, wire) / arrived(round, to));
    let over_sending =
        |round: &Round| 1e9 / arrived(round, wire) - 1e9 / arrived(round, Middle::Sink);
    let figures = [
        ("frames_s", of(&|round| arrived(round, wire))),
        ("crossing_ns", of(&over_sending)),
        ("to_bridge", share(Middle::Bridge)),
        ("to_kernel", share(kernel)),
        ("lost_%", of(&|round| round[wire as usize].lost())),
    ];
    row(name, &figures)
}

/// What went by user space, beside the bridge and a kernel path.
fn tapped(rounds: &[Round], name: &str, (tap, kernel): (Middle, Middle)) -> (String, Vec<f64>) {
    let of = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
    let tapped = |round: &Round| round[tap as usize].tapped;
    let share = |to: Middle| of(&|round| tapped(round) / round[to as usize].arrived);
    let figures = [
        ("frames_s", of(&tapped)),
        ("to_bridge", share(Middle::Bridge)),
        ("to_kernel", share(kernel)),
    ];
    row(name, &figures)
}

/// Sends live frames as fast as it goes.
fn flat_out(wire: &mut Wire) -> anyhow::Result<Rate> {
    wire.take_live(true)?;
    let rate = sending(wire, |wire| {
        wire.far.send(&frame(), FRAMES)?;
        Ok(FRAMES.into())
    })?;
    wire.take_live(false)?;
    Ok(rate)
}

/// Sends by a packet socket as fast as that goes.
fn by_socket(wire: &mut Wire) -> anyhow::Result<Rate> {
    socket(wire, None)
}

/// The highest rate that user space can take, of those that a packet socket can send.
fn capacity(wire: &mut Wire) -> anyhow::Result<f64> {
    let (mut low, mut high) = (0.0, HIGHEST);
    let mut best: f64 = 0.0;
    for _ in 0..TRIES {
        let per_second = (low + high) / 2.0;
        let rate = socket(wire, Some(per_second as u32))?;
        if rate.tapped >= rate.sent * SHARE {
            (low, best) = (per_second, best.max(rate.tapped));
        } else {
            high = per_second;
        }
    }
    Ok(best)
}

/// Sends by a packet socket for a time, at a rate if there is one.
fn socket(wire: &mut Wire, per_second: Option<u32>) -> anyhow::Result<Rate> {
    let packets = per_second.map(|rate| PACED.as_secs_f64() * f64::from(rate));
    let load = Load {
        packets: packets.map_or(u64::MAX, |packets| packets as u64),
        per_second,
        at_most: if packets.is_some() { 2 * PACED } else { PACED },
    };
    sending(wire, |wire| {
        Sender::open(&wire.client, CLIENT)?.send(load, |_| FLOW)
    })
}

/// Sends, and waits for what is on its way. `send` says how many frames it has sent.
fn sending(
    wire: &mut Wire,
    send: impl FnOnce(&mut Wire) -> anyhow::Result<u64>,
) -> anyhow::Result<Rate> {
    let (arrived, [tapped, _]) = (wire.far.arrived()?, wire.tapped());
    let began = Instant::now();
    let sent = send(wire)?;
    let seconds = began.elapsed().as_secs_f64();
    let until = Instant::now() + PATIENCE;
    let is_whole = |wire: &mut Wire| -> anyhow::Result<bool> {
        let [_, outstanding] = wire.tapped();
        Ok(wire.far.arrived()? - arrived == sent && outstanding == 0)
    };
    while !is_whole(wire)? && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    let [tapped_now, _] = wire.tapped();
    Ok(Rate {
        sent: sent as f64 / seconds,
        arrived: (wire.far.arrived()? - arrived) as f64 / seconds,
        tapped: (tapped_now - tapped) as f64 / seconds,
    })
}
