//! How long a frame is on its way, at a rate that all can take.

use std::{
    thread,
    time::{Duration, Instant},
};

use netweir_agent::{now_ns, scratch::FrameSocket};
use netweir_tests::Far;

use super::{
    Rows, frame, row,
    wire::{CLIENT, Wire},
};
use crate::median;

const ROUNDS: usize = 3;
/// Frames of a round, and the time between two.
const FRAMES: u32 = 15_000;
const INTERVAL: Duration = Duration::from_micros(100);
/// How long the last one may take.
const PATIENCE: Duration = Duration::from_millis(100);

/// The middle one, and the one of a hundred that is late, in microseconds; lost ones in percent.
struct Delays {
    middle: f64,
    late: f64,
    lost: f64,
}

/// Measures the wires in turns, the bridge first.
pub(super) fn measure(mut wires: [&mut Wire; 3]) -> anyhow::Result<Rows> {
    let mut rounds: [Vec<Delays>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (wire, rounds) in wires.iter_mut().zip(&mut rounds) {
            rounds.push(wire.measured(send)?);
        }
    }
    let figures = |place: usize| {
        let of = |figure: fn(&Delays) -> f64| median(rounds[place].iter().map(figure).collect());
        [of(|one| one.middle), of(|one| one.late), of(|one| one.lost)]
    };
    let bridge = figures(0);
    let names = ["bridge", "kernel path", "tap"];
    let rows = names.iter().enumerate().map(|(place, name)| {
        let [middle, late, lost] = figures(place);
        let figures = [
            ("lost_%", lost),
            ("p50_us", middle),
            ("p99_us", late),
            ("p50_added", middle - bridge[0]),
            ("p99_added", late - bridge[1]),
        ];
        row(&format!("10,000/s by {name}"), &figures)
    });
    Ok(rows.collect())
}

fn send(wire: &mut Wire) -> anyhow::Result<Delays> {
    let socket = FrameSocket::open(&wire.client, CLIENT)?;
    let mut frame = frame();
    let before = wire.far.arrived()?;
    let began = Instant::now();
    for number in 1..=FRAMES {
        // One that is late makes no other one late.
        thread::sleep((INTERVAL * number).saturating_sub(began.elapsed()));
        Far::mark(&mut frame, now_ns(), number);
        socket.send(&frame)?;
    }
    let until = Instant::now() + PATIENCE;
    while wire.far.arrived()? - before < FRAMES.into() && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    let mut delays = wire.far.delays(FRAMES)?;
    anyhow::ensure!(!delays.is_empty(), "no frame arrived");
    delays.sort_unstable();
    let share = |percent: usize| delays[(delays.len() - 1) * percent / 100] as f64 / 1e3;
    Ok(Delays {
        middle: share(50),
        late: share(99),
        lost: (FRAMES as usize - delays.len()) as f64 / f64::from(FRAMES) * 100.0,
    })
}
