//! Every name that both sides of the kernel border must spell alike.

/// Program at the receive path of the driver, multi-buffer aware.
pub const XDP: &str = "netweir_xdp";
/// The same program for drivers and kernels without multi-buffer packets.
pub const XDP_LINEAR: &str = "netweir_xdp_lin";
/// Program at TC ingress of a device with Ethernet headers.
pub const TC_INGRESS: &str = "netweir_tc_in";
/// Program at TC egress of a device with Ethernet headers.
pub const TC_EGRESS: &str = "netweir_tc_out";
/// Program at TC ingress of a device whose frames begin with the IP header.
pub const TC_INGRESS_IP: &str = "netweir_tc3_in";
/// Program at TC egress of a device whose frames begin with the IP header.
pub const TC_EGRESS_IP: &str = "netweir_tc3_out";
/// Program at the tracepoint `netif_receive_skb`, for kernels that let it read paged data.
pub const TRACE_RECEIVE: &str = "netweir_tp_in";
/// Program at the tracepoint `net_dev_queue`, for kernels that let it read paged data.
pub const TRACE_TRANSMIT: &str = "netweir_tp_out";
/// Program at the tracepoint `netif_receive_skb`, linear data only.
pub const TRACE_RECEIVE_LINEAR: &str = "netweir_rtp_in";
/// Program at the tracepoint `net_dev_queue`, linear data only.
pub const TRACE_TRANSMIT_LINEAR: &str = "netweir_rtp_out";
/// A program that does nothing: what measurements are compared with, at XDP.
pub const EMPTY_XDP: &str = "netweir_no_xdp";
/// A program that does nothing: what measurements are compared with, at TC.
pub const EMPTY_TC: &str = "netweir_no_tc";

/// Flows of even epochs: [`crate::map::FlowKey`] → [`crate::map::FlowCounters`].
pub const FLOWS_EVEN: &str = "FLOWS_EVEN";
/// Flows of odd epochs: [`crate::map::FlowKey`] → [`crate::map::FlowCounters`].
pub const FLOWS_ODD: &str = "FLOWS_ODD";
/// One `u32`: the epoch, whose lowest bit chooses the flow map that programs write to.
pub const EPOCH: &str = "EPOCH";
/// Counters of each interface and direction, per CPU:
/// [`crate::map::InterfaceKey`] → [`crate::map::InterfaceCounters`].
pub const INTERFACES: &str = "INTERFACES";
/// One [`crate::map::PortClasses`].
pub const PORTS: &str = "PORTS";
/// Flows opened in the kernel maps since the start, one `u64` per CPU.
pub const OPENED: &str = "OPENED";
/// Packets and bytes that could be charged to no interface, per CPU: one
/// [`crate::map::Volume`] for each [`crate::map::StrayReason`].
pub const STRAY: &str = "STRAY";
/// Read-only `u32`: inode number of the network namespace whose interfaces TC and XDP watch.
pub const NETNS: &str = "NETNS";
/// Read-only `u32`: 1 when the kernel has `bpf_ktime_get_coarse_ns`.
pub const COARSE_CLOCK: &str = "COARSE_CLOCK";
/// Read-only `u32`: 1 when the tracepoints count every interface, 0 when only those that
/// have an entry in [`INTERFACES`].
pub const TRACE_ANY: &str = "TRACE_ANY";
/// Read-only [`crate::map::SkbOffsets`].
pub const SKB_OFFSETS: &str = "SKB_OFFSETS";

/// Stands where the kernel's `bpf_dynptr_from_skb` is called; the agent puts the running kernel's
/// number for that function in its place.
pub const KFUNC_DYNPTR_FROM_SKB: u64 = 0x4e57_0001;
