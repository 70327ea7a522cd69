//! Every name that both sides of the kernel border must spell alike.

/// Program at the receive path of the driver, multi-buffer aware.
pub const XDP: &str = "netweir_xdp";
/// The same program for kernels that do not let it read their own structure of a packet.
pub const XDP_ASKING: &str = "netweir_xdp_len";
/// The same program for drivers and kernels without multi-buffer packets.
pub const XDP_LINEAR: &str = "netweir_xdp_lin";
/// Program at the receive path of the driver that sends frames on to another interface, multi-buffer aware.
pub const INLINE: &str = "netweir_inl";
/// The same program for drivers and kernels without multi-buffer packets.
pub const INLINE_LINEAR: &str = "netweir_inl_lin";
/// Program at the tracepoint `xdp_devmap_xmit`: which frames another interface took.
pub const INLINE_SENT: &str = "netweir_sent";
/// Program at the tracepoint `xdp_redirect_err`: which frames the kernel did not send on.
pub const INLINE_REFUSED: &str = "netweir_refused";
/// The same program for kernels whose tracepoint tells the map itself.
pub const INLINE_REFUSED_BY: &str = "netweir_refus_6";
/// Program at the tracepoint `xdp_exception`: which frames another interface did not take behind its driver.
pub const INLINE_UNSENT: &str = "netweir_unsent";
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

/// Flows of even epochs beyond the cache: [`crate::map::FlowKey`] → [`crate::map::FlowValue`].
pub const FLOWS_EVEN: &str = "FLOWS_EVEN";
/// Flows of odd epochs beyond the cache: [`crate::map::FlowKey`] → [`crate::map::FlowValue`].
pub const FLOWS_ODD: &str = "FLOWS_ODD";
/// Ring buffer of [`crate::map::CacheEntry`]: frames of flows that no other map had room for.
pub const OVERFLOW: &str = "OVERFLOW";
/// One [`crate::map::Epoch`].
pub const EPOCH: &str = "EPOCH";
/// Lists of [`crate::map::CacheEntry`], two for each CPU.
pub const CACHE: &str = "CACHE";
/// The index of each list: [`crate::map::Bucket`]s.
pub const CACHE_INDEX: &str = "CACHE_INDEX";
/// How far the lists are filled, one [`crate::map::CacheState`] per CPU.
pub const CACHE_STATE: &str = "CACHE_STATE";
/// Where the counters of an interface and direction are:
/// [`crate::map::InterfaceKey`] → [`crate::map::InterfacePlace`].
pub const INTERFACES: &str = "INTERFACES";
/// [`crate::map::NearInterface`]s, by [`crate::map::near_place`].
pub const NEAR: &str = "NEAR";
/// [`crate::map::InterfaceCounters`] per CPU, by number.
pub const COUNTERS: &str = "COUNTERS";
/// Queue of `u32`: numbers of counters that no interface has.
pub const FREE_COUNTERS: &str = "FREE_COUNTERS";
/// One [`crate::map::PortClasses`].
pub const PORTS: &str = "PORTS";
/// Packets and bytes that could be charged to no interface, per CPU: one
/// [`crate::map::Volume`] for each [`crate::map::StrayReason`].
pub const STRAY: &str = "STRAY";
/// One [`crate::map::FilterProgram`].
pub const FILTER: &str = "FILTER";
/// Ring buffer of [`crate::map::QuicEvent`]s, each with the bytes of a datagram behind it.
pub const QUIC_EVENTS: &str = "QUIC_EVENTS";
/// [`crate::map::QuicPlace`]s, by the hash of a flow.
pub const QUIC_PLACE: &str = "QUIC_PLACE";
/// One [`crate::map::QuicCounters`] per CPU.
pub const QUIC_COUNTERS: &str = "QUIC_COUNTERS";
/// What connection IDs name in even epochs: [`crate::map::QuicBackendKey`] → [`crate::map::Volume`].
pub const BACKENDS_EVEN: &str = "BACKENDS_EVEN";
/// What connection IDs name in odd epochs: [`crate::map::QuicBackendKey`] → [`crate::map::Volume`].
pub const BACKENDS_ODD: &str = "BACKENDS_ODD";
/// One [`crate::map::LayoutProgram`].
pub const LAYOUT: &str = "LAYOUT";
/// Two [`crate::map::RuleTable`]s.
pub const RULES: &str = "RULES";
/// By the number of a rule with the action `sample`, one in how many frames it wants: `u32`.
pub const RULE_RATES: &str = "RULE_RATES";
/// Ring buffer of [`crate::map::PacketHead`]s, each with the bytes of a frame behind it.
pub const HEADS: &str = "HEADS";
/// One [`crate::map::HeadCounters`] per CPU.
pub const HEAD_COUNTERS: &str = "HEAD_COUNTERS";
/// The interface that frames are sent on to: a DEVMAP with one entry.
pub const INLINE_WAY: &str = "INLINE_WAY";
/// The sockets that tapped frames go to, by queue: an XSKMAP.
pub const TAP_SOCKETS: &str = "TAP_SOCKETS";
/// One [`crate::map::TapSlots`].
pub const TAP_SLOTS: &str = "TAP_SLOTS";
/// One [`crate::map::InlineCounters`] per CPU.
pub const INLINE_COUNTERS: &str = "INLINE_COUNTERS";
/// Read-only [`crate::map::SkbOffsets`].
pub const SKB_OFFSETS: &str = "SKB_OFFSETS";

/// One [`crate::map::About`]: what is pinned beside it.
pub const ABOUT: &str = "ABOUT";
/// [`crate::map::Carried`]: for each side, one for each number of counters.
pub const CARRIED: &str = "CARRIED";
/// One [`crate::map::CarriedSums`].
pub const CARRIED_SUMS: &str = "CARRIED_SUMS";
/// What was counted by programs of an older ABI and taken by nobody:
/// [`crate::map::FlowKey`] → [`crate::map::FlowValue`].
pub const MOVED: &str = "MOVED";
/// The same of what connection IDs name: [`crate::map::QuicBackendKey`] → [`crate::map::Volume`].
pub const MOVED_BACKENDS: &str = "MOVED_BACKENDS";
