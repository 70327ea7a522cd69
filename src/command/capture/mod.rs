//! `netweir capture`: what rules sample, as a capture file.

mod file;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::bail;
use netweir_capture::{DescribedInterface, Direction as Way, Packet};
use netweir_flow::{
    Filter, Head, InterfaceId, Meter,
    rule::{Action, Numbered},
};
use netweir_wire::{
    map::{Direction, HEAD_BYTES},
    packet::LinkType,
};

use self::file::{Bounds, Files};
pub(super) use self::file::{Standard, Until};
use super::flows::print_books;
use crate::{
    args::{BoundArgs, CaptureArgs},
    config::Config,
    foreign::escaped,
    frame::link_type,
    log::tell,
    metering::{Metering, namespaces},
    rules::Store,
    stop::Stop,
    unit::{bytes, things},
};

/// The time between two looks for heads.
const PAUSE: Duration = Duration::from_millis(100);

/// Heads that wait to be written at most; the older ones are missed then, and counted.
const MAX_HEADS: usize = 65_536;

/// Bytes of a VLAN tag, where it stands in an Ethernet frame, and what it begins with.
const TAG_BYTES: usize = 4;
const TAG_PLACE: usize = 12;
const TAGS: [[u8; 2]; 3] = [[0x81, 0], [0x88, 0xa8], [0x91, 0]];

/// Writes until the program is to end, or as much as was asked for.
pub(super) fn run(config: &Config, args: &CaptureArgs) -> anyhow::Result<()> {
    let bounds = &args.bounds;
    check(&args.write, bounds)?;
    let filter = wanted(bounds)?;
    expect_heads(config, bounds.label.as_deref())?;
    let mut config = config.clone();
    config.rules.max_heads = MAX_HEADS;
    let stop = Arc::new(Stop::on_signals()?);
    let metering = Metering::start(
        &config,
        namespaces(&config)?,
        Arc::clone(&stop),
        Box::new(|_| {}),
    )?;
    let meter = Arc::clone(&metering.meter);
    let until = Until::new(&stop, bounds);
    // Not before: a file of that name stays where nothing could be captured.
    let mut capture = match Capture::create(&args.write, bounds, (filter, HEAD_BYTES), &until) {
        Ok(capture) => capture,
        Err(error) => return metering.finish().and(Err(error)),
    };
    let written = capture.until_stopped(&meter, &until);
    let metered = metering.finish();
    // The last heads come when all is read.
    let written = written.and_then(|()| capture.write_new(&meter, &until));
    print_books(&meter);
    capture.print_books(&meter);
    metered.and(written)
}

/// That the files can be what is asked for.
pub(super) fn check(path: &Path, bounds: &BoundArgs) -> anyhow::Result<()> {
    if bounds.ring.is_some() && (path == Path::new("-") || path.file_name().is_none()) {
        bail!("--ring makes several files: -w has to name one");
    }
    Ok(())
}

/// The filter of both flags.
pub(super) fn wanted(args: &BoundArgs) -> anyhow::Result<Option<Filter>> {
    let filter = args.filter.as_deref().map(Filter::parse).transpose()?;
    let label = args.label.as_deref().map(Filter::of_label);
    Ok(match (filter, label) {
        (Some(filter), Some(label)) => Some(filter.and(label)),
        (filter, label) => filter.or(label),
    })
}

/// That there is a rule by which anything can come.
fn expect_heads(config: &Config, label: Option<&str>) -> anyhow::Result<()> {
    if config.rules.heads_per_second == 0 {
        bail!("rules.heads_per_second is 0: no rule samples anything");
    }
    let book = Store::new(&config.rules.file).read()?;
    let samples = |known: &&Numbered| matches!(known.rule.action, Action::Sample(_));
    let mut sampled = book.rules().iter().filter(samples).peekable();
    let file = config.rules.file.display();
    let is_wanted = |known: &Numbered| label.is_none_or(|label| known.rule.label == label);
    let taps = |known: &Numbered| known.rule.action == Action::Tap && is_wanted(known);
    let tapped = match book.rules().iter().any(taps) {
        true => "; what rules tap is written by `netweir inline -w FILE`",
        false => "",
    };
    if sampled.peek().is_none() {
        bail!(
            "no rule of {file} samples anything: say what is to be captured, as in `netweir rule add dns \
             --destination-port 53 --both-ways --action 'sample 1'`{tapped}"
        );
    }
    if let Some(label) = label
        && !sampled.any(is_wanted)
    {
        bail!(
            "no rule of {file} that samples gives the label {label:?}; `netweir rule list` shows them{tapped}"
        );
    }
    Ok(())
}

