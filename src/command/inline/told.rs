//! Whoever asks is told what is tapped: `netweir capture`, over a socket.

use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::bail;
use netweir_agent::inline::Appetite;
use netweir_flow::{Meter, rule::Action};
use rustix::{io::Errno, net::RecvFlags};

use super::PAUSE;
use crate::{
    args::BoundArgs,
    command::capture::{self, Heads, MAX_BYTES, MAX_HEADS},
    rules::Store,
    stop::Stop,
    tapped::{self, Books, Entry, Hello, MAX_LINE, Message, PATIENCE, PIECE, Question, VERSION},
};

/// Who asks at a time, at most.
const MAX_ASKING: usize = 16;

/// How long somebody may take to ask, who may have heard of others first.
const ASKING: Duration = PATIENCE.saturating_mul(5);

/// The time between two who are not trusted.
const BRAKE: Duration = Duration::from_millis(1);

/// How long a message may take to go before it is looked whether the program is to end.
const SEND: Duration = Duration::from_millis(500);

/// What is told, and to whom.
pub(super) struct Told {
    /// The two interfaces, and who they are taken by.
    pub(super) hello: Hello,
    pub(super) meter: Arc<RwLock<Meter>>,
    pub(super) store: Store,
    /// How much is recorded: more while anybody asks.
    pub(super) appetite: Arc<Appetite>,
    /// How much, and how many heads are kept, while nobody does.
    pub(super) at_rest: AtRest,
}

/// What is recorded for the program itself: bytes, frames a second and thread, heads that are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtRest {
    pub(super) bytes: u32,
    pub(super) per_second: u32,
    pub(super) heads: usize,
}

/// The thread that waits for who asks.
pub(super) struct Telling {
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

impl Telling {
    /// Tells who asks from now on. Where that is not possible nobody is told.
    pub(super) fn start(told: Told) -> anyhow::Result<Self> {
        let address = tapped::address(told.hello.netns, told.hello.process)?;
        let listener = UnixListener::bind_addr(&address)?;
        listener.set_nonblocking(true)?;
        let stop = Arc::new(Stop::by_itself()?);
        let ended = Arc::clone(&stop);
        let thread = thread::Builder::new().name("told".into());
        let thread = thread.spawn(move || told.until_stopped(&listener, &ended))?;
        Ok(Self { stop, thread })
    }

    /// Tells everybody the rest, and ends.
    pub(super) fn finish(self) {
        self.stop.now();
        if self.thread.join().is_err() {
            tracing::error!("what tells of tapped frames has panicked");
        }
    }
}

/// One of those who ask.
struct Asker<'a> {
    stream: UnixStream,
    /// What is to be sent.
    out: Vec<u8>,
    stop: &'a Stop,
    /// When they have to have it, where the program is to end.
    end: Option<Instant>,
}

/// While it lives all of each tapped frame is recorded.
struct Hunger<'a> {
    told: &'a Told,
    asking: &'a Mutex<usize>,
}

impl Told {
    fn until_stopped(&self, listener: &UnixListener, stop: &Stop) {
        let (threads, asking) = (AtomicUsize::new(0), Mutex::new(0));
        thread::scope(|scope| {
            while matches!(stop.wait_or(&[listener.as_fd()], Duration::MAX), Ok(false)) {
                let Ok((stream, _)) = listener.accept() else {
                    // Somebody has gone, or there are too many files: no reason to be busy.
                    thread::sleep(PAUSE);
                    continue;
                };
                let mut asker = Asker::new(stream, stop);
                if !tapped::is_trusted(&asker.stream) {
                    asker.refuse("it tells root and its own user alone");
                    // They may come as fast as they can.
                    thread::sleep(BRAKE);
                    continue;
                }
                if threads.fetch_add(1, Ordering::Relaxed) >= MAX_ASKING {
                    threads.fetch_sub(1, Ordering::Relaxed);
                    asker.refuse(&format!("{MAX_ASKING} ask already"));
                    continue;
                }
                let (threads, asking) = (&threads, &asking);
                let tell = move || {
                    if let Err(error) = self.tell(asker, asking) {
                        tracing::debug!(error = %format!("{error:#}"), "who asked is told no more");
                    }
                    threads.fetch_sub(1, Ordering::Relaxed);
                };
                if let Err(error) = thread::Builder::new().spawn_scoped(scope, tell) {
                    tracing::warn!(%error, "who asks is not told: no thread can be made");
                    threads.fetch_sub(1, Ordering::Relaxed);
                }
            }
        });
    }

