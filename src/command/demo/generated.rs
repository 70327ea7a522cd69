//! A generated capture, read at its own pace as if it were live.

use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use netweir_capture::Reader;
use netweir_flow::{Meter, Settings, Tally};
use netweir_web::{Ticker, ticker};

use super::{CLIENT_INTERFACE, capture};
use crate::{
    command::flows::print_books,
    config::Config,
    frame,
    rules::{Desk, Store},
    serving::Serving,
    stop::Stop,
};

/// Serves while the capture is played.
pub(super) fn run(
    config: &Config,
    duration: Duration,
    serving: Serving,
    stop: &Arc<Stop>,
) -> anyhow::Result<()> {
    let started_ns = unix_ns();
    let settings = Settings {
        max_flows: config.max_flows,
        quic: config.quic.meter_settings(),
        ..Settings::default()
    };
    let meter = Arc::new(RwLock::new(Meter::new(&settings, started_ns)));
    let (ticker, ticks) = ticker(config.tick);
    let player = Player {
        reader: Reader::from_read(io::Cursor::new(capture::generate(started_ns, duration)))?,
        tally: Tally::new(config.port_classes()).with_layouts(Arc::clone(&config.quic.layouts)),
        meter: Arc::clone(&meter),
        tick: config.tick,
        ticker,
        stop: Arc::clone(stop),
    };
    let playing = thread::spawn(move || player.run());
    let rules = Desk::new(Store::new(&config.rules.file))?;
    let serving = serving.with_rules(Arc::new(rules), None);
    let served = serving.run(Arc::clone(&meter), ticks, stop);
    stop.now();
    let played = playing.join();
    let played = played.unwrap_or_else(|_panic| anyhow::bail!("the replay panicked"));
    print_books(&meter);
    played.and(served.context("cannot serve"))
}

/// Hands frames over when their time has come.
struct Player {
    reader: Reader,
    tally: Tally,
    meter: Arc<RwLock<Meter>>,
    tick: Duration,
    ticker: Ticker,
    stop: Arc<Stop>,
}

impl Player {
    fn run(mut self) -> anyhow::Result<()> {
        let played = self.play();
        self.hand_over(unix_ns());
        self.stop.now();
        played
    }

    fn play(&mut self) -> anyhow::Result<()> {
        self.tally.begin_file(CLIENT_INTERFACE);
        let tick_ns = self.tick.as_nanos() as u64;
        let mut next_tick_ns = unix_ns() + tick_ns;
        while let Some(frame) = self.reader.next_frame()? {
            while frame.timestamp_ns > next_tick_ns {
                let left = Duration::from_nanos(next_tick_ns.saturating_sub(unix_ns()));
                if self.stop.wait(left)? {
                    return Ok(());
                }
                let mut meter = self.meter.write().unwrap_or_else(PoisonError::into_inner);
                self.tally.hand_over(&mut meter, next_tick_ns);
                drop(meter.tick(next_tick_ns));
                drop(meter);
                self.ticker.tick();
                next_tick_ns += tick_ns;
            }
            if let Ok(frame) = frame::from_capture(frame) {
                self.tally.add(&frame);
            }
        }
        Ok(())
    }

    fn hand_over(&mut self, now_ns: u64) {
        let mut meter = self.meter.write().unwrap_or_else(PoisonError::into_inner);
        self.tally.hand_over(&mut meter, now_ns);
    }
}

fn unix_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_nanos() as u64
}
