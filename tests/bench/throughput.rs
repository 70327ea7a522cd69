//! What a hook takes from the throughput of TCP: iperf3 over a pair, with and without.

use std::{
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::{Arc, RwLock},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use netweir_agent::{
    Agent, Choice, Interfaces, Netns, Settings,
    attach::{HookChoice, MapSizes, TcMode},
    now_ns,
    scratch::{add_address, veth},
};
use netweir_flow::Meter;
use netweir_wire::map::PortClasses;
use serde_json::Value;

use crate::{median, table::Table};

const PAIRS: usize = 3;
const SECONDS: &str = "2";
/// A run that takes longer is stuck.
const MOST: Duration = Duration::from_secs(15);
/// How often the agent is drained, as the agent's own default has it.
const DRAIN: Duration = Duration::from_millis(250);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

const HOOKS: [(&str, HookChoice, TcMode); 4] = [
    ("tcx", HookChoice::Tc, TcMode::Tcx),
    ("clsact", HookChoice::Tc, TcMode::Clsact),
    ("xdp", HookChoice::Xdp, TcMode::Auto),
    ("tracepoint", HookChoice::Tracepoint, TcMode::Auto),
];

/// Measures each hook in turns with none.
pub(crate) fn measure() -> anyhow::Result<Table> {
    let mut rows = Vec::new();
    for (name, hook, tc) in HOOKS {
        let (mut with, mut without, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            let plain = gigabits(None)?;
            let metered = gigabits(Some((hook, tc)))?;
            without.push(plain);
            with.push(metered);
            ratio.push(metered / plain);
        }
        let figures = vec![median(without), median(with), median(ratio)];
        rows.push((name.to_owned(), figures));
    }
    Ok(Table {
        title: "TCP throughput over veth by iperf3, the receiving end metered, in Gbit/s",
        columns: vec!["without", "with", "ratio"],
        rows,
    })
}

/// A process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended by itself is what is hoped for.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

fn gigabits(hook: Option<(HookChoice, TcMode)>) -> anyhow::Result<f64> {
    let client = Netns::anonymous("client")?;
    let server = Netns::anonymous("server")?;
    veth((&client, "client"), (&server, "server"))?;
    add_address(&client, "client", Ipv4Addr::new(10, 0, 0, 1).into(), 24)?;
    add_address(&server, "server", SERVER.into(), 24)?;
    let mut agent = hook.map(|hook| start(&server, hook)).transpose()?;
    let _listening = server.enter(listen)??;
    let mut running = client.enter(connect)??;
    let began = Instant::now();
    while running.0.try_wait()?.is_none() {
        anyhow::ensure!(began.elapsed() < MOST, "iperf3 does not end");
        thread::sleep(DRAIN);
        if let Some(agent) = &mut agent {
            agent.drain()?;
        }
    }
    let output = running.0.stdout.take().context("iperf3 has no output")?;
    let report: Value = serde_json::from_reader(output)?;
    if let Some(agent) = agent {
        agent.stop()?;
    }
    let bits = report.pointer("/end/sum_received/bits_per_second");
    let bits = bits.and_then(Value::as_f64);
    Ok(bits.with_context(|| format!("iperf3 says {report}"))? / 1e9)
}

fn start(netns: &Netns, (hook, tc): (HookChoice, TcMode)) -> anyhow::Result<Agent> {
    let settings = Settings {
        choices: vec![Choice {
            interfaces: Interfaces::Name("server".to_owned()),
            hook: None,
        }],
        hook,
        tc,
        trace_any: false,
        maps: MapSizes {
            flows: 65_536,
            interfaces: 16,
        },
        ports: Box::new(PortClasses { bits: [0; 65536] }),
    };
    let meter = Meter::new(&netweir_flow::Settings::default(), now_ns());
    let meter = Arc::new(RwLock::new(meter));
    Ok(Agent::start(settings, vec![netns.try_clone()?], meter)?)
}

/// Starts a server in the namespace of the calling thread, and waits until it listens.
fn listen() -> anyhow::Result<Running> {
    let mut command = Command::new("iperf3");
    command.args(["-s", "--forceflush"]).stdout(Stdio::piped());
    let mut server = Running(command.spawn().context("cannot run iperf3")?);
    let output = server.0.stdout.take().context("iperf3 has no output")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next().transpose()? {
        if line.contains("listening") {
            return Ok(server);
        }
    }
    anyhow::bail!("iperf3 does not listen")
}

fn connect() -> anyhow::Result<Running> {
    let mut command = Command::new("iperf3");
    command
        .args(["-c", &SERVER.to_string(), "-t", SECONDS, "-J"])
        .stdout(Stdio::piped());
    Ok(Running(command.spawn().context("cannot run iperf3")?))
}
