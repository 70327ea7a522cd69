//! What processes of the inline path tell: they have the whole frames that rules tap.

use std::{
    fs,
    io::{self, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use netweir_agent::{Choice, Interfaces, Netns};
use netweir_flow::InterfaceId;

use super::{Until, writer::Writer};
use crate::{
    args::BoundArgs,
    config::Config,
    foreign::escaped,
    tapped::{self, Books, Hello, Incoming, Message, NAME, PATIENCE, PIECE, Question, VERSION},
};

/// How long a process may take to tell the last packets: that it may wait for them itself.
const REST: Duration = PATIENCE.saturating_add(Duration::from_secs(1));

/// Messages of a process that are heard at a time, lest the others and the end are not.
const AT_ONCE: usize = 65_536;

/// The processes that frames cross by at the interfaces that are wanted.
#[derive(Default)]
pub(super) struct Taps(Vec<Tap>);

/// One of them.
struct Tap {
    stream: UnixStream,
    incoming: Incoming,
    hello: Hello,
    /// Indexes of those of its interfaces that are wanted.
    wanted: Vec<u32>,
    books: Books,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Tells,
    /// It has told all.
    Ended,
    /// It is gone, and has not.
    Died,
    /// It is there, and has not in time.
    Late,
}

impl Taps {
    /// Finds those that run, in these namespaces.
    pub(super) fn find(config: &Config, namespaces: &[Netns]) -> anyhow::Result<Self> {
        let mut taps = Vec::new();
        for name in names(&namespaces.iter().map(Netns::inode).collect::<Vec<_>>())? {
            match Tap::open(&name, &config.choices) {
                Ok(Some(tap)) => taps.push(tap),
                Ok(None) => {}
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(socket = %escaped(&name), error, "frames that cross there are not captured");
                }
            }
        }
        Ok(Self(taps))
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether rules that give this label, or any, tap or sample frames there.
    pub(super) fn tell(&self, label: Option<&str>) -> bool {
        let mut labels = self.0.iter().flat_map(|tap| &tap.hello.labels);
        match label {
            Some(wanted) => labels.any(|label| label == wanted),
            None => labels.next().is_some(),
        }
    }

    /// The interfaces that they tell of.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = InterfaceId> {
        self.0.iter().flat_map(|tap| {
            let netns = tap.hello.netns;
            let wanted = tap.wanted.iter();
            wanted.map(move |&ifindex| InterfaceId { netns, ifindex })
        })
    }

    /// Whether they tell of all that is wanted, in one namespace.
    pub(super) fn tell_of_all(&self, choices: &[Choice]) -> bool {
        let is_told = |wanted: &str| {
            let mut ends = self.0.iter().flat_map(|tap| &tap.hello.ends);
            ends.any(|(_, name)| name == wanted)
        };
        choices
            .iter()
            .all(|choice| matches!(&choice.interfaces, Interfaces::Name(name) if is_told(name)))
    }

    /// Asks all of them for what is wanted, so many bytes of each packet, from now on.
    pub(super) fn ask(&mut self, bounds: &BoundArgs, bytes: usize) -> anyhow::Result<()> {
        for tap in &mut self.0 {
            let question = Question {
                version: VERSION,
                interfaces: tap.wanted.clone(),
                filter: bounds.filter.clone(),
                label: bounds.label.clone(),
                bytes: bytes as u32,
            };
            let asked = tap.ask(&question);
            let [(_, one), (_, other)] = &tap.hello.ends;
            let process = tap.hello.process;
            asked.with_context(|| {
                format!("process {process} does not tell what crosses between {one} and {other}")
            })?;
            tracing::info!(
                process,
                "capturing what rules tap or sample between {one} and {other}"
            );
        }
        Ok(())
    }

    /// What becomes readable when they tell something.
    pub(super) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let telling = self.0.iter().filter(|tap| tap.state == State::Tells);
        telling.map(|tap| tap.stream.as_fd()).collect()
    }

    /// Writes what they have told since the last time, as much as is still asked for.
    pub(super) fn write_new(
        &mut self,
        writer: &mut Writer,
        until: &Until<'_>,
    ) -> anyhow::Result<()> {
        for tap in &mut self.0 {
            for _ in 0..AT_ONCE {
                if writer.is_full() || !tap.write_next(writer, until)? {
                    break;
                }
            }
        }
        writer.flush(until)
    }

    /// Has them tell the rest, and writes it.
    pub(super) fn finish(&mut self, writer: &mut Writer, until: &Until<'_>) -> anyhow::Result<()> {
        for tap in &mut self.0 {
            // One that is gone has nothing more to say.
            let _gone = tap.stream.shutdown(Shutdown::Write);
            tap.stream.set_nonblocking(false)?;
            tap.stream.set_read_timeout(Some(PATIENCE))?;
            let end = Instant::now() + REST;
            while tap.state == State::Tells && !writer.is_full() && Instant::now() < end {
                tap.write_next(writer, until)?;
            }
            if tap.state == State::Tells && !writer.is_full() {
                tap.state = State::Late;
            }
        }
        writer.flush(until)
    }

    /// Whether nothing comes any more.
    pub(super) fn have_ended(&self) -> bool {
        self.0.iter().all(|tap| tap.state != State::Tells)
    }

    /// That none has died.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for tap in &self.0 {
            let process = tap.hello.process;
            match tap.state {
                State::Tells | State::Ended => {}
                State::Died => {
                    bail!("process {process} has died: of what it tapped the last is missing")
                }
                State::Late => bail!(
                    "process {process} does not tell in time what it tapped: the last is missing"
                ),
            }
        }
        Ok(())
    }

    /// What they say of all that came.
    pub(super) fn books(&self) -> Books {
        self.0.iter().fold(Books::default(), |sum, tap| Books {
            received: sum.received.saturating_add(tap.books.received),
            unwanted: sum.unwanted.saturating_add(tap.books.unwanted),
            missed: sum.missed.saturating_add(tap.books.missed),
        })
    }
}

