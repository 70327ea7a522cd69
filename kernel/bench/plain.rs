//! The yardstick: what flow agents in wide use do with each packet.
//!
//! Ethernet, up to two VLAN tags, IPv4 with options, IPv6 without extension headers, TCP and UDP
//! are read by direct access. The 5-tuple is looked up in one hash that all CPUs share, packets and
//! bytes are added atomically, flags and time are stored; an unknown flow is inserted. The clock is
//! the precise one. Nothing is counted but the flow: no interfaces, no classes, no losses.

use core::intrinsics::{AtomicOrdering, atomic_xadd};

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_NOEXIST, TC_ACT_UNSPEC, xdp_action::XDP_PASS},
    helpers::generated::{bpf_ktime_get_ns, bpf_xdp_get_buff_len},
    macros::{classifier, map, xdp},
    maps::HashMap,
    programs::{TcContext, XdpContext},
};

use crate::reader::Linear;

/// One direction of a 5-tuple: 40 bytes, as the usual agents have it.
#[repr(C)]
struct Key {
    /// IPv4 as v4-mapped; the bytes of the packet, as numbers because that is quicker.
    source: [u64; 2],
    destination: [u64; 2],
    /// Both ports, the bytes of the packet.
    ports: u32,
    protocol: u32,
}

/// What is counted of a flow.
#[repr(C)]
struct Counters {
    packets: u64,
    bytes: u64,
    first_ns: u64,
    last_ns: u64,
    tcp_flags: u32,
    reserved: u32,
}

const _: () = assert!(size_of::<Key>() == 40 && size_of::<Counters>() == 40);

/// The flows; allocated at the start and shared by all CPUs. The loader sets the size.
#[map]
static PLAIN_FLOWS: HashMap<Key, Counters> = HashMap::with_max_entries(65_536, 0);

const ETHERNET_BYTES: usize = 14;
const TAG_BYTES: usize = 4;
const IPV6_BYTES: usize = 40;

const IPV4: u16 = 0x0800_u16.to_be();
const IPV6: u16 = 0x86dd_u16.to_be();
const VLAN: u16 = 0x8100_u16.to_be();
const SERVICE_VLAN: u16 = 0x88a8_u16.to_be();

const TCP: u8 = 6;
const UDP: u8 = 17;

#[xdp(frags)]
fn bench_plain_xdp(context: XdpContext) -> u32 {
    let packet = Linear {
        start: context.data(),
        end: context.data_end(),
    };
    // SAFETY: the context is the one that the kernel passed in.
    let bytes = unsafe { bpf_xdp_get_buff_len(context.as_ptr().cast()) };
    count(packet, bytes);
    XDP_PASS
}

#[classifier]
fn bench_plain_tc(context: TcContext) -> i32 {
    let packet = Linear {
        start: context.data(),
        end: context.data_end(),
    };
    count(packet, u64::from(context.len()));
    TC_ACT_UNSPEC
}

#[inline(always)]
fn count(packet: Linear, bytes: u64) {
    if let Some((key, tcp_flags)) = read(packet) {
        // SAFETY: the helper takes no arguments.
        let now_ns = unsafe { bpf_ktime_get_ns() };
        let first = Counters {
            packets: 1,
            bytes,
            first_ns: now_ns,
            last_ns: now_ns,
            tcp_flags: u32::from(tcp_flags),
            reserved: 0,
        };
        if !add(&key, &first) {
            let inserted = PLAIN_FLOWS.insert(&key, &first, u64::from(BPF_NOEXIST));
            if inserted.is_err() {
                // Another CPU was quicker, or there is no room: such agents pass over that.
                add(&key, &first);
            }
        }
    }
}

/// Adds to a flow that is known.
#[inline(always)]
fn add(key: &Key, more: &Counters) -> bool {
    let Some(flow) = PLAIN_FLOWS.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: entries are not removed while programs run. Counts are added atomically; of what
    // several CPUs store at once, each value is a right one.
    unsafe {
        atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(&raw mut (*flow).packets, more.packets);
        atomic_xadd::<_, _, { AtomicOrdering::Relaxed }>(&raw mut (*flow).bytes, more.bytes);
        (*flow).last_ns = more.last_ns;
        (*flow).tcp_flags |= more.tcp_flags;
    }
    true
}

/// The flow of a packet of IP, and the flags of TCP.
#[inline(always)]
fn read(packet: Linear) -> Option<(Key, u16)> {
    let mut ethertype: u16 = packet.read(ETHERNET_BYTES - 2)?;
    let mut offset = ETHERNET_BYTES;
    for _ in 0..2 {
        if ethertype == VLAN || ethertype == SERVICE_VLAN {
            ethertype = packet.read(offset + 2)?;
            offset += TAG_BYTES;
        }
    }
    match ethertype {
        IPV4 => {
            let first: u8 = packet.read(offset)?;
            let protocol: u8 = packet.read(offset + 9)?;
            let [source, destination]: [u32; 2] = packet.read(offset + 12)?;
            let (ports, flags) = transport(packet, offset + usize::from(first & 15) * 4, protocol)?;
            // The target is little-endian: the address lies behind.
            let mapped = |address: u32| [0, u64::from(address) << 32 | 0xffff_0000];
            let key = key(mapped(source), mapped(destination), ports, protocol);
            Some((key, flags))
        }
        IPV6 => {
            let protocol: u8 = packet.read(offset + 6)?;
            let [source, destination]: [[u64; 2]; 2] = packet.read(offset + 8)?;
            let (ports, flags) = transport(packet, offset + IPV6_BYTES, protocol)?;
            Some((key(source, destination, ports, protocol), flags))
        }
        _ => None,
    }
}

/// Both ports, and the flags of TCP.
#[inline(always)]
fn transport(packet: Linear, offset: usize, protocol: u8) -> Option<(u32, u16)> {
    match protocol {
        TCP => {
            // At once: of two reads the compiler leaves one comparison out, and the verifier
            // misses it.
            let [ports, _, _, flags]: [u32; 4] = packet.read(offset)?;
            Some((ports, u16::from_be(flags as u16) & 0x0fff))
        }
        UDP => Some((packet.read(offset)?, 0)),
        _ => Some((0, 0)),
    }
}

#[inline(always)]
fn key(source: [u64; 2], destination: [u64; 2], ports: u32, protocol: u8) -> Key {
    Key {
        source,
        destination,
        ports,
        protocol: u32::from(protocol),
    }
}
