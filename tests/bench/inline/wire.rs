//! A wire with something in its middle: two far ends, and between them what lets frames cross.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use netweir_agent::{
    Netns,
    scratch::{add_address, set_offloads, veth},
};
use netweir_packets::frame::DESTINATION_MAC;
use netweir_tests::{Arrival, Child, Far, Netweir, Onward, Pinned, PinnedSlots};
use rustix::process::Signal;
use tempfile::TempDir;

use super::frame;

/// The far ends.
pub(super) const CLIENT: &str = "client";
const SERVICE: &str = "service";

/// Whom the frames are for.
const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PORT: u16 = 5000;

/// Frames that are sent before anything is measured.
const WARMING: u32 = 256 * Far::BATCH;

/// What the program logs when frames cross.
const CROSSING: &str = "frames cross between";
/// A rule for all that is sent here.
const RULES: &str =
    "[[rule]]\nnumber = 1\nlabel = \"bench\"\naction = \"tap\"\nprotocol = \"udp\"\n";

/// Whether bridges of a network namespace show firewalls what crosses.
const BRIDGES: &str = "/proc/sys/net/bridge";
const FIREWALLS: [&str; 3] = [
    "bridge-nf-call-arptables",
    "bridge-nf-call-iptables",
    "bridge-nf-call-ip6tables",
];

/// What is in the middle; the wires stand in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Middle {
    /// Frames end there: what sending alone costs.
    Sink,
    /// XDP that does nothing but send on, behind the driver.
    Redirect,
    /// A bridge of the kernel.
    Bridge,
    /// `netweir inline` without rules, as it comes: at veths behind the driver.
    Kernel,
    /// `netweir inline` with a rule that taps all.
    Tap,
    /// The same in the driver.
    NativeRedirect,
    NativeKernel,
    NativeTap,
}

/// The wire. All of it ends with this value, or with the process.
pub(super) struct Wire {
    middle: Middle,
    pub(super) far: Far,
    /// Where frames come from.
    pub(super) client: Netns,
    netweir: Option<Child>,
    slots: Option<PinnedSlots>,
    rules: TempDir,
    _onward: Option<Onward>,
    inside: Netns,
    _socket: UdpSocket,
    _service: Netns,
}

impl Middle {
    /// Names of its interfaces: pins have them.
    const fn names(self) -> [&'static str; 2] {
        match self {
            Self::Sink => ["sink0", "sink1"],
            Self::Redirect => ["redirect0", "redirect1"],
            Self::Bridge => ["bridge0", "bridge1"],
            Self::Kernel => ["kernel0", "kernel1"],
            Self::Tap => ["tap0", "tap1"],
            Self::NativeRedirect => ["nredirect0", "nredirect1"],
            Self::NativeKernel => ["nkernel0", "nkernel1"],
            Self::NativeTap => ["ntap0", "ntap1"],
        }
    }

    /// Where frames cross there, where they do by XDP.
    const fn way(self) -> &'static str {
        match self {
            Self::NativeRedirect | Self::NativeKernel | Self::NativeTap => "native",
            Self::Sink | Self::Redirect | Self::Bridge | Self::Kernel | Self::Tap => "auto",
        }
    }
}

impl Wire {
    /// Makes it; by `netweir inline` nothing crosses yet.
    pub(super) fn new(middle: Middle) -> anyhow::Result<Self> {
        let [one, other] = middle.names();
        let client = Netns::anonymous(CLIENT)?;
        let inside = Netns::anonymous("middle")?;
        let service = Netns::anonymous(SERVICE)?;
        veth((&client, CLIENT), (&inside, one))?;
        veth((&inside, other), (&service, SERVICE))?;
        let (to, arrival) = match middle {
            Middle::Sink => ((&inside, one), Arrival::Driver),
            _ => ((&service, SERVICE), Arrival::Stack),
        };
        let onward = match middle {
            Middle::Redirect | Middle::NativeRedirect => {
                let native = middle == Middle::NativeRedirect;
                Some(Onward::new(&inside, (one, other), native)?)
            }
            Middle::Bridge => bridge(&inside, [one, other]).map(|()| None)?,
            Middle::Sink
            | Middle::Kernel
            | Middle::Tap
            | Middle::NativeKernel
            | Middle::NativeTap => None,
        };
        Ok(Self {
            middle,
            far: Far::new((&client, CLIENT), to, arrival)?,
            client,
            netweir: None,
            slots: None,
            rules: tempfile::tempdir()?,
            _onward: onward,
            inside,
            _socket: serve(&service)?,
            _service: service,
        })
    }