impl Tap {
    /// Hears who has the socket; none if it has no interface that is wanted, or is gone.
    fn open(name: &str, choices: &[Choice]) -> anyhow::Result<Option<Self>> {
        let stream = match tapped::connect(name) {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                bail!("it does not answer")
            }
            Err(error) => return Err(error.into()),
        };
        if !tapped::is_trusted(&stream) {
            bail!("it is neither root's nor of this user");
        }
        let mut tap = Self {
            stream,
            incoming: Incoming::default(),
            hello: Hello::default(),
            wanted: Vec::new(),
            books: Books::default(),
            state: State::Tells,
        };
        let hello = match tap.next_message() {
            Ok(Message::Hello(hello)) => hello,
            Ok(Message::Refused(reason)) => bail!("{}", escaped(&reason)),
            Ok(_) => bail!("it does not say who it is"),
            Err(error) => return Err(error.context("it does not say who it is")),
        };
        if hello.version != VERSION {
            bail!(
                "process {} is another version of netweir (it speaks {}, this one {VERSION}): start it again",
                hello.process,
                hello.version
            );
        }
        let wanted = hello.ends.iter().filter(|(_, name)| {
            // The path never takes the interface of the default route.
            choices
                .iter()
                .any(|choice| choice.interfaces.contains(name, false))
        });
        tap.wanted = wanted.map(|(ifindex, _)| *ifindex).collect();
        tap.hello = hello;
        Ok((!tap.wanted.is_empty()).then_some(tap))
    }

    fn ask(&mut self, question: &Question) -> anyhow::Result<()> {
        let mut line = Vec::new();
        tapped::add_line(&mut line, question)?;
        self.stream.write_all(&line)?;
        match self.next_message()? {
            Message::Books(books) => self.books = books,
            Message::Refused(reason) => bail!("{}", escaped(&reason)),
            _ => bail!("it says something else"),
        }
        self.stream.set_nonblocking(true)?;
        Ok(())
    }

    /// Waits for a message, all in all not longer than [`PATIENCE`].
    fn next_message(&mut self) -> anyhow::Result<Message> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(message) = self.incoming.next_message()? {
                return Ok(message);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("it does not answer");
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.read() {
                Ok(0) => bail!("it has gone"),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads a piece of what is there; 0 at the end.
    fn read(&mut self) -> io::Result<usize> {
        let mut piece = [0; PIECE];
        loop {
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(bytes) => {
                    self.incoming.push(&piece[..bytes]);
                    return Ok(bytes);
                }
            }
        }
    }

    /// Hears a message, and writes it if it is a packet; whether there was anything.
    fn write_next(&mut self, writer: &mut Writer, until: &Until<'_>) -> anyhow::Result<bool> {
        if self.state != State::Tells {
            return Ok(false);
        }
        let process = self.hello.process;
        let heard = self.incoming.next_message();
        match heard.with_context(|| format!("what process {process} tells"))? {
            Some(Message::Packet(_, entry)) => writer.add(&entry, until)?,
            Some(Message::Books(books)) => self.books = books,
            Some(Message::End) => self.state = State::Ended,
            Some(Message::Hello(_) | Message::Refused(_)) => {}
            None => match self.read() {
                Ok(0) => self.state = State::Died,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(_gone) => self.state = State::Died,
            },
        }
        Ok(true)
    }
}

/// The names of the sockets of processes that frames cross by in these namespaces.
fn names(namespaces: &[u32]) -> io::Result<Vec<String>> {
    let list = fs::read("/proc/net/unix")?;
    // Others may be called anything.
    let lines = list.split(|&byte| byte == b'\n');
    let lines = lines.filter_map(|line| str::from_utf8(line).ok());
    let mut names: Vec<_> = lines.filter_map(name_of).collect();
    names.retain(|(netns, _)| namespaces.contains(netns));
    names.sort();
    // A connection has the name of its listener.
    names.dedup();
    Ok(names.into_iter().map(|(_, name)| name.to_owned()).collect())
}

/// The name that a line of the list has, and the namespace in it.
fn name_of(line: &str) -> Option<(u32, &str)> {
    let name = line.split_ascii_whitespace().nth(7)?.strip_prefix('@')?;
    let (netns, _process) = name.strip_prefix(NAME)?.split_once('-')?;
    Some((netns.parse().ok()?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_by_name() {
        let list = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 5 @netweir/inline/40-2\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 5 /run/netweir/inline/40-2\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 5 @netweir/inline/x-2\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 5\n";
        let found: Vec<_> = list.lines().filter_map(name_of).collect();
        assert_eq!(found, [(40, "netweir/inline/40-2")]);
    }
}
