//! A network of one's own: two namespaces and a virtual Ethernet pair between them.
//!
//! The interfaces are silent: no search for neighbours, no reports of multicast groups. So every
//! packet on them is one that a test sent, or a direct answer to it, and tests can compare whole
//! reports. Everything ends with the value, or with the process however it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, with its line")]

use std::{
    fmt::Write as _,
    fs::{self, Permissions},
    io::Write as _,
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use netweir_agent::{
    Netns,
    scratch::{FrameSocket, set_loopback_up, set_offloads, veth},
    watch::{self, Statistics},
};
use netweir_packets::frame::{DESTINATION_MAC, SOURCE_MAC};
use tempfile::TempDir;

/// How long something may take that happens at once on a machine that is idle.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two sides, of which the near one is metered.
pub struct World {
    /// Where netweir is: interface `w0`, 10.7.0.1 and 2001:db8:7::1.
    pub near: Side,
    /// Where traffic comes from: interface `w1`, 10.7.0.2 and 2001:db8:7::2.
    pub far: Side,
    rules: TempDir,
}

/// One end of the pair.
pub struct Side {
    /// The namespace.
    pub netns: Netns,
    /// Name of the interface.
    pub interface: &'static str,
    /// Its addresses, IPv4 first.
    pub addresses: [IpAddr; 2],
    mac: [u8; 6],
}

impl World {
    /// Two namespaces and a pair whose frames are packets of the wire: offloads are off.
    ///
    /// # Panics
    /// The machine does not permit it, or `ip` is missing.
    pub fn new() -> Self {
        let world = Self {
            near: Side::new("near", "w0", 1, DESTINATION_MAC),
            far: Side::new("far", "w1", 2, SOURCE_MAC),
            rules: tempfile::tempdir().unwrap(),
        };
        // Who may nothing reads the rules all the same.
        let all = Permissions::from_mode(0o755);
        fs::set_permissions(world.rules.path(), all).unwrap();
        world.connect();
        world.offload(false);
        world
    }

    /// The file of its rules, which is not there yet.
    pub fn rules(&self) -> PathBuf {
        self.rules.path().join("rules.toml")
    }

    /// Makes the pair again, after [`Self::disconnect`].
    pub fn connect(&self) {
        self.connect_as(self.near.interface);
    }

    /// As [`Self::connect`], the near end with another name.
    pub fn connect_as(&self, near: &str) {
        veth(
            (&self.near.netns, near),
            (&self.far.netns, self.far.interface),
        )
        .unwrap();
        self.near.configure(near, &self.far);
        self.far.configure(self.far.interface, &self.near);
    }

    /// Removes the pair.
    pub fn disconnect(&self) {
        let gone = self.far.run("ip", &["link", "delete", self.far.interface]);
        assert!(gone.status.success(), "{gone:?}");
    }

    /// Sends whole frames from the far side, and waits until the near kernel has taken them in.
    pub fn send(&self, frames: impl IntoIterator<Item: AsRef<[u8]>>) {
        let before = self.near.counters().received_frames;
        let sent = self.far.send(frames);
        await_that(|| {
            let received = self.near.counters().received_frames - before;
            let waiting = backlog();
            if received == sent && waiting == 0 {
                return Ok(());
            }
            Err(format!("{received} of {sent} frames came, {waiting} wait"))
        });
    }

    /// Switches segmentation and merging of both ends.
    pub fn offload(&self, on: bool) {
        for side in [&self.near, &self.far] {
            set_offloads(&side.netns, side.interface, on).unwrap();
        }
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl Side {
    fn new(name: &str, interface: &'static str, number: u16, mac: [u8; 6]) -> Self {
        let netns = Netns::anonymous(name).unwrap();
        set_loopback_up(&netns).unwrap();
        netns.enter(be_patient).unwrap();
        let addresses = [
            IpAddr::from([10, 7, 0, number as u8]),
            IpAddr::from([0x2001, 0xdb8, 7, 0, 0, 0, 0, number]),
        ];
        Self {
            netns,
            interface,
            addresses,
            mac,
        }
    }

    /// A namespace of which the interface is to be made; its second address has the last number too.
    pub(crate) fn quiet(name: &str, interface: &'static str, address: [u8; 4]) -> Self {
        let netns = Netns::anonymous(name).unwrap();
        set_loopback_up(&netns).unwrap();
        let addresses = [
            IpAddr::from(address),
            IpAddr::from([0x2001, 0xdb8, 9, 0, 0, 0, 0, u16::from(address[3])]),
        ];
        Self {
            netns,
            interface,
            addresses,
            mac: [0; 6],
        }
    }

    /// Address, neighbour and MTU. Without ARP the kernel asks and tells nothing of its own.
    fn configure(&self, interface: &str, other: &Self) {
        let mac = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
        let mut batch = String::new();
        let _infallible = writeln!(
            batch,
            "link set {interface} down\nlink set {interface} address {} arp off mtu 9000\n\
             link set {interface} up",
            mac(self.mac)
        );
        for (own, (peer, length)) in self
            .addresses
            .iter()
            .zip(other.addresses.iter().zip([24, 64]))
        {
            let nodad = if own.is_ipv6() { "nodad" } else { "" };
            let _infallible = writeln!(
                batch,
                "address add {own}/{length} dev {interface} {nodad}\n\
                 neighbour replace {peer} lladdr {} dev {interface} nud permanent\n\
                 route add {peer} dev {interface} rto_min 10s",
                mac(other.mac)
            );
        }
        let mut ip = self
            .command("ip", &["-batch", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("nsenter of util-linux and ip of iproute2");
        ip.stdin
            .take()
            .unwrap()
            .write_all(batch.as_bytes())
            .unwrap();
        assert!(ip.wait().unwrap().success(), "ip refused:\n{batch}");
    }

    /// A program that will run in the namespace.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        let mut netns = std::ffi::OsString::from("--net=");
        netns.push(self.netns.path());
        command
            .arg(netns)
            .args(["setpriv", "--pdeathsig", "KILL", "--", program])
            .args(arguments);
        command
    }

    /// Runs a program in the namespace until it ends.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program, arguments)
            .output()
            .expect("nsenter and setpriv of util-linux")
    }

    /// What a program prints that has to succeed.
    pub fn text(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {output:?}"
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a socket, or does anything else that belongs into the namespace.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.netns.enter(work).unwrap()
    }

    /// Sends whole frames, and counts them.
    pub fn send(&self, frames: impl IntoIterator<Item: AsRef<[u8]>>) -> u64 {
        let socket = FrameSocket::open(&self.netns, self.interface).unwrap();
        let mut sent = 0;
        for frame in frames {
            socket.send(frame.as_ref()).unwrap();
            sent += 1;
        }
        sent
    }

    /// The interface's own counters.
    pub fn counters(&self) -> Statistics {
        watch::find(&self.netns, self.interface).unwrap().statistics
    }

    /// A counter of `/proc/net/snmp`.
    pub fn snmp(&self, table: &str, counter: &str) -> u64 {
        let text = self.enter(|| fs::read_to_string("/proc/thread-self/net/snmp").unwrap());
        let mut lines = text
            .lines()
            .filter(|line| line.starts_with(&format!("{table}:")));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let mut both = names.split(' ').zip(values.split(' '));
        let found = both.find(|(name, _)| *name == counter);
        found
            .expect("the kernel has the counter")
            .1
            .parse()
            .unwrap()
    }

    /// Waits until no connection is half closed: all its packets have been sent.
    pub fn await_tcp_end(&self) {
        let open = |table: &str| {
            let text = fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap();
            let lines = text.lines().skip(1).map(ToOwned::to_owned);
            // Other states than TIME_WAIT and LISTEN.
            let is_open = |line: &String| {
                !["06", "0A"]
                    .map(Some)
                    .contains(&line.split_whitespace().nth(3))
            };
            lines.filter(is_open).collect::<Vec<_>>()
        };
        await_that(|| {
            let open = self.enter(|| ["tcp", "tcp6"].map(open).concat());
            if open.is_empty() {
                Ok(())
            } else {
                Err(open.join("\n"))
            }
        });
    }
}

/// Keeps TCP of the thread's namespace from sending twice what a busy machine only delays or swaps:
/// no probes for lost tails, no selective acknowledgements. The routes have it wait long as well.
fn be_patient() {
    for setting in ["tcp_early_retrans", "tcp_sack"] {
        fs::write(format!("/proc/sys/net/ipv4/{setting}"), "0").unwrap();
    }
}

/// Frames that wait on all CPUs to be received.
fn backlog() -> u64 {
    /// `input_qlen` and `process_qlen`, which kernels before 5.10 do not have.
    const WAITING: usize = 11;
    let text = fs::read_to_string("/proc/net/softnet_stat").unwrap();
    let waiting = |line: &str| {
        let field = line.split_whitespace().nth(WAITING);
        field.map_or(0, |field| u64::from_str_radix(field, 16).unwrap())
    };
    text.lines().map(waiting).sum()
}

/// Waits for something that tells of itself in no other way; until then, `condition` says how it is.
///
/// # Panics
/// It does not come.
pub fn await_that<T>(mut condition: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match condition() {
            Ok(found) => return found,
            Err(so_far) => assert!(Instant::now() < deadline, "waited in vain: {so_far}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}
