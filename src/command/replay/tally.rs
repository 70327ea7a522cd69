//! What the kernel does to a frame, done in user space: interface first, then flow.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use netweir_capture::{Direction as Captured, Frame};
use netweir_flow::{Batch, Hook, Interface, InterfaceId, InterfaceSample, Meter, Sample, Settings};
use netweir_wire::{
    map::{
        Count, Direction, FlowCounters, FlowKey, InterfaceCounters, InterfaceKey, PortClasses,
        classes,
    },
    packet::{Headers, LinkType, Problem},
};

/// Flows handed to the meter at once.
const BATCH_FLOWS: usize = 8192;

/// Time between two ticks of the meter, in the time of the capture.
const TICK_NS: u64 = 1_000_000_000;

/// Counts frames of capture files.
pub(super) struct Tally {
    meter: Option<Meter>,
    settings: Settings,
    ports: Box<PortClasses>,
    /// Name of the file that is being read.
    file: String,
    /// Interfaces of this file by their number in it.
    ids: HashMap<u32, InterfaceId>,
    /// Interfaces of all files.
    known: u32,
    interfaces: BTreeMap<InterfaceKey, InterfaceCounters>,
    flows: HashMap<FlowKey, FlowCounters>,
    now_ns: u64,
    next_tick_ns: u64,
    /// Frames of link types that cannot be read.
    unread: BTreeMap<u16, u64>,
}

impl Tally {
    pub(super) fn new(ports: Box<PortClasses>, settings: Settings) -> Self {
        Self {
            meter: None,
            settings,
            ports,
            file: String::new(),
            ids: HashMap::new(),
            known: 0,
            interfaces: BTreeMap::new(),
            flows: HashMap::new(),
            now_ns: 0,
            next_tick_ns: 0,
            unread: BTreeMap::new(),
        }
    }

    /// Frames from now on are of another file, whose interfaces are others too.
    pub(super) fn begin_file(&mut self, path: &Path) {
        self.file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        self.ids.clear();
    }

    /// Counts a frame.
    pub(super) fn add(&mut self, frame: &Frame<'_>) {
        let Some(link) = LinkType::from_capture(frame.link_type) else {
            *self.unread.entry(frame.link_type).or_default() += 1;
            return;
        };
        self.pass_time(frame.timestamp_ns);
        let id = self.interface(frame.interface, link);
        let interface = InterfaceKey {
            netns: id.netns,
            ifindex: id.ifindex,
            direction: match frame.direction {
                Some(Captured::Outbound) => Direction::Egress,
                _ => Direction::Ingress,
            } as u32,
        };
        let headers = Headers::read(&frame.bytes, link);
        let count = Count { packets: 1, frames: 1, bytes: frame.wire_bytes.into() };
        self.count_interface(interface, &headers, count);
        self.count_flow(interface, &headers, count, frame.timestamp_ns);
        if self.flows.len() >= BATCH_FLOWS {
            self.hand_over();
        }
    }

    /// The meter begins with the first frame, and ticks as the capture's time passes.
    fn pass_time(&mut self, timestamp_ns: u64) {
        self.now_ns = self.now_ns.max(timestamp_ns);
        if self.meter.is_none() {
            self.meter = Some(Meter::new(&self.settings, timestamp_ns));
            self.next_tick_ns = timestamp_ns.saturating_add(TICK_NS);
        }
        if self.now_ns >= self.next_tick_ns {
            self.hand_over();
            if let Some(meter) = &mut self.meter {
                drop(meter.tick(self.now_ns));
            }
            self.next_tick_ns = self.now_ns.saturating_add(TICK_NS);
        }
    }

    fn interface(&mut self, number: u32, link: LinkType) -> InterfaceId {
        if let Some(id) = self.ids.get(&number) {
            return *id;
        }
        self.known += 1;
        let id = InterfaceId { netns: 0, ifindex: self.known };
        self.ids.insert(number, id);
        let name = match number {
            0 => self.file.clone(),
            number => format!("{}#{number}", self.file),
        };
        if let Some(meter) = &mut self.meter {
            meter.add_interface(Interface {
                id,
                name: name.into(),
                netns_name: None,
                hook: Hook::Replay,
                loopback: false,
                link: Some(link),
                present: true,
            });
        }
        id
    }

    fn count_interface(&mut self, interface: InterfaceKey, headers: &Headers, count: Count) {
        let counters = self.interfaces.entry(interface).or_default();
        counters.seen += count;
        counters.counted += count;
        for class in classes(headers, |port| self.ports.bits[usize::from(port)]) {
            counters.classes[class as usize] += count.volume();
        }
        if headers.problem != Problem::None {
            counters.problems[headers.problem as usize] += 1;
        }
    }

    fn count_flow(
        &mut self,
        interface: InterfaceKey,
        headers: &Headers,
        count: Count,
        timestamp_ns: u64,
    ) {
        let more = FlowCounters::new(headers, count, timestamp_ns);
        let key = FlowKey::new(interface, headers);
        self.flows.entry(key).and_modify(|flow| flow.merge(&more)).or_insert(more);
    }

    fn hand_over(&mut self) {
        let Some(meter) = &mut self.meter else { return };
        let flows = self.flows.drain().map(|(key, counters)| Sample { key, counters });
        let interfaces = self.interfaces.iter();
        meter.apply(&Batch {
            now_ns: self.now_ns,
            flows: flows.collect(),
            interfaces: interfaces
                .map(|(&key, &counters)| InterfaceSample { key, counters })
                .collect(),
            ..Batch::default()
        });
    }

    /// Link types that could not be read, and how many frames had each.
    pub(super) fn unread_links(&self) -> impl Iterator<Item = (u16, u64)> {
        self.unread.clone().into_iter()
    }

    /// The meter with all that was counted.
    pub(super) fn finish(mut self) -> Meter {
        self.hand_over();
        let mut meter = self.meter.unwrap_or_else(|| Meter::new(&self.settings, 0));
        drop(meter.tick(self.now_ns));
        meter
    }
}
