//! CPUs that come and go: what they counted is handed over, wherever they are by then.
//!
//! A CPU goes offline only in a guest of `cargo xtask kernels`. Anywhere else, programs run on CPUs
//! that the agent has been told something else of.

use std::{
    collections::BTreeMap,
    ptr::null_mut,
    slice,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};

use netweir_agent::{Cpus, attach::MapSizes, collect::Collector};
use netweir_flow::Batch;
use netweir_tests::{
    Offline, Program, Rig, drain, is_guest_or_skip, is_root, pretend_cpus, stay_on, udp_frame,
};
use netweir_wire::{
    map::{CacheEntry, Count, Volume},
    name,
};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// There is room in the cache and nowhere else: what is not in a list is lost, and counted as such.
const CACHE_ONLY: MapSizes = MapSizes {
    cache: 4096,
    flows: 1,
    ring: 0,
    quic: 0,
    interfaces: 4,
};
const PROGRAM: Program = Program::TC_INGRESS;
/// Frames that a run sends.
const FRAMES: u32 = 10;
/// The one that goes: the first often cannot.
const CPU: u32 = 1;

/// What was sent and what was handed over, by source port.
#[derive(Default)]
struct Books {
    sent: BTreeMap<u16, Count>,
    found: BTreeMap<u16, Count>,
}

impl Books {
    /// Sends frames of these flows from a CPU.
    fn send(&mut self, cpu: u32, rig: &mut Rig, ports: std::ops::Range<u16>) {
        stay_on(cpu).unwrap();
        for port in ports {
            let frame = udp_frame(port, usize::from(port));
            PROGRAM.run(&mut rig.object, &frame, FRAMES).unwrap();
            *self.sent.entry(port).or_default() += count(FRAMES, frame.len());
        }
    }

    fn find(&mut self, batch: &Batch) {
        for flow in &batch.flows {
            let port = u16::from_be_bytes(flow.key.source_port);
            *self.found.entry(port).or_default() += flow.counters.count();
        }
    }

    /// Drains; now everything that was sent has been handed over, and the interface has it too.
    fn check(&mut self, collector: &mut Collector, what: &str) {
        let batch = drain(collector).unwrap();
        self.find(&batch);
        assert_eq!(self.found, self.sent, "{what}");
        let counters = batch.interfaces[0].counters;
        let total = self.sent.values().fold(Count::ZERO, |sum, &one| sum + one);
        assert_eq!((counters.seen, counters.counted), (total, total), "{what}");
        assert_eq!(counters.lost_total(), Volume::ZERO, "{what}");
    }
}

fn count(frames: u32, bytes: usize) -> Count {
    Count {
        packets: frames.into(),
        frames: frames.into(),
        bytes: u64::from(frames) * bytes as u64,
    }
}

#[test]
fn what_a_cpu_counted_before_it_went_offline_is_handed_over() {
    if !is_root() || !is_guest_or_skip() {
        return;
    }
    println!("{:?}", Cpus::of_machine().unwrap());
    let mut rig = Rig::watching(7, CACHE_ONLY).unwrap();
    let mut books = Books::default();
    for round in 0..6 {
        books.send(CPU, &mut rig, 0..20);
        books.send(0, &mut rig, 10..30);
        let offline = Offline::new(CPU).unwrap();
        assert!(stay_on(CPU).is_err(), "it is offline");
        books.check(&mut rig.collector, "offline, counted before");
        // Its lists are taken once, however often its side comes round; and it comes back to both.
        for _ in 0..round % 3 {
            books.send(0, &mut rig, 10..30);
            books.check(&mut rig.collector, "offline, counted elsewhere");
        }
        drop(offline);
        books.send(CPU, &mut rig, 15..35);
        drop(Offline::new(CPU).unwrap());
        books.send(CPU, &mut rig, 25..40);
        books.check(
            &mut rig.collector,
            "online again, having been away within an epoch",
        );
    }
    assert_eq!(rig.drain().unwrap().flows, []);
}

