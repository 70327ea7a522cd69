//! Where the running kernel keeps the fields that the tracepoint hook reads.

/// Offsets in bytes within the kernel's structures, as its own type information (BTF) gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SkbOffsets {
    /// `sk_buff.dev`, a pointer.
    pub dev: u32,
    /// `sk_buff.len`, a `u32`.
    pub len: u32,
    /// `sk_buff.data_len`, a `u32`.
    pub data_len: u32,
    /// `sk_buff.mac_header`, a `u16`.
    pub mac_header: u32,
    /// `sk_buff.head`, a pointer.
    pub head: u32,
    /// `sk_buff.data`, a pointer.
    pub data: u32,
    /// `sk_buff.end`, a `u32` offset from the head (64-bit kernels).
    pub end: u32,
    /// `sk_buff.vlan_all`: protocol and tag as one `u32`, zero where there is none.
    pub vlan: u32,
    /// `skb_shared_info.gso_size`, a `u16`, followed by `gso_segs`.
    pub gso_size: u32,
    /// `net_device.ifindex`, a `u32`.
    pub ifindex: u32,
    /// `net_device.type`, a `u16`.
    pub kind: u32,
    /// `net_device.nd_net`, a pointer to the network namespace.
    pub netns: u32,
    /// `net.ns.inum`, a `u32`: the inode number of the namespace.
    pub netns_inode: u32,
}
