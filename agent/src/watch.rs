//! The interfaces of a network namespace: listing them, and following them as they come and go.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkFlags, LinkMessage, State},
    route::{RouteAttribute, RouteMessage},
    tc::{TcHandle, TcMessage},
};
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use rustix::net::{AddressFamily, SocketType, netdevice};

use crate::{
    Error,
    netlink::{Netlink, messages},
    netns::Netns,
};

/// `RTNLGRP_LINK`: news of interfaces.
const LINK_GROUP: u32 = 1;

/// An interface, as the kernel describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Index within its namespace.
    pub ifindex: u32,
    /// Name.
    pub name: String,
    /// Hardware type, `ARPHRD_` of `linux/if_arp.h`.
    pub kind: u16,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether the kernel has found a carrier and let its queues send (RFC 2863: `up`). What knows of
    /// no carrier, a loopback interface for one, never says so.
    pub operational: bool,
    /// Whether it is a loopback interface.
    pub loopback: bool,
    /// Largest payload of a frame in bytes.
    pub mtu: u32,
    /// The kernel's own counters.
    pub statistics: Statistics,
}

/// What the kernel itself counted of an interface since it exists (`IFLA_STATS64`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames received.
    pub received_frames: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Frames sent.
    pub sent_frames: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Frames that were to be sent and were not.
    pub sent_dropped: u64,
}

/// Something happened to an interface.
#[derive(Debug)]
pub(crate) enum Change {
    /// It came, or has another name.
    Came(Device),
    /// It went.
    Gone(u32),
}

/// The interfaces of a namespace, followed.
pub(crate) struct Watch {
    socket: Socket,
    known: HashMap<u32, String>,
}

impl Watch {
    /// Begins to follow the interfaces of a namespace; those that are there come first.
    pub(crate) fn open(netns: &Netns) -> Result<(Self, Vec<Device>), Error> {
        let open = || -> io::Result<_> {
            // News first, then the list: what happens in between is then told twice, not missed.
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.add_membership(LINK_GROUP)?;
            socket.set_non_blocking(true)?;
            Ok((socket, list_here()?))
        };
        let (socket, devices) = netns.enter(open)?.map_err(Error::Netlink)?;
        let known = devices
            .iter()
            .map(|device| (device.ifindex, device.name.clone()))
            .collect();
        Ok((Self { socket, known }, devices))
    }

    /// Becomes readable when there are changes.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open for as long as the socket lives, which is borrowed here.
        unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) }
    }

    /// What happened since the last call; waits for nothing.
    pub(crate) fn changes(&mut self, netns: &Netns) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::new();
        loop {
            match self.socket.recv_from_full() {
                Ok((bytes, _)) => {
                    for message in messages(&bytes).flatten() {
                        if let NetlinkPayload::InnerMessage(message) = message.payload {
                            changes.extend(self.change(message));
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(changes),
                // News were lost: compare with the whole list.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    let devices = netns.enter(list_here)?.map_err(Error::Netlink)?;
                    changes.extend(self.compare(devices));
                }
                Err(error) => return Err(Error::Netlink(error)),
            }
        }
    }

    /// Whether an interface is there now. News can come late: after those of its end.
    pub(crate) fn has(&mut self, netns: &Netns, ifindex: u32) -> Result<bool, Error> {
        let name = netns.enter(|| name_of(ifindex))?;
        if name.is_none() {
            self.known.remove(&ifindex);
        }
        Ok(name.is_some())
    }

    fn change(&mut self, message: RouteNetlinkMessage) -> Option<Change> {
        match message {
            RouteNetlinkMessage::NewLink(link) => {
                let device = device(&link)?;
                let before = self.known.insert(device.ifindex, device.name.clone());
                (before.as_ref() != Some(&device.name)).then_some(Change::Came(device))
            }
            RouteNetlinkMessage::DelLink(link) => {
                // A bridge tells of its ports under another family; they are not gone.
                let whole = u8::from(link.header.interface_family) == libc::AF_UNSPEC as u8;
                let known = whole && self.known.remove(&link.header.index).is_some();
                known.then_some(Change::Gone(link.header.index))
            }
            _ => None,
        }
    }

    fn compare(&mut self, devices: Vec<Device>) -> Vec<Change> {
        let now: HashMap<u32, String> = devices
            .iter()
            .map(|device| (device.ifindex, device.name.clone()))
            .collect();
        let before = std::mem::replace(&mut self.known, now);
        let gone = before
            .keys()
            .filter(|ifindex| !self.known.contains_key(ifindex));
        let mut changes: Vec<Change> = gone.map(|&ifindex| Change::Gone(ifindex)).collect();
        let came = devices
            .into_iter()
            .filter(|new| before.get(&new.ifindex) != Some(&new.name));
        changes.extend(came.map(Change::Came));
        changes
    }
}

/// The name of an interface in the namespace of the calling thread.
pub(crate) fn name_of(ifindex: u32) -> Option<String> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    netdevice::index_to_name(&socket, ifindex).ok()
}

/// The interfaces of a namespace.
///
/// # Errors
/// [`Error::Netns`] and [`Error::Netlink`].
pub fn list(netns: &Netns) -> Result<Vec<Device>, Error> {
    netns.enter(list_here)?.map_err(Error::Netlink)
}

