//! What a process of the inline path tells `netweir capture`: messages over a socket of this host.
//!
//! A message is a line of JSON; behind the line of a packet stand its bytes. The socket has a name in the
//! abstract namespace: it lies in no file system, is gone with its process, and can be reached from the network
//! namespace that the process was started in. Both sides ask the kernel who the other one is
//! (`is_trusted`).

use std::{
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixStream},
    },
    time::Duration,
};

use netweir_flow::InterfaceId;
use rustix::{
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect as connect_to, socket_with,
        sockopt::socket_peercred,
    },
    process::geteuid,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version of these messages.
pub(crate) const VERSION: u32 = 1;

/// What the names of the sockets begin with.
pub(crate) const NAME: &str = "netweir/inline/";

/// How long either side may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that are sent or read at once.
pub(crate) const PIECE: usize = 64 << 10;

/// The longest line, which names all labels that there can be, and the most bytes of a packet.
pub(crate) const MAX_LINE: usize = 256 << 10;
const MAX_BYTES: usize = 128 << 10;

/// What the process says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Who it is: the first message.
    Hello(Hello),
    /// It does not do what was asked; nothing follows.
    Refused(String),
    /// The sums since the question, before the packets in them.
    Books(Books),
    /// So many bytes of this packet follow.
    Packet(usize, Entry),
    /// All was told.
    End,
}

/// Who frames cross by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the messages.
    pub version: u32,
    /// The process.
    pub process: u32,
    /// The interfaces' network namespace.
    pub netns: u32,
    /// Index and name of both.
    pub ends: [(u32, String); 2],
    /// Labels that rules give which tap or sample.
    pub labels: Vec<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The version of the messages.
    pub version: u32,
    /// Only what came by these.
    pub interfaces: Vec<u32>,
    /// Only what matches.
    pub filter: Option<String>,
    /// Only what rules give this label.
    pub label: Option<String>,
    /// So many bytes of each packet.
    pub bytes: u32,
}

/// What became of the packets that rules tap or sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// That came: told, unwanted or missed.
    pub received: u64,
    /// That nobody has asked for.
    pub unwanted: u64,
    /// That were gone before they could be told.
    pub missed: u64,
}

/// A packet as a capture file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The network namespace of its interface.
    pub netns: u32,
    /// Index of the interface there.
    pub ifindex: u32,
    /// Name of the interface.
    pub interface: String,
    /// What it begins with: a `LINKTYPE_` value.
    pub link_type: u16,
    /// When it came, nanoseconds since 1970.
    pub unix_ns: u64,
    /// Its length at the hook.
    pub wire_bytes: u32,
    /// Whether the host has sent it.
    pub is_outbound: bool,
    /// Label, rule, action and queue.
    pub comment: String,
    /// What there is of it.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl Entry {
    /// Its interface.
    pub(crate) const fn interface_id(&self) -> InterfaceId {
        InterfaceId {
            netns: self.netns,
            ifindex: self.ifindex,
        }
    }
}

/// What came, as far as it was not understood yet.
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    /// Where the next message begins.
    begin: usize,
}

impl Incoming {
    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.begin);
        self.begin = 0;
        self.bytes.extend(bytes);
    }

    /// The next message, if all of it is there.
    ///
    /// # Errors
    /// What came is none.
    pub fn next_message(&mut self) -> io::Result<Option<Message>> {
        let Some((mut message, mut length)) = self.line()? else {
            return Ok(None);
        };
        if let Message::Packet(bytes, entry) = &mut message {
            if *bytes > MAX_BYTES {
                return Err(wrong(&format!("a packet of {bytes} bytes")));
            }
            let behind = &self.bytes[self.begin + length..];
            let Some(found) = behind.get(..*bytes) else {
                return Ok(None);
            };
            entry.bytes = found.to_vec();
            length += *bytes;
        }
        self.begin += length;
        Ok(Some(message))
    }

    /// The next line as what it says, and its length.
    fn line<T: DeserializeOwned>(&self) -> io::Result<Option<(T, usize)>> {
        let rest = &self.bytes[self.begin..];
        let head = &rest[..rest.len().min(MAX_LINE)];
        match head.iter().position(|&byte| byte == b'\n') {
            Some(end) => {
                let read = serde_json::from_slice(&head[..end]);
                let read = read.map_err(|error| wrong(&error.to_string()))?;
                Ok(Some((read, end + 1)))
            }
            None if rest.len() >= MAX_LINE => Err(wrong("a line without an end")),
            None => Ok(None),
        }
    }
}

/// Reads what is asked, a line.
pub(crate) fn question(line: &[u8]) -> io::Result<Question> {
    serde_json::from_slice(line).map_err(|error| wrong(&error.to_string()))
}

/// Adds a line.
pub(crate) fn add_line(lines: &mut Vec<u8>, said: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *lines, said)?;
    lines.push(b'\n');
    Ok(())
}

/// The address of the socket of a process that frames cross by in this network namespace. It has one such path, and
/// nobody else has its number.
pub(crate) fn address(netns: u32, process: u32) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("{NAME}{netns}-{process}"))
}

/// Connects to the socket of this name. It does not wait: others may have kept the process busy.
pub(crate) fn connect(name: &str) -> io::Result<UnixStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect_to(
        &socket,
        &SocketAddrUnix::new_abstract_name(name.as_bytes())?,
    )?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Whether the process at the other end may hear what is tapped, or be believed: it is root's, or of the same
/// user.
pub(crate) fn is_trusted(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root() || peer.uid == geteuid())
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not understood: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: &[u8]) -> Entry {
        Entry {
            netns: 1,
            ifindex: 2,
            interface: "left \"\n".to_owned(),
            link_type: 1,
            unix_ns: 3,
            wire_bytes: 60,
            is_outbound: false,
            comment: "label=x".to_owned(),
            bytes: bytes.to_vec(),
        }
    }

    fn sent(messages: &[Message]) -> Vec<u8> {
        let mut lines = Vec::new();
        for message in messages {
            add_line(&mut lines, message).unwrap();
            if let Message::Packet(_, entry) = message {
                lines.extend(&entry.bytes);
            }
        }
        lines
    }

    #[test]
    fn what_is_told_is_heard_however_it_comes() {
        let messages = [
            Message::Hello(Hello {
                version: VERSION,
                process: 7,
                netns: 1,
                ends: [(2, "left".to_owned()), (3, "right".to_owned())],
                labels: vec!["health".to_owned()],
            }),
            Message::Books(Books::default()),
            Message::Packet(4, entry(b"\n{}\n")),
            Message::Packet(0, entry(b"")),
            Message::End,
        ];
        let all = sent(&messages);
        for piece in [1, 7, all.len()] {
            let (mut incoming, mut heard) = (Incoming::default(), Vec::new());
            for piece in all.chunks(piece) {
                incoming.push(piece);
                while let Some(message) = incoming.next_message().unwrap() {
                    heard.push(message);
                }
            }
            assert_eq!(heard, messages);
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let long = vec![b' '; MAX_LINE];
        let packet = sent(&[Message::Packet(MAX_BYTES + 1, entry(b""))]);
        for bytes in [
            b"\n".as_slice(),
            b"{\"packet\":[1]}\n",
            b"{}\n",
            &long,
            &packet,
        ] {
            let mut incoming = Incoming::default();
            incoming.push(bytes);
            assert!(incoming.next_message().is_err(), "{bytes:?}");
        }
    }
}