    /// Measures it on one CPU, and the process in its middle, if it has one, where that likes to run: the
    /// process is there meanwhile only, for its programs see all that any wire sends on.
    pub(super) fn measured<T>(
        &mut self,
        measure: impl FnOnce(&mut Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.begin()?;
        let measured = Pinned::to_one_cpu().and_then(|_pinned| {
            self.take_live(true)?;
            self.far.send(&frame(), WARMING)?;
            self.take_live(false)?;
            measure(self)
        });
        self.finish();
        measured
    }

    /// Starts the process, and waits until frames cross.
    fn begin(&mut self) -> anyhow::Result<()> {
        let ends = self.middle.names();
        let file = self.rules.path().join("rules.toml");
        match self.middle {
            Middle::Sink | Middle::Redirect | Middle::NativeRedirect | Middle::Bridge => {}
            Middle::Kernel | Middle::NativeKernel => {
                self.netweir = Some(start(&self.inside, (ends, self.middle.way()), &file));
            }
            Middle::Tap | Middle::NativeTap => {
                fs::write(&file, RULES)?;
                self.netweir = Some(start(&self.inside, (ends, self.middle.way()), &file));
                self.slots = Some(PinnedSlots::of(ends[0]));
            }
        }
        Ok(())
    }

    /// Lets what is not in the driver take frames that XDP sends, or not, which takes it longer for all others.
    pub(super) fn take_live(&self, on: bool) -> anyhow::Result<()> {
        if self.middle != Middle::Sink && self.middle.way() != "native" {
            set_offloads(&self.inside, self.middle.names()[0], on)?;
        }
        Ok(())
    }

    /// Frames that went by user space so far, and those that are there or on the way there.
    pub(super) fn tapped(&self) -> [u64; 2] {
        let slot = self.slots.as_ref().map(|slots| slots.slot(0));
        slot.map_or([0; 2], |slot| [slot.forwarded, slot.outstanding()])
    }

    /// Number of the process in the middle.
    pub(super) fn process(&self) -> anyhow::Result<u32> {
        let netweir = self.netweir.as_ref().context("there is no process")?;
        Ok(netweir.process())
    }

    /// Ends the process as a person would, if there is one.
    fn finish(&mut self) {
        self.slots = None;
        if let Some(netweir) = self.netweir.take() {
            let ended = netweir.end(Signal::TERM);
            // It ended well, with its books.
            let _books = ended.closing();
        }
    }
}

/// The socket that frames are for. Nobody reads it: what finds no room there is dropped there.
fn serve(netns: &Netns) -> anyhow::Result<UdpSocket> {
    // Without merging a veth takes no frames that XDP sends on.
    set_offloads(netns, SERVICE, true)?;
    run(netns, "ip", &["link", "set", SERVICE, "address", &mac()])?;
    add_address(netns, SERVICE, SERVICE_ADDRESS.into(), 24)?;
    Ok(netns.enter(|| UdpSocket::bind((SERVICE_ADDRESS, PORT)))??)
}

/// Starts the program between two interfaces.
fn start(netns: &Netns, ([one, other], way): ([&str; 2], &str), rules: &Path) -> Child {
    let words = ["inline", "--temporary", "--mode", "copy", "--xdp", way];
    let ends = ["--from", one, "--to", other, "--netns"];
    let mut words: Vec<PathBuf> = words.iter().chain(&ends).map(PathBuf::from).collect();
    words.push(netns.path());
    let netweir = Netweir::new(words).rules(rules).start();
    netweir.await_log(CROSSING, 1);
    netweir
}

/// Puts a bridge between two interfaces, that knows where frames go and asks no firewall.
fn bridge(netns: &Netns, ports: [&str; 2]) -> anyhow::Result<()> {
    netns.enter(|| {
        let settings = FIREWALLS.map(|name| Path::new(BRIDGES).join(name));
        // Kernels without br_netfilter have none.
        let mut found = settings.iter().filter(|setting| setting.exists());
        found.try_for_each(|setting| fs::write(setting, "0"))
    })??;
    let name = "bridge";
    let add = ["link", "add", name, "type", "bridge"];
    let quick = ["stp_state", "0", "forward_delay", "0"];
    run(netns, "ip", &[&add[..], &quick].concat())?;
    let quiet = ["link", "set", name, "addrgenmode", "none", "up"];
    run(netns, "ip", &quiet)?;
    for port in ports {
        run(netns, "ip", &["link", "set", port, "master", name])?;
    }
    let known = [
        "fdb",
        "replace",
        &mac(),
        "dev",
        ports[1],
        "master",
        "static",
    ];
    run(netns, "bridge", &known)
}

/// Address of the interface that frames are for.
fn mac() -> String {
    DESTINATION_MAC.map(|byte| format!("{byte:02x}")).join(":")
}

fn run(netns: &Netns, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let mut path = std::ffi::OsString::from("--net=");
    path.push(netns.path());
    let mut command = Command::new("nsenter");
    command.arg(path).arg(program).args(arguments);
    let status = command.stdin(Stdio::null()).status()?;
    ensure!(status.success(), "{program} {} failed", arguments.join(" "));
    Ok(())
}
