//! A client and a service with a bump in the wire between them: three namespaces, and two virtual Ethernet
//! pairs with several queues. Everything ends with the value, or with the process however it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, with its line")]

use std::{path::PathBuf, process::Command};

use netweir_agent::{Netns, scratch::veth_with_queues};
use tempfile::TempDir;

use crate::{Child, Ended, Netweir, Server, Side};

/// Queues of each interface.
const QUEUES: u32 = 2;

/// What the command logs when frames cross and all sockets are there.
const READY: &str = "frames cross between";

/// A client, a service, and the two interfaces between them.
pub struct Bump {
    /// Interface `c0`, 10.9.0.1 and 2001:db8:9::1.
    pub client: Side,
    /// Interfaces `b0`, towards the client, and `b1`, without addresses.
    pub middle: Side,
    /// Interface `s0`, 10.9.0.2 and 2001:db8:9::2.
    pub service: Side,
    rules: TempDir,
    /// Where frames cross.
    xdp: &'static str,
}

impl Bump {
    /// With this MTU; nothing crosses yet.
    ///
    /// # Panics
    /// The machine does not permit it, or `ip` or `ethtool` is missing.
    pub fn new(mtu: u32) -> Self {
        let bump = Self::unconnected();
        bump.connect(&bump.client, "b0");
        bump.connect(&bump.service, "b1");
        bump.set_mtu(mtu);
        bump
    }

    /// Over four network cards of this machine, of which the first two see each other, and the last two;
    /// they come back to it in the end.
    ///
    /// # Panics
    /// As of [`Self::new`].
    pub fn over(cards: [&str; 4]) -> Self {
        let bump = Self::unconnected();
        let places = [
            (&bump.client, "c0"),
            (&bump.middle, "b0"),
            (&bump.middle, "b1"),
            (&bump.service, "s0"),
        ];
        for (card, (side, name)) in cards.into_iter().zip(places) {
            let netns = side.netns.path();
            let moved = Command::new("ip")
                .args(["link", "set", card, "name", name, "netns"])
                .arg(&netns)
                .status();
            assert!(moved.unwrap().success(), "{card}");
            side.text("ip", &["link", "set", name, "up"]);
        }
        for side in [&bump.client, &bump.service] {
            Self::configure(side);
        }
        bump
    }

    fn unconnected() -> Self {
        Self {
            client: Side::quiet("client", "c0", [10, 9, 0, 1]),
            middle: Side::quiet("middle", "b0", [0; 4]),
            service: Side::quiet("service", "s0", [10, 9, 0, 2]),
            rules: tempfile::tempdir().unwrap(),
            xdp: "native",
        }
    }

    fn set_mtu(&self, mtu: u32) {
        for (side, interface) in [
            (&self.client, "c0"),
            (&self.middle, "b0"),
            (&self.middle, "b1"),
            (&self.service, "s0"),
        ] {
            let mtu = mtu.to_string();
            side.text("ip", &["link", "set", interface, "mtu", &mtu]);
        }
    }

    /// Makes the pair of one side.
    fn connect(&self, side: &Side, near: &str) {
        let ends = |netns, name| -> (&Netns, &str) { (netns, name) };
        veth_with_queues(
            ends(&side.netns, side.interface),
            ends(&self.middle.netns, near),
            QUEUES,
        )
        .unwrap();
        Self::configure(side);
        // Frames are to have their checksums and tags, and to be taken from the other end.
        let offloads = ["gro", "on", "tx", "off", "txvlan", "off"];
        side.text(
            "ethtool",
            &[&["-K", side.interface][..], &offloads].concat(),
        );
    }

    /// Gives an end its addresses.
    fn configure(side: &Side) {
        for address in side.addresses {
            let address = match address.is_ipv4() {
                true => format!("{address}/24"),
                false => format!("{address}/64"),
            };
            let fixed = ["address", "add", &address, "dev", side.interface, "nodad"];
            let given = if address.contains(':') { 6 } else { 5 };
            side.text("ip", &fixed[..given]);
        }
    }

