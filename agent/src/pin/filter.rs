//! Filters of the clsact qdisc, which last without a process: on kernels without TCX they stand in for
//! pinned links.
//!
//! They are known by the program in them, which is pinned: so exactly they are found again, whatever
//! their handles are, and whoever else has filters there.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use aya::programs::ProgramInfo;
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcMessage, TcOption},
};

use crate::{Error, error::Doing, netlink::Netlink, watch::remove_empty_clsact};

/// `TC_H_CLSACT` with `TC_H_MIN_INGRESS` and `TC_H_MIN_EGRESS`.
const BLOCKS: [TcHandle; 2] = [block(0xfff2), block(0xfff3)];
/// The kind of filters.
const KIND: &str = "bpf";
/// The kind of the qdisc.
const QDISC: &str = "clsact";
/// `ETH_P_ALL` as the kernel has it in the lower half of a filter's word.
const EVERY_PROTOCOL: u32 = 0x0003_u16.to_be() as u32;
/// What filters are called: not as those of an agent, which removes what another one left.
const NAMES: [&str; 2] = ["netweir_pin_in", "netweir_pin_out"];

const fn block(minor: u16) -> TcHandle {
    TcHandle {
        major: 0xffff,
        minor,
    }
}

/// Numbers of two programs, ingress first.
pub(super) type Ids = [u32; 2];

/// Whether an interface of this namespace has the qdisc.
pub(super) fn has_qdisc(ifindex: u32) -> Result<bool, Error> {
    let mut message = TcMessage::with_index(ifindex.cast_signed());
    message.header.parent = block(0xfff1);
    let answers = Netlink::open()
        .and_then(|netlink| netlink.dump(RouteNetlinkMessage::GetQueueDiscipline(message)));
    let answers = answers.doing("list the qdiscs")?;
    // Older kernels tell those of all interfaces.
    Ok(answers.iter().any(|answer| {
        let RouteNetlinkMessage::NewQueueDiscipline(qdisc) = answer else {
            return false;
        };
        let kind = TcAttribute::Kind(QDISC.to_owned());
        qdisc.header.index == ifindex.cast_signed() && qdisc.attributes.contains(&kind)
    }))
}

/// Makes sure that an interface of this namespace has the qdisc; says whether it had none.
pub(super) fn add_qdisc(ifindex: u32) -> Result<bool, Error> {
    let mut message = TcMessage::with_index(ifindex.cast_signed());
    message.header.parent = block(0xfff1);
    message.header.handle = block(0);
    message.attributes = vec![TcAttribute::Kind(QDISC.to_owned())];
    let added = Netlink::open()
        .and_then(|netlink| netlink.create(RouteNetlinkMessage::NewQueueDiscipline(message)));
    match added {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        Err(error) => Err(error).doing("add the clsact qdisc"),
    }
}

/// Adds filters with these programs, ingress first, behind those that are there.
pub(super) fn add(ifindex: u32, programs: &[OwnedFd; 2]) -> Result<(), Error> {
    let netlink = Netlink::open().map_err(Error::Netlink)?;
    for side in [0, 1] {
        let program = programs[side].as_fd();
        let message = message(ifindex, side, (EVERY_PROTOCOL, 0), program);
        netlink
            .create(RouteNetlinkMessage::NewTrafficFilter(message))
            .doing("add a filter to the clsact qdisc")?;
    }
    Ok(())
}

/// Puts other programs, ingress first, into the filters that have these; a filter that has another one
/// by now stays.
pub(super) fn replace(ifindex: u32, ids: Ids, programs: &[OwnedFd; 2]) -> Result<(), Error> {
    let netlink = Netlink::open().map_err(Error::Netlink)?;
    for side in [0, 1] {
        for found in find(&netlink, ifindex, side)? {
            if found.id == ids[side] {
                let program = programs[side].as_fd();
                let place = (found.info, u32::from(found.handle));
                let message = message(ifindex, side, place, program);
                netlink
                    .order(RouteNetlinkMessage::NewTrafficFilter(message))
                    .doing("replace a filter of the clsact qdisc")?;
            }
        }
    }
    Ok(())
}

