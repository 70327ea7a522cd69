//! What stands in pinned maps, entry by entry. Nothing is changed by looking, and counting goes on: what
//! is counted meanwhile may be there or not.

use netweir_wire::{
    map::{
        About, CacheEntry, CacheState, Carried, CarriedSums, Epoch, FilterProgram, FlowKey,
        FlowValue, HeadCounters, InterfaceCounters, InterfaceKey, InterfacePlace, LayoutProgram,
        LayoutRow, NearInterface, Phase, Pod, QuicBackendKey, QuicCounters, RuleRow, Volume,
    },
    name, version,
};

use super::Pins;
use crate::{
    Cpus, Error,
    collect::{Cache, RawMap, Ring},
    error::Doing,
    memory::split_value,
};

/// An entry of a map. What is all zero in an array is no entry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The map.
    pub map: &'static str,
    /// Its place in an array.
    pub place: Option<u32>,
    /// The CPU that it belongs to.
    pub cpu: Option<u32>,
    /// What it is.
    pub content: Content,
}

/// What an entry is.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "each is called as its type")]
#[expect(clippy::large_enum_variant, reason = "there is one of them at a time")]
pub enum Content {
    About(About),
    Backend(QuicBackendKey, Volume),
    CacheState(CacheState),
    Carried(Carried),
    CarriedSums(CarriedSums),
    Counters(InterfaceCounters),
    Epoch(Epoch),
    Filter(FilterProgram),
    Flow(FlowKey, FlowValue),
    HeadCounters(HeadCounters),
    Interface(InterfaceKey, InterfacePlace),
    Layout(LayoutRow),
    Near(NearInterface),
    /// The classes of the port with the number of the place, as bits.
    Port(u8),
    QuicCounters(QuicCounters),
    /// One in how many frames the rule with the number of the place samples.
    Rate(u32),
    /// A ring buffer: bytes, and how many of them nobody has read.
    Ring(u32, u64),
    /// A queue, of which nothing can be read without taking it: so many entries find room.
    Queue(u32),
    /// A row of one of the two tables of rules.
    RuleRow(u32, RuleRow),
    Volume(Volume),
}

/// Hands over every entry of a pinned map.
///
/// # Errors
/// It is not pinned, cannot be read, or is of another ABI; then only what is said of the pins can be.
pub fn dump(pins: &Pins, map: &'static str, hand_over: &mut dyn FnMut(Entry)) -> Result<(), Error> {
    let about = pins.about()?;
    let is_readable = about.abi == version::ABI && about.phase != Phase::Making as u32;
    if !is_readable && map != name::ABOUT {
        return Err(Error::UnknownPins {
            interface: pins.interface().to_owned(),
            abi: about.abi,
            wanted: version::ABI,
        });
    }
    let dump = Dump {
        pins,
        about: &about,
        map,
    };
    dump.read(hand_over)
}

struct Dump<'a> {
    pins: &'a Pins,
    about: &'a About,
    map: &'static str,
}

