//! `netweir inline`: a bump in the wire between two interfaces.

mod bump;
mod hint;
mod output;
mod told;

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use netweir_agent::{
    Choice, Error, Interfaces,
    attach::HookChoice,
    inline::{Appetite, Recording, Tap, TapOptions, Tapped},
};
use netweir_flow::{Filter, InterfaceId, Meter};
use netweir_wire::map::HEAD_BYTES;

use super::{
    capture::{self, MAX_BYTES, MAX_HEADS, Until},
    flows::print_books,
};
use crate::{
    args::{InlineArgs, InlineMode as Mode},
    config::Config,
    metering::Metering,
    rules::Store,
    serving::Serving,
    stop::Stop,
};
use bump::{Bump, Gone};
use hint::warn_of_refused;
use output::{Output, print_crossed};
use told::{AtRest, Telling, Told};

/// The time between two looks for what was recorded, and at the interfaces.
const PAUSE: Duration = Duration::from_millis(100);
const WATCH: Duration = Duration::from_secs(1);

/// Batches of recorded frames that wait at most.
const WAITING: usize = 1024;

/// Crosses until the program is to end.
pub(super) fn run(config: &Config, args: &InlineArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.write {
        capture::check(path, &args.bounds)?;
    }
    let filter = capture::wanted(&args.bounds)?;
    if filter.is_some() && args.write.is_none() && !args.events {
        bail!("--filter and --label say what is written: they need -w FILE or --events");
    }
    let config = inline_config(config, args);
    let place = Bump::find(&config, args)?;
    let is_served = args.listen.listen.is_some() || args.listen.port.is_some();
    let serving = is_served.then(|| Serving::listen(&config)).transpose()?;
    let stop = Arc::new(Stop::on_signals()?);
    let is_new = place.attach(&config, args.closed)?;
    let ran = place.run(&config, args, (filter, serving), &stop);
    let has_started = ran.is_ok();
    let ran = ran.and_then(|ran| ran);
    // Where an interface is gone nothing crosses any more: the other one need not lose its frames.
    let is_gone = ran.as_ref().err().is_some_and(anyhow::Error::is::<Gone>);
    if args.temporary || is_gone || is_new && !has_started {
        place.detach();
    } else if has_started {
        let [one, other] = place.pinned();
        tracing::info!(
            "frames go on crossing in the kernel; `netweir detach --iface {one} --iface {other}` ends that"
        );
    }
    ran
}

/// What forwards tapped frames, what it records, and how much that is.
type Tapping = (Tap, Receiver<Vec<Tapped>>, Arc<Appetite>);

/// The configuration for these two interfaces.
fn inline_config(config: &Config, args: &InlineArgs) -> Config {
    let mut config = config.clone();
    let choice = |name: &String| Choice {
        interfaces: Interfaces::Name(name.clone()),
        hook: Some(HookChoice::Xdp),
    };
    config.choices = [&args.from, &args.to].map(choice).into();
    config.netns = args.netns.iter().cloned().collect();
    if args.write.is_some() || args.events {
        config.rules.max_heads = MAX_HEADS;
    }
    config
}

impl Bump {
    /// Meters and taps until the program is to end. The outer error is that it could not begin.
    fn run(
        &self,
        config: &Config,
        args: &InlineArgs,
        (filter, serving): (Option<Filter>, Option<Serving>),
        stop: &Arc<Stop>,
    ) -> anyhow::Result<anyhow::Result<()>> {
        let netns = vec![self.netns.try_clone()?];
        // It counts until the last tapped frame has gone.
        let counting = Arc::new(Stop::by_itself()?);
        let metering = Metering::start(config, netns, Arc::clone(&counting), Box::new(|_| {}))?;
        let meter = Arc::clone(&metering.meter);
        if let Err(error) = self.expect_both(&meter) {
            return metering.finish().and(Err(error));
        }
        let at_rest = at_rest(config, args);
        let (tap, tapped, appetite) = match self.tap(args, at_rest) {
            Ok(all) => all,
            Err(error) => return metering.finish().and(Err(no_sockets(error, args.mode))),
        };
        let telling = self.tell(Told {
            hello: self.hello(),
            meter: Arc::clone(&meter),
            store: Store::new(&config.rules.file),
            appetite,
            at_rest,
        });
        self.say(&tap);
        let until = Until::new(stop, &args.bounds);
        let written = thread::scope(|scope| {
            let recorded = Arc::clone(&meter);
            scope.spawn(move || self.record(&tapped, &recorded));
            if let Some(serving) = serving {
                let serving = serving.with_rules(metering.rules.clone(), None);
                let (meter, ticks) = (Arc::clone(&meter), metering.ticks.clone());
                scope.spawn(move || {
                    if let Err(error) = serving.run(meter, ticks, stop) {
                        tracing::error!(%error, "cannot serve");
                    }
                });
            }
            let mut out = Output::open(args, filter, &until);
            let result = match &mut out {
                Ok(out) => self.until_stopped((&tap, &counting), out, (&meter, &until)),
                Err(_) => Ok(()),
            };
            // Its threads have what is recorded: it ends before that does.
            tap.finish();
            // Whatever the reason was, what serves ends too.
            stop.now();
            (out, result)
        });
        let (out, result) = written;
        let metered = metering.finish();
        // Now all has come that there is to write, and to tell.
        let (out, written) = written_by(out, &meter, &until);
        if let Some(telling) = telling {
            telling.finish();
        }
        let Some(out) = out else {
            return metered.and(written).map(Ok);
        };
        print_books(&meter);
        print_crossed(&meter);
        out.print_books(&meter);
        Ok(result.and(metered).and(written))
    }

