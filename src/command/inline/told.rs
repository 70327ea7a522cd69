//! Whoever asks is told what is tapped: `netweir capture`, over a socket.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
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
use netweir_flow::{InterfaceId, Meter, rule::Action};
use rustix::{io::Errno, net::RecvFlags};

use super::PAUSE;
use crate::{
    args::BoundArgs,
    command::capture::{self, Heads, MAX_BYTES, MAX_HEADS},
    rules::Store,
    stop::Stop,
    tapped::{self, Books, Entry, Hello, MAX_LINE, Message, Question, VERSION},
};

/// Who asks at a time, at most.
const MAX_ASKING: usize = 16;

/// How long somebody may take to ask.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a message may take to go before it is looked whether the program is to end.
const SEND: Duration = Duration::from_millis(500);

/// Bytes that are sent at once.
const PIECE: usize = 64 << 10;

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
        let first = InterfaceId {
            netns: told.hello.netns,
            ifindex: told.hello.ends[0].0,
        };
        let listener = UnixListener::bind_addr(&tapped::address(first)?)?;
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
struct Listener<'a> {
    stream: UnixStream,
    /// What is to be sent.
    out: Vec<u8>,
    stop: &'a Stop,
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
                let is_one_too_many = threads.load(Ordering::Relaxed) >= MAX_ASKING;
                if is_one_too_many || !tapped::is_trusted(&stream) {
                    continue;
                }
                threads.fetch_add(1, Ordering::Relaxed);
                let (threads, asking) = (&threads, &asking);
                scope.spawn(move || {
                    if let Err(error) = self.tell(stream, asking, stop) {
                        tracing::debug!(error = %format!("{error:#}"), "who asked is told no more");
                    }
                    threads.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
    }

    /// Tells one of those who ask, until they have enough.
    fn tell(&self, stream: UnixStream, asking: &Mutex<usize>, stop: &Stop) -> anyhow::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(SEND))?;
        let mut listener = Listener {
            stream,
            out: Vec::new(),
            stop,
        };
        listener.say(&Message::Hello(Hello {
            labels: self.labels(),
            ..self.hello.clone()
        }))?;
        let asked = listener.question().and_then(|question| {
            let heads = heads(&question)?;
            Ok((heads, question.interfaces))
        });
        let (heads, interfaces) = match asked {
            Ok(asked) => asked,
            Err(error) => return listener.say(&Message::Refused(format!("{error:#}"))),
        };
        let hunger = Hunger::begin(self, asking);
        let heads = {
            let meter = self.meter.read().unwrap_or_else(PoisonError::into_inner);
            heads.that_come(&meter, interfaces)
        };
        let told = self.until_enough(&mut listener, heads);
        drop(hunger);
        told
    }

    fn until_enough(&self, listener: &mut Listener<'_>, mut heads: Heads) -> anyhow::Result<()> {
        let before = self.appetite.unrecorded();
        listener.say(&Message::Books(Books::default()))?;
        let mut told = Books::default();
        loop {
            let is_over = listener.wait()?;
            if is_over {
                self.settle();
            }
            let entries: Vec<_> = heads.news(&self.meter).collect();
            let mut books = heads.books();
            // What found no room on its way to the meter is missing as well.
            let unrecorded = self.appetite.unrecorded() - before;
            books.received += unrecorded;
            books.missed += unrecorded;
            if books != told {
                listener.add(&Message::Books(books))?;
                told = books;
            }
            for entry in entries {
                listener.add_packet(entry)?;
            }
            if is_over {
                return listener.say(&Message::End);
            }
            listener.send()?;
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
        rules.map(|rule| rule.label.clone()).collect()
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

impl Listener<'_> {
    /// Waits for what is asked.
    fn question(&self) -> anyhow::Result<Question> {
        let mut line = Vec::new();
        let mut asked = BufReader::new((&self.stream).take(MAX_LINE as u64));
        asked.read_until(b'\n', &mut line)?;
        Ok(tapped::question(&line)?)
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
        if self.out.len() >= PIECE {
            self.send()?;
        }
        Ok(())
    }

    fn add_packet(&mut self, mut entry: Entry) -> anyhow::Result<()> {
        let bytes = std::mem::take(&mut entry.bytes);
        tapped::add_line(&mut self.out, &Message::Packet(bytes.len(), entry))?;
        self.out.extend(bytes);
        if self.out.len() >= PIECE {
            self.send()?;
        }
        Ok(())
    }

    fn say(&mut self, message: &Message) -> anyhow::Result<()> {
        self.add(message)?;
        self.send()
    }

    /// Sends what was added, however long that takes, until the program is to end.
    fn send(&mut self) -> anyhow::Result<()> {
        let mut left = &self.out[..];
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(bytes) => left = &left[bytes..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stop.is_set()? {
                        bail!("who asked does not listen");
                    }
                }
                Err(error) => return Err(error.into()),
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

impl Told {
    fn set_heads(&self, max: usize) {
        let mut meter = self.meter.write().unwrap_or_else(PoisonError::into_inner);
        meter.set_max_heads(max);
    }
}
