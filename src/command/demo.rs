//! `netweir demo`: traffic of one's own, metered and shown like `run`.
//!
//! With privilege, two network namespaces without names talk to each other over a veth pair, and
//! the agent meters one end. Without privilege a capture is generated in memory and read at its own
//! pace. Either way nothing outside this process is touched, and nothing is left behind.

mod capture;
mod generated;
mod traffic;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use netweir_agent::{
    Choice, Interfaces, Netns,
    scratch::{add_address, set_loopback_up, veth},
};

use super::flows::print_books;
use crate::{args::DemoArgs, config::Config, metering::Metering, serving::Serving, stop::Stop};

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
    generated::run(config, seconds, serving, &stop)
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
    tracing::info!(
        "look at it from elsewhere: netweir flows --netns {} --iface {CLIENT_INTERFACE}",
        client.path().display()
    );
    let watched = vec![client.try_clone()?];
    let metering = Metering::start(&config, watched, Arc::clone(stop), Box::new(|_| {}))?;
    let traffic = traffic::start(client, &server, seconds, Arc::clone(stop))?;
    let meter = Arc::clone(&metering.meter);
    let serving = serving.with_rules(metering.rules.clone(), None);
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
