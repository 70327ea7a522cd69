//! Links, which hold programs at interfaces.

use std::{io, os::fd::BorrowedFd};

use super::{bpf, number};

const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_LINK_UPDATE: libc::c_long = 29;
const BPF_LINK_DETACH: libc::c_long = 34;

#[repr(C)]
struct LinkUpdateAttribute {
    link: u32,
    program: u32,
    flags: u32,
    old_program: u32,
}

#[repr(C)]
struct InfoAttribute {
    object: u32,
    info_bytes: u32,
    info: u64,
}

/// The beginning of `struct bpf_link_info`, with that of what it has of TCX and of XDP.
#[derive(Default)]
#[repr(C)]
struct LinkInfo {
    kind: u32,
    id: u32,
    program: u32,
    padding: u32,
    ifindex: u32,
    rest: u32,
}

/// Puts another program into a link, at once: each packet meets one of them.
pub(crate) fn update_link(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attribute = LinkUpdateAttribute {
        link: number(link),
        program: number(program),
        flags: 0,
        old_program: 0,
    };
    // SAFETY: the attribute holds no pointers.
    unsafe { bpf(BPF_LINK_UPDATE, &mut attribute) }.map(drop)
}

/// Takes the program out of a link, whoever else has it open or pinned. (What only lets it go has it
/// taken out at some later time.)
pub(crate) fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut link = number(link);
    // SAFETY: the attribute is a number.
    unsafe { bpf(BPF_LINK_DETACH, &mut link) }.map(drop)
}

/// Index of the interface that a link of TCX or XDP hangs on; 0 where that is gone.
pub(crate) fn interface_of_link(link: BorrowedFd<'_>) -> io::Result<u32> {
    let mut info = LinkInfo::default();
    let mut attribute = InfoAttribute {
        object: number(link),
        info_bytes: size_of::<LinkInfo>() as u32,
        info: std::ptr::from_mut(&mut info) as u64,
    };
    // SAFETY: the kernel writes no more than there is room for, which it is told.
    unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attribute) }?;
    Ok(info.ifindex)
}
