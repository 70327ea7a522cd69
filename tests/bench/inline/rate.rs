//! How many frames cross in a second.

use std::{
    thread,
    time::{Duration, Instant},
};

use netweir_tests::{Far, Load, Sender};

use super::{
    ROUNDS, Rows, frame, row,
    wire::{CLIENT, Wire},
};
use crate::median;

/// Frames sent as fast as they come, by one call: each call takes the kernel some 25 ms beside the frames.
const FRAMES: u32 = 2_000_000;
const WARMING: u32 = 256 * Far::BATCH;
/// How long frames are sent by a socket, and how many rates are tried.
const PACED: Duration = Duration::from_millis(250);
const TRIES: usize = 6;
/// More than a packet socket sends.
const HIGHEST: f64 = 600_000.0;
/// The share that has to go by user space.
const SHARE: f64 = 0.999;
/// How long the last frames may take.
const PATIENCE: Duration = Duration::from_millis(100);

/// What became of some frames, in a second.
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

/// Measures each wire in turns: without a middle, by the bridge, by the kernel and by user space.
pub(super) fn measure(wires: &mut [Wire; 4]) -> anyhow::Result<Rows> {
    let mut rounds = Vec::new();
    let mut socket_rounds = Vec::new();
    let mut capacities = Vec::new();
    for wire in &mut *wires {
        wire.far.send(&frame(), WARMING)?;
    }
    for _ in 0..ROUNDS {
        rounds.push(round(wires, flat_out)?);
        socket_rounds.push(round(wires, by_socket)?);
        capacities.push(capacity(&mut wires[3])?);
    }
    let mut all = rows(&rounds, "");
    all.extend(rows(&socket_rounds, "socket: "));
    let capacity = [("frames_s", median(capacities))];
    all.push(row("socket: tap, capacity", &capacity));
    Ok(all)
}

/// Measures each wire once.
fn round(
    wires: &mut [Wire; 4],
    measure: fn(&mut Wire) -> anyhow::Result<Rate>,
) -> anyhow::Result<[Rate; 4]> {
    let [sink, bridge, kernel, tap] = wires.each_mut().map(measure);
    Ok([sink?, bridge?, kernel?, tap?])
}

/// Rows of all wires, whose names begin with who sent.
fn rows(rounds: &[[Rate; 4]], sender: &str) -> Rows {
    let of = |figure: &dyn Fn(&[Rate; 4]) -> f64| median(rounds.iter().map(figure).collect());
    let arrived = |name: &str, place: usize| {
        let share = |to: usize| of(&|round| round[place].arrived / round[to].arrived);
        let figures = [
            ("frames_s", of(&|round| round[place].arrived)),
            (
                "crossing_ns",
                of(&|round| 1e9 / round[place].arrived - 1e9 / round[0].arrived),
            ),
            ("to_bridge", share(1)),
            ("to_kernel", share(2)),
            ("lost_%", of(&|round| round[place].lost())),
        ];
        row(&format!("{sender}{name}"), &figures)
    };
    let tap = [
        ("frames_s", of(&|round| round[3].tapped)),
        ("to_bridge", of(&|round| round[3].tapped / round[1].arrived)),
        ("to_kernel", of(&|round| round[3].tapped / round[2].arrived)),
    ];
    vec![
        arrived("sending alone", 0),
        arrived("bridge", 1),
        arrived("kernel path", 2),
        row(&format!("{sender}tap"), &tap),
        arrived("tap and what passes it by", 3),
    ]
}

/// Sends live frames as fast as it goes.
fn flat_out(wire: &mut Wire) -> anyhow::Result<Rate> {
    sending(wire, |wire| {
        wire.far.send(&frame(), FRAMES)?;
        Ok(FRAMES.into())
    })
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
        Sender::open(&wire.client, CLIENT)?.send(load, |_| 0)
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
