//! The network that is measured in: two namespaces and a virtual Ethernet pair between them.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use netweir_agent::{
    Netns,
    scratch::{add_address, veth},
    watch::{self, Device},
};
use serde_json::Value;

/// The name of the interface at both ends.
pub(crate) const INTERFACE: &str = "bench";

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
/// How much longer than it should iperf3 may take before it is stuck.
const PATIENCE: Duration = Duration::from_secs(12);
/// How often something else may be done while iperf3 runs: as often as the agent drains.
const DRAIN: Duration = Duration::from_millis(250);

/// Two ends, of which the near one receives.
pub(crate) struct Pair {
    /// Where packets come to.
    pub(crate) near: Netns,
    /// Where packets come from.
    pub(crate) far: Netns,
}

impl Pair {
    /// Makes a pair with the kernel's own settings: offloads are on.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let pair = Self {
            near: Netns::anonymous("near")?,
            far: Netns::anonymous("far")?,
        };
        veth((&pair.near, INTERFACE), (&pair.far, INTERFACE))?;
        add_address(&pair.near, INTERFACE, SERVER.into(), 24)?;
        add_address(&pair.far, INTERFACE, CLIENT.into(), 24)?;
        Ok(pair)
    }

    /// Sends by TCP for some seconds, and says how many Gbit/s arrived. Meanwhile, `drain` is
    /// called as often as an agent drains.
    pub(crate) fn iperf(
        &self,
        seconds: u32,
        mut drain: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<f64> {
        let _listening = listen(&self.near)?;
        let (server, time) = (SERVER.to_string(), seconds.to_string());
        let mut running = iperf(&self.far, &["-c", &server, "-t", &time, "-J"])?;
        let deadline = Instant::now() + PATIENCE + Duration::from_secs(seconds.into());
        while running.0.try_wait()?.is_none() {
            anyhow::ensure!(Instant::now() < deadline, "iperf3 does not end");
            thread::sleep(DRAIN);
            drain()?;
        }
        let output = running.0.stdout.take().context("iperf3 has no output")?;
        let report: Value = serde_json::from_reader(output)?;
        let bits = report.pointer("/end/sum_received/bits_per_second");
        let bits = bits.and_then(Value::as_f64);
        Ok(bits.with_context(|| format!("iperf3 says {report}"))? / 1e9)
    }
}

/// What the kernel knows of the interface in a namespace.
pub(crate) fn device(netns: &Netns) -> anyhow::Result<Device> {
    Ok(watch::find(netns, INTERFACE)?)
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

/// Starts a server, and waits until it listens.
fn listen(netns: &Netns) -> anyhow::Result<Running> {
    let mut server = iperf(netns, &["-s", "-1", "--forceflush"])?;
    let output = server.0.stdout.take().context("iperf3 has no output")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next().transpose()? {
        if line.contains("listening") {
            return Ok(server);
        }
    }
    anyhow::bail!("iperf3 does not listen")
}

/// Starts iperf3 in a namespace; the kernel kills it when the calling thread ends, however that ends.
fn iperf(netns: &Netns, arguments: &[&str]) -> anyhow::Result<Running> {
    let mut path = OsString::from("--net=");
    path.push(netns.path());
    let mut command = Command::new("nsenter");
    command
        .arg(path)
        .args(["setpriv", "--pdeathsig", "KILL", "--", "iperf3"])
        .args(arguments)
        .stdout(Stdio::piped());
    Ok(Running(command.spawn().context("cannot run nsenter")?))
}
