//! What an agent is told: what to meter, how, and which rules are in force.

use std::{path::PathBuf, sync::Arc};

use netweir_flow::{InterfaceId, KernelFilter, rule::CompiledRules};
use netweir_wire::map::{LayoutProgram, PortClasses};

use crate::{
    Error,
    attach::{HookChoice, MapSizes, Modes, Object, Purpose, Variant},
    choice::Choice,
    collect::{Collector, InterfaceNames},
};

/// What to meter, and how.
#[derive(Clone)]
pub struct Settings {
    /// Which interfaces; the first wish that fits one decides.
    pub choices: Vec<Choice>,
    /// Interfaces that are none of them, whatever is wished: somebody else tells of them.
    pub except: Vec<InterfaceId>,
    /// The hook for interfaces whose wish names none.
    pub hook: HookChoice,
    /// How the hooks are entered.
    pub modes: Modes,
    /// Whether the tracepoints count interfaces of every namespace, those unknown here too.
    pub trace_any: bool,
    /// Sizes of the kernel maps.
    pub maps: MapSizes,
    /// Which ports belong to which application.
    pub ports: Box<PortClasses>,
    /// Only what it admits is counted, and the rest is *filtered*; everything where there is none.
    pub only: Option<KernelFilter>,
    /// One frame in so many is counted, at random, and the rest is *sampled*; 1 for every frame.
    pub sampling: u32,
    /// What is made of QUIC, where [`MapSizes::quic`] is not 0.
    pub quic: QuicSettings,
    /// The rules.
    pub rules: RuleSettings,
    /// Where interfaces are pinned; what is pinned there is taken over rather than attached to. Nothing
    /// is where there is none.
    pub pins: Option<PathBuf>,
}

/// Which rules are in force.
#[derive(Clone, Debug, Default)]
pub struct RuleSettings {
    /// Heads of packets that rules may sample on each CPU in a second; 0 for none.
    pub heads_per_second: u32,
    /// The number of the rules in force, which chooses between the two tables; 0 where there never
    /// were any.
    pub(crate) generation: u32,
    tables: [Option<Arc<CompiledRules>>; 2],
    /// The rules, where anybody has said which, be it that there are none.
    latest: Option<Arc<CompiledRules>>,
}

impl RuleSettings {
    /// These rules to begin with, and so many heads.
    pub fn new(heads_per_second: u32, rules: Arc<CompiledRules>) -> Self {
        let mut settings = Self {
            heads_per_second,
            latest: Some(Arc::clone(&rules)),
            ..Self::default()
        };
        if !rules.is_empty() {
            settings.replace(rules);
        }
        settings
    }

    /// Puts other rules in the place of those that are not in force any more.
    pub(crate) fn replace(&mut self, rules: Arc<CompiledRules>) {
        // 0 is for none at all; whoever comes around goes on with the same side.
        self.generation = self.generation.checked_add(1).unwrap_or(2);
        self.latest = Some(Arc::clone(&rules));
        self.tables[(self.generation & 1) as usize] = Some(rules);
    }

    /// The rules, if anybody has said which.
    pub(crate) const fn latest(&self) -> Option<&Arc<CompiledRules>> {
        self.latest.as_ref()
    }

    pub(crate) fn current(&self) -> Option<&Arc<CompiledRules>> {
        let table = self.tables[(self.generation & 1) as usize].as_ref();
        table.filter(|_| self.generation != 0)
    }
}

/// What is made of QUIC.
#[derive(Clone, Debug, Default)]
pub struct QuicSettings {
    /// What connection IDs are read by; not at all where there is none.
    pub layouts: Option<Box<LayoutProgram>>,
}

impl Settings {
    /// Loads the programs for a purpose, with their maps as they are wanted.
    pub(crate) fn load(&self, purpose: &Purpose) -> Result<(Object, Collector), Error> {
        self.load_sized(purpose, self.maps)
    }

    /// The same with maps of other sizes.
    pub(crate) fn load_sized(
        &self,
        purpose: &Purpose,
        sizes: MapSizes,
    ) -> Result<(Object, Collector), Error> {
        let variant = Variant {
            filters: self.only.is_some(),
            sampling: self.sampling,
            layouts: self.quic.layouts.is_some(),
            heads_per_second: self.rules.heads_per_second,
        };
        let mut object = Object::load_variant(purpose, sizes, variant)?;
        let mut collector = Collector::new(&mut object)?;
        collector.set_ports(&self.ports)?;
        if let Some(only) = &self.only {
            collector.set_filter(&only.program)?;
        }
        if let Some(layouts) = &self.quic.layouts {
            collector.set_layouts(layouts)?;
        }
        self.put_rules(&mut collector)?;
        Ok((object, collector))
    }

    /// Puts the rules in force in maps that have none.
    pub(crate) fn put_rules(&self, collector: &mut Collector) -> Result<(), Error> {
        if let Some(rules) = self.rules.current() {
            collector.write_rules(rules, self.rules.generation)?;
            collector.enforce_rules(self.rules.generation);
        }
        Ok(())
    }

    /// How programs are to know an interface of this name.
    pub(crate) fn names(&self, interface: &str) -> InterfaceNames {
        let only = self.only.as_ref();
        let rules = self.rules.tables.each_ref();
        InterfaceNames {
            filter: only.map_or(0, |only| only.interface_names(interface)),
            rules: rules.map(|table| {
                let table = table.as_ref();
                table.map_or(0, |rules| rules.interface_number(interface))
            }),
        }
    }
}
