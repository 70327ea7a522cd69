//! Asking the kernel over rtnetlink, in the namespace of the calling thread.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// A connection to the kernel for questions.
pub(crate) struct Netlink {
    socket: Socket,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self { socket })
    }

    /// All answers to a question about many things.
    pub(crate) fn dump(
        &self,
        question: RouteNetlinkMessage,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.send(question, NLM_F_REQUEST | NLM_F_DUMP)?;
        let mut answers = Vec::new();
        loop {
            let (bytes, _) = self.socket.recv_from_full()?;
            for message in messages(&bytes) {
                match message?.payload {
                    NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                    NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => {}
                }
            }
        }
    }

    /// The answer to a question about one thing.
    pub(crate) fn ask(&self, question: RouteNetlinkMessage) -> io::Result<RouteNetlinkMessage> {
        self.send(question, NLM_F_REQUEST)?;
        let (bytes, _) = self.socket.recv_from_full()?;
        let answer = messages(&bytes).next().transpose()?;
        match answer.map(|answer| answer.payload) {
            Some(NetlinkPayload::InnerMessage(answer)) => Ok(answer),
            Some(NetlinkPayload::Error(error)) => Err(error.to_io()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Has the kernel do something, and waits until it is done.
    pub(crate) fn order(&self, order: RouteNetlinkMessage) -> io::Result<()> {
        self.order_with(order, 0)
    }

    /// Has the kernel make something that must not be there yet, and waits until it is.
    pub(crate) fn create(&self, order: RouteNetlinkMessage) -> io::Result<()> {
        self.order_with(order, NLM_F_CREATE | NLM_F_EXCL)
    }

    fn order_with(&self, order: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.send(order, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        let (bytes, _) = self.socket.recv_from_full()?;
        match messages(&bytes).next() {
            Some(Ok(NetlinkMessage {
                payload: NetlinkPayload::Error(error),
                ..
            })) if error.code.is_some() => Err(error.to_io()),
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn send(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags;
        message.header.sequence_number = 1;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0).map(drop)
    }
}

/// The messages of one datagram. A message that cannot be read is an error, the others are not
/// affected by it.
pub(crate) fn messages(
    mut bytes: &[u8],
) -> impl Iterator<Item = io::Result<NetlinkMessage<RouteNetlinkMessage>>> + '_ {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let (message, _) = bytes.split_at_checked(length)?;
        // Messages are aligned to four bytes; a length of less than the header ends the datagram.
        let next = length.next_multiple_of(4).min(bytes.len());
        bytes = if length < 16 { &[] } else { &bytes[next..] };
        Some(NetlinkMessage::deserialize(message).map_err(io::Error::other))
    })
}
