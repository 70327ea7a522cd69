//! Many packets of many flows, as fast as it goes or at a pace.

use std::{
    io::IoSlice,
    thread,
    time::{Duration, Instant},
};

use netweir_agent::{Netns, scratch::FrameSocket};
use rustix::{
    io::Errno,
    net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg},
};

use crate::udp_frame;

/// Frames handed over by one system call.
const BATCH: usize = 64;
/// How long to sleep where nothing is due: short against everything that is measured.
const NAP: Duration = Duration::from_millis(1);
/// Payload that makes the shortest frame of Ethernet, but for its checksum.
const PAYLOAD_BYTES: usize = 18;
/// Where a frame has the source address and the source port.
const ADDRESS: usize = 14 + 12;
const PORT: usize = 14 + 20;
/// Flows that one address has.
const PORTS: u32 = 16;

/// How many packets, and how fast. Whatever limit comes first ends the sending.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// So many and no more.
    pub packets: u64,
    /// In a second; as many as possible without.
    pub per_second: Option<u32>,
    /// So long and no longer.
    pub at_most: Duration,
}

/// Sends through an interface, past all protocols.
#[derive(Debug)]
pub struct Sender {
    socket: FrameSocket,
}

impl Sender {
    /// Opens a packet socket.
    ///
    /// # Errors
    /// There is no such interface, or the kernel does not permit it.
    pub fn open(netns: &Netns, interface: &str) -> anyhow::Result<Self> {
        let socket = FrameSocket::open(netns, interface)?;
        Ok(Self { socket })
    }

    /// Sends packets, the flow of each by its place in the row, and says how many the interface
    /// took. The numbers of flows are told apart below 2^28: sixteen ports of each address in
    /// 10.0.0.0/8.
    ///
    /// # Errors
    /// The interface takes no frames.
    pub fn send(&self, load: Load, flow: impl Fn(u64) -> u32) -> anyhow::Result<u64> {
        let mut frames = vec![udp_frame(0, PAYLOAD_BYTES); BATCH];
        let began = Instant::now();
        let mut sent = 0;
        while sent < load.packets && began.elapsed() < load.at_most {
            let mut due = load.packets;
            if let Some(per_second) = load.per_second {
                due = due.min((began.elapsed().as_secs_f64() * f64::from(per_second)) as u64);
            }
            let count = BATCH.min(due.saturating_sub(sent) as usize);
            if count == 0 {
                thread::sleep(NAP);
                continue;
            }
            for (frame, place) in frames.iter_mut().zip(sent..).take(count) {
                set_flow(frame, flow(place));
            }
            self.send_all(&frames[..count])?;
            sent += count as u64;
        }
        Ok(sent)
    }

    /// What a report calls a flow at `w0`.
    pub fn name(flow: u32) -> String {
        let [_, b, c, d] = (flow / PORTS).to_be_bytes();
        let port = 1024 + flow % PORTS;
        format!("w0 ingress UDP 10.{b}.{c}.{d} {port} > 10.0.0.2 5000")
    }

    fn send_all(&self, frames: &[Vec<u8>]) -> anyhow::Result<()> {
        let slices: Vec<[IoSlice<'_>; 1]> =
            frames.iter().map(|frame| [IoSlice::new(frame)]).collect();
        let mut controls: Vec<_> = frames
            .iter()
            .map(|_| SendAncillaryBuffer::default())
            .collect();
        let messages = slices.iter().zip(&mut controls);
        let mut messages: Vec<_> = messages
            .map(|(slice, control)| MMsgHdr::new(slice, control))
            .collect();
        let mut done = 0;
        while done < frames.len() {
            match sendmmsg(&self.socket, &mut messages[done..], SendFlags::empty()) {
                Ok(count) => done += count,
                // The other end is behind: again, a little later.
                Err(Errno::NOBUFS | Errno::INTR) => thread::yield_now(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn set_flow(frame: &mut [u8], number: u32) {
    let [_, b, c, d] = (number / PORTS).to_be_bytes();
    frame[ADDRESS..ADDRESS + 4].copy_from_slice(&[10, b, c, d]);
    let port = 1024 + (number % PORTS) as u16;
    frame[PORT..PORT + 2].copy_from_slice(&port.to_be_bytes());
}
