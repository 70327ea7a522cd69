//! The heads that a meter keeps, those of them that are wanted, as packets of a capture file.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use netweir_flow::{Filter, Head, InterfaceId, Meter};
use netweir_wire::{map::Direction, packet::LinkType};

use crate::{
    frame::link_type,
    tapped::{Books, Entry},
};

/// Bytes of a VLAN tag, where it stands in an Ethernet frame, and what it begins with.
pub(super) const TAG_BYTES: usize = 4;
const TAG_PLACE: usize = 12;
const TAGS: [[u8; 2]; 3] = [[0x81, 0], [0x88, 0xa8], [0x91, 0]];

/// How far the heads of a meter were looked at, and which of them are wanted.
#[derive(Clone, Debug)]
pub(in crate::command) struct Heads {
    filter: Option<Filter>,
    /// Only what came by these; nothing where all are wanted.
    interfaces: Vec<u32>,
    /// Bytes of a packet that are wanted at most.
    snapshot_bytes: usize,
    /// Number of the last one that was looked at.
    last: u64,
    books: Books,
}

impl Heads {
    /// All that match, so many bytes of each packet at most.
    pub(in crate::command) const fn new(filter: Option<Filter>, snapshot_bytes: usize) -> Self {
        Self {
            filter,
            interfaces: Vec::new(),
            snapshot_bytes,
            last: 0,
            books: Books {
                received: 0,
                unwanted: 0,
                missed: 0,
            },
        }
    }

    /// Those that come from now on, by these interfaces.
    pub(in crate::command) fn that_come(self, meter: &Meter, interfaces: Vec<u32>) -> Self {
        Self {
            last: meter.accounting().heads.received,
            interfaces,
            ..self
        }
    }

    /// Those that came since the last time.
    pub(in crate::command) fn news(
        &mut self,
        meter: &RwLock<Meter>,
    ) -> impl Iterator<Item = Entry> + use<'_> {
        let (heads, links) = {
            let meter = meter.read().unwrap_or_else(PoisonError::into_inner);
            let heads = meter.heads(self.last);
            let links = match heads.is_empty() {
                true => HashMap::new(),
                false => links(&meter),
            };
            (heads, links)
        };
        heads.into_iter().filter_map(move |head| {
            self.books.received += head.number - self.last;
            self.books.missed += head.number - self.last - 1;
            self.last = head.number;
            if !self.wants(&head) {
                self.books.unwanted += 1;
                return None;
            }
            let link = links.get(&id(&head)).copied();
            let link = link.unwrap_or(LinkType::Ethernet);
            Some(entry(&head, link, self.snapshot_bytes))
        })
    }

    /// What became of those that were looked at.
    pub(in crate::command) const fn books(&self) -> Books {
        self.books
    }

    /// Whether not all are wanted.
    pub(super) const fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    fn wants(&self, head: &Head) -> bool {
        (self.interfaces.is_empty() || self.interfaces.contains(&head.ifindex))
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.matches_head(head))
    }
}

const fn id(head: &Head) -> InterfaceId {
    InterfaceId {
        netns: head.netns,
        ifindex: head.ifindex,
    }
}

/// What the frames of each interface begin with.
fn links(meter: &Meter) -> HashMap<InterfaceId, LinkType> {
    meter
        .interfaces()
        .filter_map(|state| Some((state.interface.id, state.interface.link?)))
        .collect()
}

/// The packet, with so many bytes at most.
fn entry(head: &Head, link: LinkType, snapshot_bytes: usize) -> Entry {
    let mut bytes = tagged(&head.bytes, head.vlans, link);
    let put_back = bytes.len() - head.bytes.len();
    bytes.truncate(snapshot_bytes + put_back);
    Entry {
        netns: head.netns,
        ifindex: head.ifindex,
        interface: head.interface.to_string(),
        link_type: link_type(link),
        unix_ns: head.unix_ns,
        wire_bytes: head.frame_bytes + put_back as u32,
        is_outbound: head.direction == Direction::Egress,
        comment: comment(head),
        bytes,
    }
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

    #[test]
    fn what_comes_too_fast_is_counted() {
        let settings = Settings {
            max_heads: 2,
            ..Settings::default()
        };
        let meter = RwLock::new(Meter::new(&settings, 0));
        let mut heads = Heads::new(None, 256);
        let (mut told, mut received) = (0, 0);
        for (came, told_now, missed) in [(5, 2, 3), (0, 0, 3), (2, 2, 3), (3, 2, 4)] {
            for _ in 0..came {
                let mut meter = meter.write().unwrap();
                meter.apply_head(&PacketHead::default(), &[0; 20]);
            }
            told += told_now;
            received += came;
            assert_eq!(heads.news(&meter).count() as u64, told_now);
            let books = heads.books();
            assert_eq!((books.received, books.missed), (received, missed));
        }
        assert_eq!(told, heads.books().received - heads.books().missed);
    }

    #[test]
    fn what_came_before_or_elsewhere_is_not_told() {
        let meter = RwLock::new(Meter::new(&Settings::default(), 0));
        let add = |ifindex| {
            let mut head = PacketHead::default();
            head.key.ifindex = ifindex;
            meter.write().unwrap().apply_head(&head, &[0; 20]);
        };
        add(2);
        let mut heads = Heads::new(None, 4).that_come(&meter.read().unwrap(), vec![2]);
        add(3);
        add(2);
        let told: Vec<_> = heads
            .news(&meter)
            .map(|entry| (entry.ifindex, entry.bytes))
            .collect();
        assert_eq!(told, [(2, vec![0; 4])]);
        let books = heads.books();
        assert_eq!((books.received, books.unwanted, books.missed), (2, 1, 0));
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
