//! The rules that the programs decide by, and the heads of packets that rules sample.

use aya::maps::{Array, MapData, PerCpuArray};
use netweir_flow::rule::CompiledRules;
use netweir_wire::{
    map::{HeadCounters, PacketHead},
    name,
};

use super::{Collector, Maps, RawMap, map_error, ring::Ring};
use crate::memory::{bytes_of, split_value};
use crate::{Error, attach::Layout, error::Doing};

impl Collector {
    /// Writes rules into the table that is not in force, once no program can be asking it any more.
    /// With [`Self::enforce_rules`] they are in force.
    ///
    /// # Errors
    /// A map cannot be written, or `generation` is not behind the one in force.
    pub fn write_rules(&mut self, rules: &CompiledRules, generation: u32) -> Result<(), Error> {
        if generation & 1 == self.rules_generation() & 1 {
            return Err(Error::Broken);
        }
        self.barrier.wait()?;
        self.rules.write(rules, generation & 1)
    }

    /// Lets the rules be in force that were written last: for flows that are running too.
    pub fn enforce_rules(&self, generation: u32) {
        self.epoch.set_generation(generation);
    }

    /// Whether these are the rules in force, whatever the interfaces are called that they name.
    pub(crate) fn has_rules(&self, rules: &CompiledRules) -> Result<bool, Error> {
        match self.rules_generation() {
            0 => Ok(rules.is_empty()),
            generation => self.rules.has(rules, generation & 1),
        }
    }

    /// The generation of the rules in force; 0 where there never were any.
    pub fn rules_generation(&self) -> u32 {
        self.epoch.generation()
    }

    /// Hands over the heads of packets that rules have sampled since the last time, each with the
    /// first bytes of its frame, and lets them go; returns how many entries of the ring were none.
    pub fn read_heads(&mut self, hand_over: &mut dyn FnMut(&PacketHead, &[u8])) -> u64 {
        self.rules.read_heads(hand_over)
    }

    /// What was counted of heads since the start, all CPUs together.
    ///
    /// # Errors
    /// A map cannot be read.
    pub fn head_counters(&self) -> Result<HeadCounters, Error> {
        self.rules.counters()
    }
}

/// The rules in the kernel.
pub(super) struct Rules {
    /// Two [`netweir_wire::map::RuleTable`]s: more than a stack should have to hold.
    tables: RawMap,
    rates: Array<MapData, u32>,
    counters: PerCpuArray<MapData, Layout<HeadCounters>>,
    heads: Option<Ring>,
}

impl Rules {
    pub(super) fn new(maps: &Maps) -> Result<Self, Error> {
        let bytes = maps.constants().heads_bytes;
        let heads = match bytes {
            0 => None,
            bytes => Some(Ring::new(maps.descriptor(name::HEADS)?, bytes)?),
        };
        Ok(Self {
            tables: RawMap::new(maps.descriptor(name::RULES)?)?,
            rates: maps.get(name::RULE_RATES)?,
            counters: maps.get(name::HEAD_COUNTERS)?,
            heads,
        })
    }

    /// Writes one of the two tables, which no program asks meanwhile.
    pub(super) fn write(&mut self, rules: &CompiledRules, table: u32) -> Result<(), Error> {
        for &(number, one_in) in &rules.sampled {
            let set = self.rates.set(u32::from(number), one_in, 0);
            set.map_err(map_error(name::RULE_RATES))?;
        }
        let set = self
            .tables
            .put(&table.to_ne_bytes(), bytes_of(&*rules.table));
        set.doing("write the rules")
    }

    /// Whether one of the two tables has these rules.
    pub(super) fn has(&self, rules: &CompiledRules, table: u32) -> Result<bool, Error> {
        for (number, one_in) in &rules.sampled {
            let rate = self.rates.get(&u32::from(*number), 0);
            if rate.map_err(map_error(name::RULE_RATES))? != *one_in {
                return Ok(false);
            }
        }
        let found = self.tables.get(&table.to_ne_bytes());
        let found = found.doing("read the rules")?;
        Ok(found.is_some_and(|found| found == bytes_of(&*rules.table)))
    }

    /// Hands over the heads that are there, each with the first bytes of its frame, and lets them go;
    /// returns how many entries were none.
    pub(super) fn read_heads(&mut self, hand_over: &mut dyn FnMut(&PacketHead, &[u8])) -> u64 {
        let mut malformed = 0;
        if let Some(ring) = &mut self.heads {
            ring.close();
            ring.read(|entry| match split_value::<PacketHead>(entry) {
                Some((head, bytes)) if bytes.len() == usize::from(head.captured_bytes) => {
                    hand_over(&head, bytes);
                }
                _ => malformed += 1,
            });
            ring.let_go();
        }
        malformed
    }

    /// What was counted of heads, all CPUs together.
    pub(super) fn counters(&self) -> Result<HeadCounters, Error> {
        let mut sum = HeadCounters::default();
        let values = self.counters.get(&0, 0);
        for Layout(value) in values.map_err(map_error(name::HEAD_COUNTERS))?.iter() {
            sum += value;
        }
        Ok(sum)
    }
}