    /// Tells one of those who ask, until they have enough.
    fn tell(&self, mut asker: Asker<'_>, asking: &Mutex<usize>) -> anyhow::Result<()> {
        asker.stream.set_write_timeout(Some(SEND))?;
        asker.say(&Message::Hello(Hello {
            labels: self.labels(),
            ..self.hello.clone()
        }))?;
        let asked = asker.question().and_then(|question| {
            let heads = heads(&question)?;
            Ok((heads, question.interfaces))
        });
        let (heads, interfaces) = match asked {
            Ok(asked) => asked,
            Err(error) => return asker.say(&Message::Refused(format!("{error:#}"))),
        };
        let hunger = Hunger::begin(self, asking);
        let before = self.appetite.unrecorded();
        // What was recorded before is not whole.
        self.settle();
        let heads = {
            let meter = self.meter.read().unwrap_or_else(PoisonError::into_inner);
            heads.that_come(&meter, interfaces)
        };
        let told = self.until_enough(&mut asker, heads, before);
        drop(hunger);
        told
    }

    fn until_enough(
        &self,
        asker: &mut Asker<'_>,
        mut heads: Heads,
        before: u64,
    ) -> anyhow::Result<()> {
        asker.say(&Message::Books(Books::default()))?;
        let mut told = Books::default();
        loop {
            let is_over = asker.wait()?;
            if is_over {
                self.settle();
            }
            for entry in heads.news(&self.meter) {
                asker.add_packet(entry)?;
            }
            let mut books = heads.books();
            // What found no room on its way to the meter is missing as well.
            let unrecorded = self.appetite.unrecorded() - before;
            books.received += unrecorded;
            books.missed += unrecorded;
            if books != told {
                asker.add(&Message::Books(books))?;
                told = books;
            }
            if is_over {
                return asker.say(&Message::End);
            }
            asker.send()?;
        }
    }

    /// Waits until the meter has what was recorded of frames that have gone on by now.
    fn settle(&self) {
        let (recorded, end) = (self.appetite.recorded(), Instant::now() + PATIENCE);
        let has_come = || {
            let meter = self.meter.read().unwrap_or_else(PoisonError::into_inner);
            meter.accounting().heads.tapped >= recorded
        };
        while !has_come() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Labels of rules that tap or sample.
    fn labels(&self) -> Vec<String> {
        // Where the rules cannot be read, who follows them has said so.
        let book = self.store.read().unwrap_or_default();
        let rules = book.rules().iter().map(|known| &known.rule);
        let rules = rules.filter(|rule| matches!(rule.action, Action::Tap | Action::Sample(_)));
        let labels: BTreeSet<_> = rules.map(|rule| rule.label.clone()).collect();
        labels.into_iter().collect()
    }

    fn set_heads(&self, max: usize) {
        let mut meter = self.meter.write().unwrap_or_else(PoisonError::into_inner);
        meter.set_max_heads(max);
    }
}

/// What is asked for.
fn heads(question: &Question) -> anyhow::Result<Heads> {
    if question.version != VERSION {
        bail!(
            "it is asked in version {} of the messages, and speaks {VERSION}: use the same netweir",
            question.version
        );
    }
    let bounds = BoundArgs {
        filter: question.filter.clone(),
        label: question.label.clone(),
        ..BoundArgs::default()
    };
    let filter = capture::wanted(&bounds)?;
    Ok(Heads::new(filter, question.bytes as usize))
}

impl<'a> Asker<'a> {
    const fn new(stream: UnixStream, stop: &'a Stop) -> Self {
        Self {
            stream,
            out: Vec::new(),
            stop,
            end: None,
        }
    }