/// A capture that is being written.
pub(super) struct Capture {
    files: Files,
    filter: Option<Filter>,
    /// Bytes of a packet that are written at most.
    snapshot_bytes: usize,
    /// The numbers that interfaces have in the file at hand.
    interfaces: HashMap<InterfaceId, u32>,
    /// Number of the last head that was looked at.
    last: u64,
    /// Heads that came and were gone before they were looked at.
    missed: u64,
    /// Heads that do not match the filter.
    unwanted: u64,
}

impl Capture {
    /// Begins the first file: of what matches, so many bytes of each packet at most.
    pub(super) fn create(
        path: &Path,
        bounds: &BoundArgs,
        (filter, snapshot_bytes): (Option<Filter>, usize),
        until: &Until<'_>,
    ) -> anyhow::Result<Self> {
        let bounds = Bounds {
            packets: bounds.count,
            bytes: bounds.size,
            ring: bounds.ring,
        };
        Ok(Self {
            files: Files::create(path, bounds, until)?,
            filter,
            snapshot_bytes,
            interfaces: HashMap::new(),
            last: 0,
            missed: 0,
            unwanted: 0,
        })
    }

    fn until_stopped(&mut self, meter: &RwLock<Meter>, until: &Until<'_>) -> anyhow::Result<()> {
        loop {
            let left = until.left().unwrap_or(PAUSE);
            let stopped = until.stop.wait(left.min(PAUSE))?;
            self.write_new(meter, until)?;
            if stopped || left.is_zero() || self.files.is_full() {
                return Ok(());
            }
        }
    }

    /// Whether there is as much as was asked for.
    pub(super) fn is_full(&self) -> bool {
        self.files.is_full()
    }

    /// Writes the heads that came since the last time, as many as are still asked for.
    pub(super) fn write_new(
        &mut self,
        meter: &RwLock<Meter>,
        until: &Until<'_>,
    ) -> anyhow::Result<()> {
        let (heads, links) = {
            let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
            let heads = meter.heads(self.last);
            if heads.is_empty() {
                return Ok(());
            }
            (heads, links(&meter))
        };
        for head in &heads {
            if self.files.is_full() {
                break;
            }
            self.missed += head.number - self.last - 1;
            self.last = head.number;
            if self
                .filter
                .as_ref()
                .is_some_and(|filter| !filter.matches_head(head))
            {
                self.unwanted += 1;
                continue;
            }
            self.add(head, &links, until)?;
        }
        self.files.flush(until)
    }

    fn add(
        &mut self,
        head: &Head,
        links: &HashMap<InterfaceId, LinkType>,
        until: &Until<'_>,
    ) -> anyhow::Result<()> {
        if self.files.begin_next(until)? {
            self.interfaces.clear();
        }
        let id = InterfaceId {
            netns: head.netns,
            ifindex: head.ifindex,
        };
        let link = links.get(&id).copied().unwrap_or(LinkType::Ethernet);
        let bytes = tagged(&head.bytes, head.vlans, link);
        let put_back = (bytes.len() - head.bytes.len()) as u32;
        let most = self.snapshot_bytes + put_back as usize;
        let bytes = bytes.get(..most).unwrap_or(&bytes);
        let section = self.files.section();
        let interface = *self.interfaces.entry(id).or_insert_with(|| {
            section.add_interface(&DescribedInterface {
                name: &head.interface,
                description: &format!("index {} in namespace {}", head.ifindex, head.netns),
                link_type: link_type(link),
                // A tag that the kernel keeps beside the frame is put back.
                snapshot_bytes: (self.snapshot_bytes + TAG_BYTES) as u32,
            })
        });
        section.add_packet(&Packet {
            interface,
            timestamp_ns: head.unix_ns,
            wire_bytes: head.frame_bytes + put_back,
            direction: Some(match head.direction {
                Direction::Ingress => Way::Inbound,
                Direction::Egress => Way::Outbound,
            }),
            comment: &comment(head),
            bytes,
        });
        self.files.count();
        Ok(())
    }

