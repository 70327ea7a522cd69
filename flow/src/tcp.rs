//! TCP flags (RFC 9293 section 3.1).

/// The sender has no more to send.
pub(crate) const FIN: u16 = 0x01;
/// The sender opens the connection.
pub(crate) const SYN: u16 = 0x02;
/// The sender breaks the connection.
pub(crate) const RST: u16 = 0x04;
/// The sender acknowledges: set in all but the very first packet.
pub(crate) const ACK: u16 = 0x10;