#[test]
fn counts_are_exact_while_a_cpu_comes_and_goes() {
    if !is_root() || !is_guest_or_skip() {
        return;
    }
    let mut rig = Rig::watching(7, CACHE_ONLY).unwrap();
    let mut books = Books::default();
    let (is_over, visits) = (AtomicBool::new(false), AtomicU32::new(0));
    let (object, collector) = (&mut rig.object, &mut rig.collector);
    thread::scope(|scope| {
        let runs = scope.spawn(|| {
            let mut sent = BTreeMap::new();
            for turn in 0_u32.. {
                // Refused while it is offline; and when it goes, who is there is moved.
                let visits_it = stay_on(turn % 2).is_ok() && turn % 2 == CPU;
                let port = (turn % 100) as u16;
                let frame = udp_frame(port, 0);
                PROGRAM.run(object, &frame, FRAMES).unwrap();
                *sent.entry(port).or_default() += count(FRAMES, frame.len());
                visits.fetch_add(visits_it.into(), Ordering::Relaxed);
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
            sent
        });
        for _ in 0..8 {
            let before = visits.load(Ordering::Relaxed);
            while visits.load(Ordering::Relaxed) < before + 3 && !runs.is_finished() {
                books.find(&drain(collector).unwrap());
            }
            let offline = Offline::new(CPU).unwrap();
            books.find(&drain(collector).unwrap());
            books.find(&drain(collector).unwrap());
            drop(offline);
        }
        is_over.store(true, Ordering::Relaxed);
        books.sent = runs.join().unwrap();
    });
    books.check(&mut rig.collector, "after the last absence");
}

/// The kernel has as many values of each per-CPU map as there could be CPUs, without gaps; programs
/// know a CPU by its number.
#[test]
fn lists_are_those_of_cpus_whose_numbers_have_gaps() {
    if !is_root() {
        return;
    }
    let number = Cpus::of_machine().unwrap().possible().len();
    if number < 2 {
        println!("skipped: there is one CPU, whose number is 0");
        return;
    }
    let test = thread::spawn(move || {
        // All but the first are called by the next number.
        pretend_cpus(&format!("0,2-{number}"), &format!("0-{number}")).unwrap();
        let mut rig = Rig::watching(7, CACHE_ONLY).unwrap();
        let mut books = Books::default();
        for _ in 0..2 {
            books.send(CPU, &mut rig, 0..20);
            books.send(0, &mut rig, 10..30);
            renumber(&rig.collector);
            books.check(&mut rig.collector, "numbers with a gap");
        }
    });
    test.join().unwrap();
}

/// Moves what programs have put into the lists of [`CPU`] to those of the next number.
fn renumber(collector: &Collector) {
    const ENTRY: usize = size_of::<CacheEntry>();
    let mut maps = collector.maps().descriptors();
    let (_, cache) = maps.find(|(of, _)| *of == name::CACHE).unwrap();
    let both = 2 * collector.maps().constants().cache_flows as usize * ENTRY;
    // Places are counted from 1.
    let from = CPU as usize * both + ENTRY;
    let bytes = from + 2 * both;
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let start = unsafe { mmap(null_mut(), bytes, access, MapFlags::SHARED, cache, 0) }.unwrap();
    // SAFETY: it is as long as that, and no program runs meanwhile.
    let entries = unsafe { slice::from_raw_parts_mut(start.cast::<u8>(), bytes) };
    entries.copy_within(from..from + both, from + both);
    entries[from..from + both].fill(0);
    // SAFETY: nothing refers to it any more.
    unsafe { munmap(start, bytes) }.unwrap();
}

/// A CPU that is plugged in after the start has no list.
#[test]
fn a_cpu_without_a_list_counts_in_the_flow_map() {
    if !is_root() {
        return;
    }
    let number = Cpus::of_machine().unwrap().possible().len();
    if number < 2 {
        println!("skipped: there is one CPU, which has a list");
        return;
    }
    const FLOWS: u16 = 30;
    let sizes = MapSizes {
        flows: FLOWS.into(),
        ..CACHE_ONLY
    };
    let test = thread::spawn(move || {
        pretend_cpus(&format!("0-{}", number - 1), "0").unwrap();
        let cpus = Cpus::of_machine().unwrap();
        assert_eq!(sizes.cache_flows(&cpus), sizes.cache, "all is one CPU's");
        let mut rig = Rig::watching(7, sizes).unwrap();
        let mut books = Books::default();
        for _ in 0..3 {
            books.send(CPU, &mut rig, 0..FLOWS);
            books.send(0, &mut rig, 0..FLOWS);
            books.check(&mut rig.collector, "one list for two CPUs");
        }
    });
    test.join().unwrap();
}