/// The interface of that name. Unlike in [`list`], the kernel looks after its carrier first (Linux 6.8).
///
/// # Errors
/// [`Error::NoInterface`], [`Error::Netns`] and [`Error::Netlink`].
pub fn find(netns: &Netns, name: &str) -> Result<Device, Error> {
    let missing = || Error::NoInterface {
        name: name.to_owned(),
        netns: netns.to_string(),
    };
    let mut question = LinkMessage::default();
    question.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    let ask = || Netlink::open()?.ask(RouteNetlinkMessage::GetLink(question));
    match netns.enter(ask)? {
        Ok(RouteNetlinkMessage::NewLink(link)) => device(&link).ok_or_else(missing),
        Ok(_) => Err(missing()),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Err(missing()),
        Err(error) => Err(Error::Netlink(error)),
    }
}

/// Frames that an interface of the connection's namespace was to send and has not, since it exists; none if it is
/// gone.
pub(crate) fn sent_dropped(netlink: &Netlink, ifindex: u32) -> Option<u64> {
    let mut question = LinkMessage::default();
    question.header.index = ifindex;
    match netlink.ask(RouteNetlinkMessage::GetLink(question)) {
        Ok(RouteNetlinkMessage::NewLink(link)) => Some(device(&link)?.statistics.sent_dropped),
        Ok(_) | Err(_) => None,
    }
}

fn list_here() -> io::Result<Vec<Device>> {
    let answers = Netlink::open()?.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    let mut devices: Vec<Device> = answers
        .iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(link) => device(link),
            _ => None,
        })
        .collect();
    devices.sort_by_key(|device| device.ifindex);
    Ok(devices)
}

/// The interface that a link message tells of. Messages of bridges and wireless devices, which have
/// a family or no name, tell of other things.
fn device(link: &LinkMessage) -> Option<Device> {
    if u8::from(link.header.interface_family) != libc::AF_UNSPEC as u8 {
        return None;
    }
    let mut device = Device {
        ifindex: link.header.index,
        name: String::new(),
        kind: u16::from(link.header.link_layer_type),
        up: link.header.flags.contains(LinkFlags::Up),
        operational: false,
        loopback: link.header.flags.contains(LinkFlags::Loopback),
        mtu: 0,
        statistics: Statistics::default(),
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => device.mtu = *mtu,
            LinkAttribute::OperState(state) => device.operational = *state == State::Up,
            LinkAttribute::Stats64(counted) => {
                device.statistics = Statistics {
                    received_frames: counted.rx_packets,
                    received_bytes: counted.rx_bytes,
                    sent_frames: counted.tx_packets,
                    sent_bytes: counted.tx_bytes,
                    sent_dropped: counted.tx_dropped,
                }
            }
            _ => {}
        }
    }
    (!device.name.is_empty()).then_some(device)
}

/// Index of the interface that the best default route of a namespace leads through.
pub(crate) fn default_route(netns: &Netns) -> Result<Option<u32>, Error> {
    let ask = || -> io::Result<Option<u32>> {
        let netlink = Netlink::open()?;
        let mut best = None;
        for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
            let mut question = RouteMessage::default();
            question.header.address_family = family.into();
            let routes = netlink.dump(RouteNetlinkMessage::GetRoute(question))?;
            best = best.or_else(|| routes.iter().filter_map(default_of).min());
        }
        Ok(best.map(|(_, ifindex)| ifindex))
    };
    netns.enter(ask)?.map_err(Error::Netlink)
}

/// Metric and interface of a default route in the main table.
fn default_of(route: &RouteNetlinkMessage) -> Option<(u32, u32)> {
    let RouteNetlinkMessage::NewRoute(route) = route else {
        return None;
    };
    let header = &route.header;
    if header.destination_prefix_length != 0 || header.table != libc::RT_TABLE_MAIN {
        return None;
    }
    let (mut metric, mut interface) = (0, None);
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Priority(priority) => metric = *priority,
            RouteAttribute::Oif(ifindex) => interface = Some(*ifindex),
            _ => {}
        }
    }
    Some((metric, interface?))
}

/// Removes the clsact qdisc of an interface, unless it has filters.
pub(crate) fn remove_empty_clsact(ifindex: u32) -> io::Result<()> {
    /// `TC_H_CLSACT` with `TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS`.
    const BLOCKS: [TcHandle; 2] = [
        TcHandle {
            major: 0xffff,
            minor: 0xfff2,
        },
        TcHandle {
            major: 0xffff,
            minor: 0xfff3,
        },
    ];
    let netlink = Netlink::open()?;
    let mut message = TcMessage::default();
    message.header.index = ifindex as i32;
    for block in BLOCKS {
        message.header.parent = block;
        let question = RouteNetlinkMessage::GetTrafficFilter(message.clone());
        match netlink.dump(question) {
            Ok(filters) if filters.is_empty() => {}
            // Somebody else's are there.
            Ok(_) => return Ok(()),
            // Somebody else has removed the qdisc.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    message.header.parent = TcHandle {
        major: 0xffff,
        minor: 0xfff1,
    };
    message.header.handle = TcHandle {
        major: 0xffff,
        minor: 0,
    };
    netlink.order(RouteNetlinkMessage::DelQueueDiscipline(message))
}