impl Dump<'_> {
    fn read(&self, to: &mut dyn FnMut(Entry)) -> Result<(), Error> {
        match self.map {
            name::ABOUT => self.tell(to, Content::About(*self.about)),
            name::EPOCH => self.array(to, Content::Epoch),
            name::CACHE => self.cache(to),
            name::CACHE_STATE => self.per_cpu(to, Content::CacheState),
            name::FLOWS_EVEN | name::FLOWS_ODD | name::MOVED => self.hash(to, Content::Flow),
            name::INTERFACES => self.hash(to, Content::Interface),
            name::BACKENDS_EVEN | name::BACKENDS_ODD | name::MOVED_BACKENDS => {
                self.hash(to, Content::Backend)
            }
            name::NEAR => self.array(to, Content::Near),
            name::COUNTERS => self.per_cpu(to, Content::Counters),
            name::STRAY => self.per_cpu(to, Content::Volume),
            name::QUIC_COUNTERS => self.per_cpu(to, Content::QuicCounters),
            name::HEAD_COUNTERS => self.per_cpu(to, Content::HeadCounters),
            name::CARRIED => self.array(to, Content::Carried),
            name::CARRIED_SUMS => self.array(to, Content::CarriedSums),
            name::RULE_RATES => self.rates(to),
            name::FILTER if self.about.filters != 0 => self.array(to, Content::Filter),
            name::LAYOUT if self.about.layouts != 0 => self.layouts(to),
            name::PORTS => self.ports(to),
            name::RULES => self.rules(to),
            name::OVERFLOW => self.ring(to, self.about.ring_bytes),
            name::QUIC_EVENTS => self.ring(to, self.about.quic_bytes),
            name::HEADS => self.ring(to, self.about.heads_bytes),
            name::FREE_COUNTERS => {
                let entries = self.raw()?.entries();
                self.tell(to, Content::Queue(entries))
            }
            _ => Ok(()),
        }
    }

    fn raw(&self) -> Result<RawMap, Error> {
        self.pins.raw(self.map)
    }

    fn entry(&self, content: Content) -> Entry {
        Entry {
            map: self.map,
            place: None,
            cpu: None,
            content,
        }
    }

    fn tell(&self, to: &mut dyn FnMut(Entry), content: Content) -> Result<(), Error> {
        to(self.entry(content));
        Ok(())
    }

    /// The values of an array that are not zero, each with its place.
    fn values(&self, mut with: impl FnMut(u32, &[u8])) -> Result<(), Error> {
        let map = self.raw()?;
        for place in 0..map.entries() {
            let value = map.get(&place.to_ne_bytes()).doing("read a kernel map")?;
            if let Some(value) = value.filter(|value| value.iter().any(|byte| *byte != 0)) {
                with(place, &value);
            }
        }
        Ok(())
    }

    fn array<T: Pod>(
        &self,
        to: &mut dyn FnMut(Entry),
        content: fn(T) -> Content,
    ) -> Result<(), Error> {
        self.values(|place, bytes| {
            if let Some((value, [])) = split_value(bytes) {
                to(Entry {
                    place: Some(place),
                    ..self.entry(content(value))
                });
            }
        })
    }

    fn per_cpu<T: Pod>(
        &self,
        to: &mut dyn FnMut(Entry),
        content: fn(T) -> Content,
    ) -> Result<(), Error> {
        let cpus = Cpus::of_machine()?;
        let bytes_of_cpu = self.raw()?.cpu_bytes();
        self.values(|place, bytes| {
            for (cpu, bytes) in cpus.possible().iter().zip(bytes.chunks(bytes_of_cpu)) {
                let value = split_value(bytes).filter(|_| bytes.iter().any(|byte| *byte != 0));
                if let Some((value, _)) = value {
                    to(Entry {
                        place: Some(place),
                        cpu: Some(*cpu),
                        ..self.entry(content(value))
                    });
                }
            }
        })
    }

    fn hash<K: Pod, V: Pod>(
        &self,
        to: &mut dyn FnMut(Entry),
        content: fn(K, V) -> Content,
    ) -> Result<(), Error> {
        let map = self.raw()?;
        let mut last: Option<Vec<u8>> = None;
        // One that is removed meanwhile lets the kernel begin anew: no longer than all would take.
        for _ in 0..map.entries() {
            let next = map.next_key(last.as_deref()).doing("read a kernel map")?;
            let Some(key) = next else { break };
            let value = map.get(&key).doing("read a kernel map")?;
            if let (Some((known, [])), Some((value, []))) = (
                split_value(&key),
                value.as_deref().and_then(|bytes| split_value(bytes)),
            ) {
                to(self.entry(content(known, value)));
            }
            last = Some(key);
        }
        Ok(())
    }

    /// What nobody has taken of the lists of all CPUs.
    fn cache(&self, to: &mut dyn FnMut(Entry)) -> Result<(), Error> {
        let epoch: Epoch = self.pins.first_as(name::EPOCH)?;
        let maps = (
            self.pins.open(name::CACHE)?,
            self.pins.open(name::CACHE_STATE)?,
        );
        let sizes = (self.about.cache_flows, self.about.cache_cpus);
        let mut cache = Cache::open(maps, sizes)?;
        let waiting = epoch
            .current
            .wrapping_sub((epoch.taken >> 32) as u32)
            .min(1);
        for epoch in (0..=waiting)
            .rev()
            .map(|back| epoch.current.wrapping_sub(back))
        {
            cache.read(epoch, &mut |entry: &CacheEntry| {
                to(self.entry(Content::Flow(entry.key, entry.value)));
            })?;
        }
        Ok(())
    }

    fn rates(&self, to: &mut dyn FnMut(Entry)) -> Result<(), Error> {
        self.values(|place, bytes| {
            if let Some(rate) = bytes.first_chunk() {
                to(Entry {
                    place: Some(place),
                    ..self.entry(Content::Rate(u32::from_ne_bytes(*rate)))
                });
            }
        })
    }

    fn layouts(&self, to: &mut dyn FnMut(Entry)) -> Result<(), Error> {
        let program: LayoutProgram = self.pins.first_as(name::LAYOUT)?;
        let rows = program.rows.iter().take(program.count as usize);
        for (place, row) in (0..).zip(rows) {
            to(Entry {
                place: Some(place),
                ..self.entry(Content::Layout(*row))
            });
        }
        Ok(())
    }

    fn ports(&self, to: &mut dyn FnMut(Entry)) -> Result<(), Error> {
        self.values(|_, bytes| {
            let known = (0..).zip(bytes).filter(|(_, bits)| **bits != 0);
            for (port, bits) in known {
                to(Entry {
                    place: Some(port),
                    ..self.entry(Content::Port(*bits))
                });
            }
        })
    }

    /// The rows of both tables; how trees find them is left out.
    fn rules(&self, to: &mut dyn FnMut(Entry)) -> Result<(), Error> {
        const ROWS: usize = std::mem::offset_of!(netweir_wire::map::RuleTable, rows);
        self.values(|table, bytes| {
            let rows = bytes.get(ROWS..).unwrap_or_default();
            let rows = (0..).zip(rows.chunks_exact(size_of::<RuleRow>()));
            for (place, row) in rows {
                if let Some((row, [])) = split_value::<RuleRow>(row)
                    && row.mark != 0
                {
                    to(Entry {
                        place: Some(place),
                        ..self.entry(Content::RuleRow(table, row))
                    });
                }
            }
        })
    }

    fn ring(&self, to: &mut dyn FnMut(Entry), bytes: u32) -> Result<(), Error> {
        if bytes == 0 {
            return Ok(());
        }
        let unread = Ring::unread(self.pins.open(self.map)?)?;
        self.tell(to, Content::Ring(bytes, unread))
    }
}
