//! Interfaces and addresses, made over rtnetlink.
//!
//! Interfaces are quiet: IPv6 takes no address by itself, so nothing is sent that nobody sent.

use std::{
    io,
    net::IpAddr,
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
    link::{
        AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute,
        LinkFlags, LinkInfo, LinkMessage,
    },
};

use crate::{Error, Netns, error::Doing, netlink::Netlink, watch};

/// How long the kernel may take to look after a carrier.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes a virtual Ethernet pair, each end in its namespace, and sets both ends up.
///
/// # Errors
/// [`Error::System`] where a name is taken or the kernel has no veth.
pub fn veth(left: (&Netns, &str), right: (&Netns, &str)) -> Result<(), Error> {
    veth_with_queues(left, right, 1)
}

/// As [`veth`], with as many queues each way.
///
/// # Errors
/// As of [`veth`].
pub fn veth_with_queues(
    left: (&Netns, &str),
    right: (&Netns, &str),
    queues: u32,
) -> Result<(), Error> {
    let mut pair = end(left.1, queues);
    let mut peer = end(right.1, queues);
    let right_file = right.0.as_fd().as_raw_fd();
    peer.attributes.push(LinkAttribute::NetNsFd(right_file));
    pair.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    let create = || Netlink::open()?.create(RouteNetlinkMessage::NewLink(pair));
    left.0
        .enter(create)?
        .doing("make a virtual Ethernet pair")?;
    for (netns, name) in [left, right] {
        set_up(netns, name)?;
    }
    for (netns, name) in [left, right] {
        wait_until_operational(netns, name)?;
    }
    Ok(())
}

/// Waits until an interface that is up sends: until the kernel has looked after its carrier, which it
/// does in its own time, it drops every frame and says nothing. (The flag `IFF_RUNNING` will not do: it
/// is set too where nobody has looked yet.)
fn wait_until_operational(netns: &Netns, interface: &str) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    while !watch::find(netns, interface)?.operational {
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut).doing("wait for an interface's carrier");
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Sets the loopback interface of a namespace up.
///
/// # Errors
/// [`Error::System`] where the kernel refuses.
pub fn set_loopback_up(netns: &Netns) -> Result<(), Error> {
    set_up(netns, "lo")
}

/// Gives an interface an address, valid at once, and with it the route to its prefix.
///
/// # Errors
/// [`Error::NoInterface`], or [`Error::System`] where the address is taken or the prefix is
/// longer than an address.
pub fn add_address(
    netns: &Netns,
    interface: &str,
    address: IpAddr,
    prefix_length: u8,
) -> Result<(), Error> {
    let mut message = AddressMessage::default();
    message.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.index = index(netns, interface)?;
    message.header.prefix_len = prefix_length;
    // Nobody else can have it: no search for duplicates, which would take seconds.
    message.header.flags = AddressHeaderFlags::Nodad;
    message.attributes = vec![
        AddressAttribute::Local(address),
        AddressAttribute::Address(address),
    ];
    let add = || Netlink::open()?.create(RouteNetlinkMessage::NewAddress(message));
    netns.enter(add)?.doing("give an interface an address")
}

fn end(name: &str, queues: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::NumTxQueues(queues),
        LinkAttribute::NumRxQueues(queues),
    ];
    message
}

fn set_up(netns: &Netns, interface: &str) -> Result<(), Error> {
    let mut quiet = LinkMessage::default();
    quiet.header.index = index(netns, interface)?;
    let mut up = quiet.clone();
    let no_address = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
    quiet.attributes = vec![LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(
        vec![no_address],
    )])];
    up.header.flags = LinkFlags::Up;
    up.header.change_mask = LinkFlags::Up;
    let set = || -> io::Result<()> {
        let netlink = Netlink::open()?;
        match netlink.order(RouteNetlinkMessage::SetLink(quiet)) {
            // A kernel without IPv6 is quiet as it is.
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {}
            done => done?,
        }
        netlink.order(RouteNetlinkMessage::SetLink(up))
    };
    netns.enter(set)?.doing("set an interface up")
}

/// Index of the interface of that name.
pub(super) fn index(netns: &Netns, interface: &str) -> Result<u32, Error> {
    watch::find(netns, interface).map(|device| device.ifindex)
}
