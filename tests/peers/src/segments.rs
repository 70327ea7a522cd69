//! Datagrams that the kernel gets in one piece (`UDP_SEGMENT`), as peers hand them over.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use quinn::udp::{Transmit, UdpSocketState};

/// Sends datagrams, of which each but the last one has `segment` bytes, with one system call.
///
/// # Errors
/// The kernel takes none.
pub fn send_segments(
    socket: &UdpSocket,
    destination: SocketAddr,
    datagrams: &[u8],
    segment: usize,
) -> io::Result<()> {
    let transmit = Transmit {
        destination,
        ecn: None,
        contents: datagrams,
        segment_size: Some(segment),
        src_ip: None,
    };
    UdpSocketState::new(socket.into())?.try_send(socket.into(), &transmit)
}
