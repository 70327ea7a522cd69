//! The tracepoint programs, attached: the kernel runs them over no frame of ours.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, with its line")]

use aya::{
    Btf,
    programs::{BtfTracePoint, RawTracePoint},
};
use netweir_agent::{Netns, attach::Object, watch};
use netweir_wire::{
    map::{Direction, InterfaceKey},
    name,
};

use crate::Feature;

/// What of a frame the tracepoint programs can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traced {
    /// All of it.
    Paged,
    /// Its linear part.
    Linear,
}

impl Traced {
    /// Whether the running kernel takes these programs; says that the test is skipped where it does not.
    pub fn is_there_or_skip(self) -> bool {
        match self {
            Self::Paged => Feature::TracedPages.is_there_or_skip(),
            Self::Linear => true,
        }
    }

    /// Attaches the programs of both directions; the object holds the links.
    ///
    /// # Panics
    /// The kernel refuses.
    pub fn attach(self, object: &mut Object) {
        for direction in [Direction::Ingress, Direction::Egress] {
            self.attach_at(object, direction);
        }
    }

    /// Attaches the program of one direction; the object holds the link.
    ///
    /// # Panics
    /// The kernel refuses.
    pub fn attach_at(self, object: &mut Object, direction: Direction) {
        let tracepoint = match direction {
            Direction::Ingress => "netif_receive_skb",
            Direction::Egress => "net_dev_queue",
        };
        match self {
            Self::Paged => {
                let name = match direction {
                    Direction::Ingress => name::TRACE_RECEIVE,
                    Direction::Egress => name::TRACE_TRANSMIT,
                };
                let types = Btf::from_sys_fs().unwrap();
                let load = |program: &mut BtfTracePoint| program.load(tracepoint, &types);
                object.program(name, load).unwrap().attach().unwrap();
            }
            Self::Linear => {
                let name = match direction {
                    Direction::Ingress => name::TRACE_RECEIVE_LINEAR,
                    Direction::Egress => name::TRACE_TRANSMIT_LINEAR,
                };
                let program = object.program(name, RawTracePoint::load).unwrap();
                program.attach(tracepoint).unwrap();
            }
        }
    }
}

/// What the programs count an interface's frames under.
///
/// # Panics
/// There is no such interface.
pub fn interface_key(netns: &Netns, name: &str, direction: Direction) -> InterfaceKey {
    InterfaceKey {
        netns: netns.inode(),
        ifindex: watch::find(netns, name).unwrap().ifindex,
        direction: direction as u32,
    }
}