    /// Prints to standard error at the end what became of the heads that came: of each one thing.
    pub(super) fn print_books(&self, meter: &RwLock<Meter>) {
        let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
        let received = meter.accounting().heads.received;
        let left = received - self.files.written() - self.unwanted - self.missed;
        let mut line = format!(
            "{} written to {} ({})",
            things(self.files.written(), "packet"),
            self.files.names(),
            bytes(self.files.bytes()),
        );
        if self.filter.is_some() {
            line += &format!(", {} others did not match", self.unwanted);
        }
        if self.missed > 0 {
            line += &format!(", {} came too fast and are missing", self.missed);
        }
        if left > 0 {
            line += &format!(", {left} more were not written");
        }
        tell(&escaped(&line));
    }
}

/// What the frames of each interface begin with.
fn links(meter: &Meter) -> HashMap<InterfaceId, LinkType> {
    meter
        .interfaces()
        .filter_map(|state| Some((state.interface.id, state.interface.link?)))
        .collect()
}

/// What a capture file has no field for.
fn comment(head: &Head) -> String {
    let rule = head.decision.as_ref().map_or(0, |by| by.rule);
    let action = head.action.name();
    let mut text = match head.label() {
        Some(label) => format!("label={} rule={rule} action={action}", label.name),
        None => format!("rule={rule} action={action}"),
    };
    if let Some(queue) = head.queue {
        text += &format!(" queue={queue}");
    }
    text
}

/// The bytes of a frame, with the outer tag if the kernel has kept it beside them. (Of such a tag its number
/// is known, not its kind and its priority.)
fn tagged(bytes: &[u8], vlans: [u16; 2], link: LinkType) -> Vec<u8> {
    let kinds = bytes.get(TAG_PLACE..).unwrap_or_default();
    let kinds = kinds.chunks_exact(TAG_BYTES).take(vlans.len());
    let there = kinds
        .take_while(|tag| TAGS.contains(&[tag[0], tag[1]]))
        .count();
    let known = vlans.iter().filter(|&&vlan| vlan != 0).count();
    let mut bytes = bytes.to_vec();
    if matches!(link, LinkType::Ethernet) && there < known && bytes.len() >= TAG_PLACE {
        let [upper, lower] = vlans[0].to_be_bytes();
        bytes.splice(TAG_PLACE..TAG_PLACE, [0x81, 0, upper, lower]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use netweir_flow::Settings;
    use netweir_wire::map::PacketHead;

    use super::*;

    fn capture(until: &Until<'_>) -> Capture {
        let wanted = (None, HEAD_BYTES);
        Capture::create(Path::new("/dev/null"), &BoundArgs::default(), wanted, until).unwrap()
    }

    #[test]
    fn what_comes_too_fast_is_counted() {
        let settings = Settings {
            max_heads: 2,
            ..Settings::default()
        };
        let meter = RwLock::new(Meter::new(&settings, 0));
        let stop = Stop::on_signals().unwrap();
        let until = Until {
            stop: &stop,
            end: None,
        };
        let mut capture = capture(&until);
        for (heads, written, missed) in [(5, 2, 3), (0, 2, 3), (2, 4, 3), (3, 6, 4)] {
            for _ in 0..heads {
                let mut meter = meter.write().unwrap();
                meter.apply_head(&PacketHead::default(), &[0; 20]);
            }
            capture.write_new(&meter, &until).unwrap();
            assert_eq!((capture.files.written(), capture.missed), (written, missed));
        }
    }

    #[test]
    fn a_tag_is_put_back_once() {
        let frame = |tags: &[u8]| [&[2; 12][..], tags, &[8, 0, 69, 0]].concat();
        let (none, one, inner) = (frame(&[]), frame(&[0x81, 0, 1, 2]), frame(&[0x81, 0, 0, 7]));
        let both = frame(&[0x81, 0, 1, 2, 0x81, 0, 0, 7]);
        for (bytes, vlans, link, expected) in [
            (&none, [0x102, 0], LinkType::Ethernet, &one),
            (&none, [0; 2], LinkType::Ethernet, &none),
            (&none, [0x102, 0], LinkType::Ip, &none),
            (&one, [0x102, 0], LinkType::Ethernet, &one),
            (&inner, [0x102, 7], LinkType::Ethernet, &both),
            (&both, [0x102, 7], LinkType::Ethernet, &both),
        ] {
            assert_eq!(&tagged(bytes, vlans, link), expected, "{vlans:?}");
        }
        assert_eq!(tagged(&[1; 11], [1, 0], LinkType::Ethernet), [1; 11]);
    }
}
