//! `netweir demo`: traffic of one's own, metered and shown like `run`.
//!
//! With privilege, two network namespaces without names talk to each other over a veth pair, and
//! the agent meters one end. Without privilege a capture is generated in memory and read at its own
//! pace. Either way nothing outside this process is touched, and nothing is left behind.

mod generated;
mod traffic;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use netweir_agent::{
    Choice, Interfaces, Netns,
    scratch::{add_address, set_loopback_up, veth},
};
use netweir_capture::Reader;
use netweir_flow::{Meter, Settings};
use netweir_web::ticker;

use super::flows::print_books;
use crate::{
    args::DemoArgs, config::Config, metering::Metering, serving::Serving, stop::Stop, tally::Tally,
};

/// The metered end of the pair: the client's.
const CLIENT_INTERFACE: &str = "demo0";
/// The other end.
const SERVER_INTERFACE: &str = "demo1";

/// Addresses of the two sides, of the documentation prefixes (RFC 5737, RFC 3849).
const CLIENT: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
);
const SERVER: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(192, 0, 2, 2),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
);

pub(super) fn run(config: &Config, args: &DemoArgs) -> anyhow::Result<()> {
    let serving = Serving::listen(config)?;
    let stop = Arc::new(Stop::on_signals()?);
    let seconds = Duration::from_secs(args.seconds);
    if rustix::process::geteuid().is_root() {
        return live(config, seconds, serving, &stop);
    }
    tracing::warn!(
        "metering needs root (try sudo): showing a generated capture instead of real traffic"
    );
    generated(config, seconds, serving, &stop)
}

/// Real packets between two namespaces.
fn live(
    config: &Config,
    seconds: Duration,
    serving: Serving,
    stop: &Arc<Stop>,
) -> anyhow::Result<()> {
    let (client, server) = namespaces().context("cannot set up the two namespaces")?;
    let interfaces = Interfaces::Name(CLIENT_INTERFACE.to_owned());
    let config = Config {
        choices: vec![Choice {
            interfaces,
            hook: None,
        }],
        ..config.clone()
    };
    let watched = vec![client.try_clone()?];
    let metering = Metering::start(&config, watched, Arc::clone(stop), Box::new(|_| {}))?;
    let traffic = traffic::start(client, server, seconds, Arc::clone(stop))?;
    let meter = Arc::clone(&metering.meter);
    let served = serving.run(Arc::clone(&meter), metering.ticks.clone(), stop);
    let metered = metering.finish();
    print_books(&meter);
    let sent = traffic
        .join()
        .unwrap_or_else(|_panic| Err(io::Error::other("it panicked")));
    metered
        .and(served.context("cannot serve"))
        .and(sent.context("the traffic ended early"))
}

/// Two namespaces, joined by a pair of interfaces with addresses.
fn namespaces() -> Result<(Netns, Netns), netweir_agent::Error> {
    let client = Netns::anonymous("client")?;
    let server = Netns::anonymous("server")?;
    veth((&client, CLIENT_INTERFACE), (&server, SERVER_INTERFACE))?;
    let ends = [
        (&client, CLIENT_INTERFACE, CLIENT),
        (&server, SERVER_INTERFACE, SERVER),
    ];
    for (netns, interface, (v4, v6)) in ends {
        set_loopback_up(netns)?;
        add_address(netns, interface, IpAddr::V4(v4), 24)?;
        add_address(netns, interface, IpAddr::V6(v6), 64)?;
    }
    Ok((client, server))
}

/// A capture made up in memory, read at its own pace.
fn generated(
    config: &Config,
    seconds: Duration,
    serving: Serving,
    stop: &Arc<Stop>,
) -> anyhow::Result<()> {
    let started_ns = unix_ns();
    let capture = generated::capture(started_ns, seconds);
    let reader = Reader::from_read(io::Cursor::new(capture))?;
    let settings = Settings {
        max_flows: config.max_flows,
        ..Settings::default()
    };
    let meter = Arc::new(RwLock::new(Meter::new(&settings, started_ns)));
    let (ticker, ticks) = ticker(config.tick);
    let play = {
        let (meter, stop) = (Arc::clone(&meter), Arc::clone(stop));
        let (tally, tick) = (Tally::new(config.port_classes()), config.tick);
        std::thread::spawn(move || {
            let played = play(reader, tally, &meter, tick, &|| ticker.tick(), &stop);
            stop.now();
            played
        })
    };
    let served = serving.run(Arc::clone(&meter), ticks, stop);
    stop.now();
    let played = play
        .join()
        .unwrap_or_else(|_panic| anyhow::bail!("the replay panicked"));
    print_books(&meter);
    played.and(served.context("cannot serve"))
}

/// Hands frames over when their time has come.
fn play(
    mut reader: Reader,
    mut tally: Tally,
    meter: &RwLock<Meter>,
    tick: Duration,
    ticked: &dyn Fn(),
    stop: &Stop,
) -> anyhow::Result<()> {
    tally.begin_file(CLIENT_INTERFACE);
    let mut next_tick_ns = unix_ns() + tick.as_nanos() as u64;
    while let Some(frame) = reader.next_frame()? {
        while frame.timestamp_ns > next_tick_ns {
            let left = Duration::from_nanos(next_tick_ns.saturating_sub(unix_ns()));
            if stop.wait(left)? {
                return Ok(());
            }
            let mut meter = meter.write().unwrap_or_else(PoisonError::into_inner);
            tally.hand_over(&mut meter, next_tick_ns);
            drop(meter.tick(next_tick_ns));
            ticked();
            next_tick_ns += tick.as_nanos() as u64;
        }
        tally.add(&frame);
    }
    let mut meter = meter.write().unwrap_or_else(PoisonError::into_inner);
    tally.hand_over(&mut meter, unix_ns());
    Ok(())
}

fn unix_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos() as u64
}
