//! Trying a hook: frames through a scratch interface, and how many of them were counted. And a socket of the
//! inline path.

use std::{
    sync::{Arc, PoisonError, RwLock},
    thread,
    time::{Duration, Instant},
};

use netweir_flow::{Hook, Meter};
use netweir_wire::map::{Direction, PortClasses};

use super::{FrameSocket, link::index, veth};
use crate::{
    Agent, Choice, Error, Interfaces, Netns, QuicSettings, RuleSettings, Settings,
    attach::{HookChoice, MapSizes, Modes, TcMode},
    inline, now_ns,
};

/// Frames sent in a trial.
const FRAMES: u64 = 100;
/// How long frames may take to come through.
const PATIENCE: Duration = Duration::from_secs(2);
/// The end of the pair that is metered.
const METERED: &str = "metered";
/// The end that frames are sent through.
const SENDER: &str = "sender";

/// How a trial went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The hook that was taken, which may be another one than was asked for.
    pub hook: Hook,
    /// Frames counted.
    pub counted: u64,
    /// Frames sent.
    pub sent: u64,
}

/// Attaches to a scratch interface with a hook, sends frames to it and counts them.
///
/// # Errors
/// Whatever keeps the hook from being used here; [`Error::Netns`] and [`Error::System`] where there
/// can be no scratch interface.
pub fn try_hook(hook: HookChoice, tc: TcMode) -> Result<Tried, Error> {
    let netns = Netns::anonymous("scratch")?;
    veth((&netns, METERED), (&netns, SENDER))?;
    let meter = Meter::new(&netweir_flow::Settings::default(), now_ns());
    let meter = Arc::new(RwLock::new(meter));
    let namespaces = vec![netns.try_clone()?];
    let mut agent = Agent::start(settings(hook, tc), namespaces, Arc::clone(&meter))?;
    let socket = FrameSocket::open(&netns, SENDER)?;
    for _ in 0..FRAMES {
        socket.send(&frame())?;
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        agent.drain()?;
        let tried = read(&meter);
        if tried.counted >= FRAMES || Instant::now() > deadline {
            agent.stop()?;
            return Ok(tried);
        }
        // Frames come through in an instant, or not at all.
        thread::sleep(Duration::from_millis(1));
    }
}

/// Opens an AF_XDP socket of a scratch interface, which copies.
///
/// # Errors
/// Whatever keeps tapped frames from going by user space here; else as of [`try_hook`].
pub fn try_sockets() -> Result<(), Error> {
    let netns = Netns::anonymous("scratch")?;
    veth((&netns, METERED), (&netns, SENDER))?;
    let ifindex = index(&netns, METERED)?;
    netns.enter(|| inline::try_socket(ifindex))?
}

fn settings(hook: HookChoice, tc: TcMode) -> Settings {
    Settings {
        choices: vec![Choice {
            interfaces: Interfaces::Name(METERED.to_owned()),
            hook: None,
        }],
        except: Vec::new(),
        hook,
        modes: Modes {
            tc,
            ..Modes::default()
        },
        trace_any: false,
        maps: MapSizes {
            cache: 64,
            flows: 64,
            ring: 4096,
            quic: 0,
            interfaces: 8,
        },
        ports: Box::new(PortClasses { bits: [0; 65536] }),
        only: None,
        sampling: 1,
        quic: QuicSettings::default(),
        rules: RuleSettings::default(),
        pins: None,
    }
}

/// The shortest frame of Ethernet, of the type for local experiments (IEEE 802 numbers registry).
fn frame() -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    frame
}

fn read(meter: &RwLock<Meter>) -> Tried {
    let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
    let metered = meter
        .interfaces()
        .find(|state| &*state.interface.name == METERED);
    let counted = metered.map(|state| state.direction(Direction::Ingress).counters().counted);
    Tried {
        hook: metered.map_or(Hook::Unknown, |state| state.interface.hook),
        counted: counted.unwrap_or_default().frames,
        sent: FRAMES,
    }
}