    /// Starts what forwards tapped frames; what it records comes by the second one.
    fn tap(&self, args: &InlineArgs, at_rest: AtRest) -> Result<Tapping, Error> {
        let (to, tapped) = sync_channel(WAITING);
        let appetite = Arc::new(Appetite::new(at_rest.bytes, at_rest.per_second));
        let options = TapOptions {
            mode: args.mode.into(),
            frames: args.frames,
            spin: args.busy_poll,
            closed: args.closed,
            recording: Some(Recording {
                to,
                appetite: Arc::clone(&appetite),
            }),
        };
        let ends = self.ends.each_ref();
        let tap = Tap::start(&self.folder, &self.netns, ends, &options)?;
        Ok((tap, tapped, appetite))
    }

    /// Tells those who ask of tapped frames, if that is possible.
    fn tell(&self, told: Told) -> Option<Telling> {
        let telling = Telling::start(told);
        let telling = telling.inspect_err(|error| {
            tracing::warn!(error = %format!("{error:#}"), "`netweir capture` is not told what rules tap");
        });
        telling.ok()
    }

    /// Hands what was tapped to the meter, until nobody taps any more.
    fn record(&self, tapped: &Receiver<Vec<Tapped>>, meter: &RwLock<Meter>) {
        let ids = self.ends.each_ref().map(|device| InterfaceId {
            netns: self.netns.inode(),
            ifindex: device.ifindex,
        });
        for batch in tapped {
            let mut meter = meter.write().unwrap_or_else(PoisonError::into_inner);
            for one in batch {
                let frame = (one.frame_bytes, &*one.bytes);
                meter.apply_tapped(ids[one.end], &one.mark, frame);
            }
        }
    }

    fn until_stopped(
        &self,
        (tap, counting): (&Tap, &Stop),
        out: &mut Output,
        (meter, until): (&RwLock<Meter>, &Until<'_>),
    ) -> anyhow::Result<()> {
        let mut watched = Instant::now();
        let mut is_warned = false;
        // Where counting has failed, it says so itself.
        while !until.stop.wait(PAUSE)? && !counting.is_set()? {
            out.write_new(meter, until)?;
            if tap.has_failed() || watched.elapsed() > WATCH {
                watched = Instant::now();
                self.check()?;
                is_warned = is_warned || warn_of_refused(meter);
            }
            if tap.has_failed() {
                bail!(
                    "tapped frames cross in the kernel: what forwarded them has ended (see above)"
                );
            }
        }
        Ok(())
    }
}

/// What has written all that has come, if it could begin, and what it could not.
fn written_by(
    out: anyhow::Result<Output>,
    meter: &RwLock<Meter>,
    until: &Until<'_>,
) -> (Option<Output>, anyhow::Result<()>) {
    match out {
        Ok(mut out) => {
            let written = out.write_new(meter, until);
            (Some(out), written)
        }
        Err(error) => (None, Err(error)),
    }
}

/// Why tapped frames cannot go by user space.
fn no_sockets(error: Error, mode: Mode) -> anyhow::Error {
    anyhow::Error::from(error).context(match mode {
        Mode::Zerocopy => "the drivers cannot do without copying (`--mode copy` or `auto`)",
        Mode::Auto | Mode::Copy => "tapped frames cannot go by user space",
    })
}

/// What is recorded of tapped frames where nobody asks: all of them where they are written, else as many as of
/// sampled ones.
fn at_rest(config: &Config, args: &InlineArgs) -> AtRest {
    let is_written = args.write.is_some();
    // Of less than that nobody can say what it is.
    let bytes = args.bounds.snap.unwrap_or(MAX_BYTES).max(HEAD_BYTES as u64);
    AtRest {
        bytes: if is_written {
            bytes.min(MAX_BYTES) as u32
        } else {
            HEAD_BYTES as u32
        },
        per_second: if is_written || args.events {
            u32::MAX
        } else {
            config.rules.heads_per_second
        },
        heads: config.rules.max_heads,
    }
}