/// Removes the filters that have these programs, and the qdisc if it was made for them and is empty.
pub(super) fn remove(ifindex: u32, ids: Ids, with_qdisc: bool) -> Result<(), Error> {
    let netlink = Netlink::open().map_err(Error::Netlink)?;
    for side in [0, 1] {
        for found in find(&netlink, ifindex, side)? {
            if ids.contains(&found.id) {
                let mut message = TcMessage::with_index(ifindex.cast_signed());
                message.header.parent = BLOCKS[side];
                message.header.handle = found.handle;
                message.header.info = found.info;
                netlink
                    .order(RouteNetlinkMessage::DelTrafficFilter(message))
                    .doing("remove a filter of the clsact qdisc")?;
            }
        }
    }
    if !with_qdisc {
        return Ok(());
    }
    match remove_empty_clsact(ifindex) {
        Err(error) if !is_absent(&error) => Err(error).doing("remove the clsact qdisc"),
        _ => Ok(()),
    }
}

/// Whether both programs are in a filter, ingress first.
pub(super) fn are_there(ifindex: u32, ids: Ids) -> Result<bool, Error> {
    let netlink = Netlink::open().map_err(Error::Netlink)?;
    for side in [0, 1] {
        let filters = find(&netlink, ifindex, side)?;
        if !filters.iter().any(|found| found.id == ids[side]) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A filter of ours or of others.
struct Found {
    id: u32,
    handle: TcHandle,
    /// Priority and protocol.
    info: u32,
}

/// The filters of a side that have a program.
fn find(netlink: &Netlink, ifindex: u32, side: usize) -> Result<Vec<Found>, Error> {
    let mut message = TcMessage::with_index(ifindex.cast_signed());
    message.header.parent = BLOCKS[side];
    let answers = match netlink.dump(RouteNetlinkMessage::GetTrafficFilter(message)) {
        // There is no such qdisc, or no such interface.
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        answers => answers.doing("list the filters of the clsact qdisc")?,
    };
    let found = answers.iter().filter_map(|answer| {
        let RouteNetlinkMessage::NewTrafficFilter(filter) = answer else {
            return None;
        };
        let mut options = filter
            .attributes
            .iter()
            .filter_map(|attribute| match attribute {
                TcAttribute::Options(options) => Some(options),
                _ => None,
            });
        let id = options.find_map(|options| {
            options.iter().find_map(|option| match option {
                TcOption::Bpf(TcFilterBpfOption::ProgId(id)) => Some(*id),
                _ => None,
            })
        })?;
        Some(Found {
            id,
            handle: filter.header.handle,
            info: filter.header.info,
        })
    });
    Ok(found.collect())
}

fn is_absent(error: &io::Error) -> bool {
    let absent = [libc::EINVAL, libc::ENOENT, libc::ENODEV].map(Some);
    absent.contains(&error.raw_os_error())
}

fn message(
    ifindex: u32,
    side: usize,
    (info, handle): (u32, u32),
    program: BorrowedFd<'_>,
) -> TcMessage {
    let options = [
        TcFilterBpfOption::ProgFd(program.as_raw_fd().cast_unsigned()),
        TcFilterBpfOption::ProgName(NAMES[side].to_owned()),
        TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
    ];
    let mut message = TcMessage::with_index(ifindex.cast_signed());
    message.header.parent = BLOCKS[side];
    message.header.info = info;
    message.header.handle = TcHandle::from(handle);
    message.attributes = vec![
        TcAttribute::Kind(KIND.to_owned()),
        TcAttribute::Options(options.into_iter().map(TcOption::Bpf).collect()),
    ];
    message
}

/// The number of a pinned program.
pub(super) fn id(path: &std::path::Path) -> Option<u32> {
    ProgramInfo::from_pin(path).ok().map(|program| program.id())
}