    /// The same with frames that cross there: `native` (as it is), `generic` or `auto`.
    pub fn by(self, xdp: &'static str) -> Self {
        Self { xdp, ..self }
    }

    /// The file of its rules, which is not there yet.
    pub fn rules(&self) -> PathBuf {
        self.rules.path().join("rules.toml")
    }

    /// Adds a rule for both ways.
    ///
    /// # Panics
    /// It is refused.
    pub fn rule(&self, label: &str, arguments: &[&str]) {
        let fixed = ["rule", "add", label];
        let ended = Netweir::new(fixed.iter().chain(arguments).copied())
            .rules(self.rules())
            .finish();
        assert_eq!(ended.failure(), (Some(0), vec![]), "{ended:#?}");
    }

    /// `netweir inline` between the two.
    pub fn call(&self, arguments: &[&str]) -> Netweir {
        let fixed = ["inline", "--from", "b0", "--to", "b1", "--xdp", self.xdp];
        Netweir::new(fixed.iter().chain(arguments).copied())
            .rules(self.rules())
            .netns(&self.middle)
    }

    /// The same, until frames cross.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let child = self.call(arguments).start();
        child.await_log(READY, 1);
        child
    }

    /// The same with its API.
    pub fn serve(&self, arguments: &[&str]) -> Server {
        let port = ["--port", "0"];
        let server = Server::of(self.call(&[&port, arguments].concat()));
        server.child.await_log(READY, 1);
        server
    }
}

/// What the command tells at its end of the frames that came by one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crossed {
    /// All that came.
    pub came: u64,
    /// Those that the kernel said that it had handed on.
    pub crossed: u64,
    /// Those that went by user space.
    pub tapped: u64,
    /// Those that a rule dropped.
    pub dropped: u64,
    /// Those that were lost.
    pub lost: u64,
    /// Those that are still in user space.
    pub in_tap: u64,
    /// Those of which the kernel did not say anything.
    pub unconfirmed: i64,
    /// Those that a rule taps, and that did not go by user space.
    pub bypassed: u64,
    /// The line.
    pub line: String,
}

impl Crossed {
    /// By the interface of this name.
    ///
    /// # Panics
    /// It does not tell.
    pub fn of(ended: &Ended, interface: &str) -> Self {
        let begin = format!("netweir: {interface} to ");
        let mut lines = ended.log.iter();
        let line = lines
            .find(|line| line.starts_with(&begin))
            .unwrap_or_else(|| panic!("{ended:#?}"));
        let number = |behind: &str| {
            let before = line.split(behind).next().unwrap_or_default();
            let word = before.rsplit([' ', '(']).next().unwrap_or_default();
            match line.contains(behind) {
                true => word.parse::<i64>().unwrap_or_else(|_| panic!("{line}")),
                false => 0,
            }
        };
        let count = |behind| number(behind).unsigned_abs();
        let bypassed = line.split_once("rules tap ").map_or(0, |(_, rest)| {
            let word = rest.split(' ').next().unwrap_or_default();
            word.parse().unwrap_or_else(|_| panic!("{line}"))
        });
        Self {
            came: count(" frames came").max(count(" frame came")),
            crossed: count(" crossed in the kernel"),
            tapped: count(" by user space"),
            dropped: count(" dropped"),
            lost: count(" lost"),
            in_tap: count(" in user space"),
            unconfirmed: number(" unconfirmed"),
            bypassed,
            line: line.clone(),
        }
    }

    /// Checks the sum, and that nearly all of it is known: a sandbox may keep tracing programs from running
    /// while a process of its own is interrupted, and that is told as unconfirmed.
    ///
    /// # Panics
    /// It is not so.
    pub fn check(&self) {
        let known = self.crossed + self.tapped + self.dropped + self.lost + self.in_tap;
        let told = known.cast_signed() + self.unconfirmed;
        assert_eq!(told, self.came.cast_signed(), "{self:?}");
        let most = (self.came / 20 + 40).cast_signed();
        assert!((0..=most).contains(&self.unconfirmed), "{self:?}");
    }
}
