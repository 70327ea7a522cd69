//! All interfaces that were ever watched, and the peaks of their sums.

use super::{Interface, InterfaceId, InterfaceState, unknown_name};
use crate::Rate;
use netweir_wire::map::{Direction, InterfaceKey};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Interfaces by identity, with a limit to their number.
#[derive(Debug)]
pub(crate) struct Interfaces {
    states: BTreeMap<InterfaceId, InterfaceState>,
    max: usize,
    peak: Rate,
    /// Several interfaces may have the same name, in different namespaces or after one another.
    peaks_by_name: HashMap<Arc<str>, Rate>,
}

impl Interfaces {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            states: BTreeMap::new(),
            max,
            peak: Rate::default(),
            peaks_by_name: HashMap::new(),
        }
    }

    /// Lists an interface, or says anew what it is; whether there was room.
    pub(crate) fn add(&mut self, interface: Interface) -> bool {
        let Some(state) = self.listed(interface.id) else {
            return false;
        };
        state.interface = interface;
        true
    }

    pub(crate) fn mark_absent(&mut self, id: InterfaceId) {
        if let Some(state) = self.states.get_mut(&id) {
            state.interface.present = false;
        }
    }

    /// The state of an interface, new where it is not known; none where there is no room.
    pub(crate) fn listed(&mut self, id: InterfaceId) -> Option<&mut InterfaceState> {
        if self.states.len() >= self.max {
            return self.states.get_mut(&id);
        }
        let new = || InterfaceState::new(Interface::unknown(id));
        Some(self.states.entry(id).or_insert_with(new))
    }

    /// The interface of a sample and its direction, where both can be told.
    pub(crate) fn of_sample(
        &mut self,
        key: InterfaceKey,
    ) -> Option<(&mut InterfaceState, Direction)> {
        let direction = u8::try_from(key.direction).ok()?;
        let direction = Direction::try_from(direction).ok()?;
        let state = self.listed(InterfaceId {
            netns: key.netns,
            ifindex: key.ifindex,
        })?;
        Some((state, direction))
    }

    /// The name of an interface.
    pub(crate) fn name(&self, id: InterfaceId) -> Arc<str> {
        let known = self.states.get(&id).map(|state| &state.interface.name);
        known.map_or_else(|| unknown_name(id.ifindex), Arc::clone)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &InterfaceState> {
        self.states.values()
    }

    /// Ends a tick of `interval_ns`.
    pub(crate) fn tick(&mut self, interval_ns: u64) {
        let mut sum = Rate::default();
        let mut sums_by_name = HashMap::<Arc<str>, Rate>::new();
        for state in self.states.values_mut() {
            state.tick(interval_ns);
            let rate = state.rate();
            if rate != Rate::default() {
                sum += rate;
                *sums_by_name
                    .entry(Arc::clone(&state.interface.name))
                    .or_default() += rate;
            }
        }
        self.peak = self.peak.max(sum);
        for (name, rate) in sums_by_name {
            let peak = self.peaks_by_name.entry(name).or_default();
            *peak = peak.max(rate);
        }
    }

    /// The highest rate in any tick, of all interfaces together or of those with that name.
    pub(crate) fn peak(&self, name: Option<&str>) -> Rate {
        match name {
            None => self.peak,
            Some(name) => self.peaks_by_name.get(name).copied().unwrap_or_default(),
        }
    }
}