    /// Says why nothing is told, if they hear it at once.
    fn refuse(&mut self, why: &str) {
        let mut line = Vec::new();
        let _unheard = tapped::add_line(&mut line, &Message::Refused(why.to_owned()))
            .and_then(|()| self.stream.set_nonblocking(true))
            .and_then(|()| self.stream.write(&line));
    }

    /// Waits for what is asked, all in all not longer than [`ASKING`].
    fn question(&mut self) -> anyhow::Result<Question> {
        let (mut line, end) = (Vec::new(), Instant::now() + ASKING);
        while !line.contains(&b'\n') && line.len() < MAX_LINE {
            let left = end.saturating_duration_since(Instant::now());
            if self.stop.wait_or(&[self.stream.as_fd()], left)? || left.is_zero() {
                bail!("nothing was asked in time");
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece)? {
                0 => break,
                bytes => line.extend(&piece[..bytes]),
            }
        }
        let end = line.iter().position(|&byte| byte == b'\n');
        Ok(tapped::question(&line[..end.unwrap_or(line.len())])?)
    }

    /// Waits for a while; whether nothing more is to be told.
    fn wait(&self) -> io::Result<bool> {
        if self.stop.wait_or(&[self.stream.as_fd()], PAUSE)? {
            return Ok(true);
        }
        // Whoever has enough closes their side. Nothing else is to be said.
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        let said = rustix::net::recv(&self.stream, &mut [0; 1], flags);
        Ok(said.err() != Some(Errno::AGAIN))
    }

    fn add(&mut self, message: &Message) -> anyhow::Result<()> {
        tapped::add_line(&mut self.out, message)?;
        self.send_if_much()
    }

    fn add_packet(&mut self, mut entry: Entry) -> anyhow::Result<()> {
        let bytes = std::mem::take(&mut entry.bytes);
        tapped::add_line(&mut self.out, &Message::Packet(bytes.len(), entry))?;
        self.out.extend(bytes);
        self.send_if_much()
    }

    fn send_if_much(&mut self) -> anyhow::Result<()> {
        match self.out.len() {
            PIECE.. => self.send(),
            _ => Ok(()),
        }
    }

    fn say(&mut self, message: &Message) -> anyhow::Result<()> {
        self.add(message)?;
        self.send()
    }

    /// Sends what was added, however long that takes; when the program is to end, not much longer.
    fn send(&mut self) -> anyhow::Result<()> {
        let mut left = &self.out[..];
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(bytes) => left = &left[bytes..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            if !left.is_empty() && self.stop.is_set()? {
                let end = *self.end.get_or_insert_with(|| Instant::now() + PATIENCE);
                if Instant::now() >= end {
                    bail!("who asked does not listen");
                }
            }
        }
        self.out.clear();
        Ok(())
    }
}

impl<'a> Hunger<'a> {
    fn begin(told: &'a Told, asking: &'a Mutex<usize>) -> Self {
        let hunger = Self { told, asking };
        let mut asking = hunger.asking();
        *asking += 1;
        if *asking == 1 {
            told.set_heads(MAX_HEADS);
            told.appetite.set(MAX_BYTES as u32, u32::MAX);
        }
        drop(asking);
        hunger
    }

    fn asking(&self) -> MutexGuard<'a, usize> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hunger<'_> {
    fn drop(&mut self) {
        let mut asking = self.asking();
        *asking -= 1;
        if *asking == 0 {
            let AtRest {
                bytes,
                per_second,
                heads,
            } = self.told.at_rest;
            self.told.appetite.set(bytes, per_second);
            self.told.set_heads(heads);
        }
    }
}
