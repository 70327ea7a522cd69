//! What the kernel programs do to a frame, done in user space: interface first, then flow.
//!
//! A capture file goes through here to the same meter that the kernel's maps go to, by the same
//! functions of `wire`. Nothing is lost, filtered or sampled on this way: what is seen is counted,
//! and every datagram with a long header of QUIC is told.

use crate::{
    Batch, Hook, Interface, InterfaceId, InterfaceSample, Meter, Sample,
    quic::{Look, layout::Layouts},
    rule::CompiledRules,
};
use netweir_wire::{
    map::{
        Class, Count, Direction, FlowCounters, FlowKey, InterfaceCounters, InterfaceKey,
        PortClasses, RuleAction, RuleFacts, RuleMark, classes,
    },
    packet::{Headers, LinkType, Problem},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A frame, and what is known of it beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Number of the interface within its file.
    pub interface: u32,
    /// What the frame begins with.
    pub link: LinkType,
    /// Which way it went; files that do not say have [`Direction::Ingress`].
    pub direction: Direction,
    /// When, nanoseconds since 1970.
    pub timestamp_ns: u64,
    /// Bytes that the wire carried, of which `bytes` may be the first ones only.
    pub wire_bytes: u32,
    /// The bytes that were captured.
    pub bytes: &'a [u8],
}

/// Counts frames of capture files.
pub struct Tally {
    ports: Box<PortClasses>,
    /// Name of the file that is being read.
    file: String,
    /// Interfaces of this file by their number in it.
    ids: HashMap<u32, InterfaceId>,
    /// Interfaces of all files.
    known: u32,
    /// Interfaces that the meter has not been told of yet.
    new: Vec<Interface>,
    interfaces: BTreeMap<InterfaceKey, InterfaceCounters>,
    /// With the rule that had decided.
    flows: HashMap<(FlowKey, RuleMark), FlowCounters>,
    rules: Option<Arc<CompiledRules>>,
    /// The numbers that rules have for interfaces.
    numbers: HashMap<InterfaceId, u32>,
    look: Look,
}

impl Tally {
    /// A tally of nothing; `ports` says what each port tells of the application.
    pub fn new(ports: Box<PortClasses>) -> Self {
        Self {
            ports,
            file: String::new(),
            ids: HashMap::new(),
            known: 0,
            new: Vec::new(),
            interfaces: BTreeMap::new(),
            flows: HashMap::new(),
            rules: None,
            numbers: HashMap::new(),
            look: Look::default(),
        }
    }

    /// The same with rules, which decide about flows. Nothing is dropped; what a rule says is to be
    /// dropped is spared. No head is told.
    pub fn with_rules(mut self, rules: Arc<CompiledRules>) -> Self {
        self.rules = Some(rules);
        self
    }

    /// The same with layouts, which QUIC connection IDs are counted by.
    pub fn with_layouts(mut self, layouts: Arc<Layouts>) -> Self {
        self.look.layouts = layouts;
        self
    }

    /// Frames from now on are of another file, whose interfaces are others too.
    pub fn begin_file(&mut self, name: &str) {
        name.clone_into(&mut self.file);
        self.ids.clear();
    }

    /// Counts a frame.
    pub fn add(&mut self, frame: &Frame<'_>) {
        let id = self.interface(frame.interface, frame.link);
        let interface = InterfaceKey {
            netns: id.netns,
            ifindex: id.ifindex,
            direction: frame.direction as u32,
        };
        let headers = Headers::read(&frame.bytes, frame.link);
        let count = Count {
            packets: 1,
            frames: 1,
            bytes: frame.wire_bytes.into(),
        };
        let classes = classes(&headers, |port| self.ports.bits[usize::from(port)]);
        self.count_interface(interface, &headers, (count, classes));
        let key = FlowKey::new(interface, &headers);
        let rule = self.decide(id, &key);
        if rule.action() == RuleAction::Drop {
            let counters = self.interfaces.entry(interface).or_default();
            counters.spared += count.volume();
        }
        self.count_flow((key, rule), &headers, count, frame.timestamp_ns);
        if classes[2] == Class::QuicCandidate {
            self.look.add(key, &headers, frame);
        }
    }

    /// Flows, or events of QUIC, that wait to be handed over: whichever are more.
    pub fn waiting(&self) -> usize {
        self.flows.len().max(self.look.waiting())
    }

    /// Hands everything over to a meter.
    pub fn hand_over(&mut self, meter: &mut Meter, now_ns: u64) {
        self.new
            .drain(..)
            .for_each(|interface| meter.add_interface(interface));
        // As with the kernel programs: what tells of connections comes before what is theirs.
        for (event, bytes) in self.look.take_events() {
            meter.apply_quic(&event, &bytes);
        }
        let flows = self.flows.drain().map(|((key, rule), counters)| Sample {
            key,
            counters,
            rule,
        });
        let interfaces = self.interfaces.iter();
        meter.apply(&Batch {
            now_ns,
            flows: flows.collect(),
            interfaces: interfaces
                .map(|(&key, &counters)| InterfaceSample { key, counters })
                .collect(),
            quic: self.look.counters,
            quic_backends: self.look.take_backends(),
            ..Batch::default()
        });
    }

    fn interface(&mut self, number: u32, link: LinkType) -> InterfaceId {
        if let Some(id) = self.ids.get(&number) {
            return *id;
        }
        self.known += 1;
        let id = InterfaceId {
            netns: 0,
            ifindex: self.known,
        };
        self.ids.insert(number, id);
        let name = match number {
            0 => self.file.clone(),
            number => format!("{}#{number}", self.file),
        };
        if let Some(rules) = &self.rules {
            self.numbers.insert(id, rules.interface_number(&name));
        }
        self.new.push(Interface {
            id,
            name: name.into(),
            netns_name: None,
            hook: Hook::Replay,
            loopback: false,
            link: Some(link),
            present: true,
        });
        id
    }

    fn count_interface(
        &mut self,
        interface: InterfaceKey,
        headers: &Headers,
        (count, classes): (Count, [Class; 3]),
    ) {
        let counters = self.interfaces.entry(interface).or_default();
        counters.seen += count;
        counters.counted += count;
        counters.add_classes(classes.map(|class| class as u8), count.volume());
        if headers.problem != Problem::None {
            counters.problems[headers.problem as usize] += 1;
        }
    }

    /// The rule that decides about a flow.
    fn decide(&self, id: InterfaceId, key: &FlowKey) -> RuleMark {
        let Some(rules) = &self.rules else {
            return RuleMark::NONE;
        };
        let interface = self.numbers.get(&id).copied().unwrap_or(0);
        let backend = match rules.table.has_backends {
            0 => 0,
            _ => self.look.backend(key).map_or(0, |it| it.wrapping_add(1)),
        };
        rules.table.decide(&RuleFacts::new(key, interface, backend))
    }

    fn count_flow(
        &mut self,
        of: (FlowKey, RuleMark),
        headers: &Headers,
        count: Count,
        timestamp_ns: u64,
    ) {
        let more = FlowCounters::new(headers, count, timestamp_ns);
        self.flows
            .entry(of)
            .and_modify(|flow| flow.merge(&more))
            .or_insert(more);
    }
}
