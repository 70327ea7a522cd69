//! Readers that die: whatever one has not taken is handed over by the next, once.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write as _},
    os::fd::AsRawFd,
    process::{self, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use netweir_agent::{
    attach::{MapSizes, Object},
    collect::{Collector, Constants, Maps},
};
use netweir_flow::{Batch, Sample};
use netweir_tests::{Program, Rig, drain, is_root, udp_frame};
use netweir_wire::map::{Count, InterfaceCounters};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// Every tier is used in every epoch, and the last has room for all that comes without a reader.
const SIZES: MapSizes = MapSizes {
    cache: 1,
    flows: 8,
    ring: 1 << 24,
    quic: 0,
    interfaces: 4,
};
const PROGRAM: Program = Program::TC_INGRESS;
const FLOWS: u16 = 60;

/// So many flows in the map that to clear it takes as long as all else that a reader does: some are
/// killed there.
const MANY_FLOWS: u16 = 1500;
const SIZES_OF_MANY: MapSizes = MapSizes {
    flows: 1400,
    ..SIZES
};

/// Counts by source port, of whichever drains they came from.
type Sums = BTreeMap<u16, Count>;

fn add(sums: &mut Sums, samples: &[Sample]) {
    for Sample { key, counters, .. } in samples {
        let port = u16::from_be_bytes(key.source_port);
        *sums.entry(port).or_default() += counters.count();
    }
}

/// A rig whose program is loaded, and that counts at an interface which is known.
fn rig(sizes: MapSizes) -> Rig {
    let mut rig = Rig::new(7, sizes).unwrap();
    let interface = rig.interface(PROGRAM);
    rig.collector.add_interface(interface).unwrap();
    rig.run(PROGRAM, &udp_frame(0, 0)).unwrap();
    rig.drain().unwrap();
    rig
}

/// Sends one frame of each flow.
fn send(object: &mut Object, flows: u16, sent: &mut Sums) {
    for port in 0..flows {
        let frame = udp_frame(port, usize::from(port % 100));
        PROGRAM.run(object, &frame, 1).unwrap();
        *sent.entry(port).or_default() += Count {
            packets: 1,
            frames: 1,
            bytes: frame.len() as u64,
        };
    }
}

fn successor(of: &Collector) -> Collector {
    Collector::open(of.maps().try_clone().unwrap()).unwrap()
}

/// How far a reader comes.
#[derive(Clone, Copy, Debug)]
enum End {
    Begun,
    Read,
    Decided,
    Taken,
}

#[test]
fn a_successor_hands_over_what_was_not_taken() {
    if !is_root() {
        return;
    }
    for end in [End::Begun, End::Read, End::Decided, End::Taken] {
        for singly in [false, true] {
            let what = format!("{end:?}, singly: {singly}");
            let mut rig = rig(SIZES);
            let (mut sent, mut found) = (Sums::new(), Sums::new());
            for _ in 0..4 {
                send(&mut rig.object, FLOWS, &mut sent);
                if singly {
                    rig.collector.read_singly();
                }
                let last_words = live_until(end, &mut rig, &mut sent);
                add(&mut found, &last_words);
                rig.collector = successor(&rig.collector);
                send(&mut rig.object, FLOWS, &mut sent);
                add(&mut found, &rig.drain().unwrap().flows);
            }
            finish(&mut rig.collector, &mut found);
            assert_eq!(found, sent, "{what}");
        }
    }
}

/// Lets the reader come so far, with traffic between its steps; returns what it took for good.
fn live_until(end: End, rig: &mut Rig, sent: &mut Sums) -> Vec<Sample> {
    let mut samples = Vec::new();
    rig.collector.begin(&mut Batch::default()).unwrap();
    send(&mut rig.object, FLOWS, sent);
    if matches!(end, End::Begun) {
        return samples;
    }
    let read = rig
        .collector
        .read_flows(&mut |piece| samples.extend_from_slice(piece));
    read.unwrap();
    send(&mut rig.object, FLOWS, sent);
    match end {
        End::Begun | End::Read => return Vec::new(),
        End::Decided => rig.collector.decide().unwrap(),
        End::Taken => rig.collector.take().unwrap(),
    }
    send(&mut rig.object, FLOWS, sent);
    samples
}

/// Drains until nothing is left, and compares with what the interface has to show.
fn finish(collector: &mut Collector, found: &mut Sums) {
    let mut shown = InterfaceCounters::ZERO;
    for _ in 0..3 {
        let batch = drain(collector).unwrap();
        add(found, &batch.flows);
        shown = batch.interfaces[0].counters;
    }
    assert_eq!(drain(collector).unwrap().flows, []);
    let mut counted = found.values().fold(Count::ZERO, |sum, &count| sum + count);
    // The frame that loaded the program.
    counted += Count {
        packets: 1,
        frames: 1,
        bytes: udp_frame(0, 0).len() as u64,
    };
    assert_eq!((shown.seen, shown.counted), (counted, counted));
}

/// How often a reader is killed.
const LIVES: u64 = 60;
/// In the environment of a reader: whose maps it reads, and which they are.
const MAPS: &str = "NETWEIR_TEST_MAPS";
const REPORT: &str = "report";

#[test]
fn what_a_killed_reader_has_not_taken_is_not_lost() {
    if !is_root() {
        return;
    }
    let mut rig = rig(SIZES_OF_MANY);
    let (mut sent, mut found) = (Sums::new(), Sums::new());
    let mut unfinished = 0;
    for life in 0..LIVES {
        let object = &mut rig.object;
        let reports = live(object, &mut sent, &rig.collector, life);
        let taken = rig.collector.taken_epochs();
        for (epoch, report) in reports {
            if epoch >= taken {
                // The next one reports it again.
                unfinished += 1;
                continue;
            }
            for (port, count) in report {
                *found.entry(port).or_default() += count;
            }
        }
    }
    println!("{LIVES} killed, {unfinished} of them between report and take");
    let mut last = successor(&rig.collector);
    finish(&mut last, &mut found);
    assert_eq!(found, sent);
}

/// Starts a reader, and kills it at some moment while frames come; returns the last report of each
/// epoch.
fn live(object: &mut Object, sent: &mut Sums, maps: &Collector, life: u64) -> BTreeMap<u32, Sums> {
    // There is much to take at once.
    send(object, MANY_FLOWS, sent);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "death::reader_to_be_killed", "--nocapture"])
        .env(MAPS, inheritance(maps.maps()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let is_over = AtomicBool::new(false);
    let mut text = String::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                send(object, MANY_FLOWS, sent);
            }
        });
        let wanted = 1 + life % 2;
        while (text.matches(REPORT).count() as u64) < wanted {
            assert_ne!(output.read_line(&mut text).unwrap(), 0, "{text}");
        }
        // From nothing to about as long as a drain takes.
        for turn in 0..(life * 7919 % 100) * 2000 {
            std::hint::black_box(turn);
        }
        child.kill().unwrap();
        is_over.store(true, Ordering::Relaxed);
    });
    child.wait().unwrap();
    output.read_to_string(&mut text).unwrap();
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    whole.filter_map(parse).collect()
}

/// What a reader has to be told.
fn inheritance(maps: &Maps) -> String {
    let Constants {
        cache_flows,
        cache_cpus,
        ring_bytes,
        quic_bytes,
        heads_bytes,
        tick_ns,
    } = maps.constants();
    let pid = process::id();
    let mut text = format!(
        "{pid} {cache_flows} {cache_cpus} {ring_bytes} {quic_bytes} {heads_bytes} {tick_ns}"
    );
    for (name, descriptor) in maps.descriptors() {
        write!(text, " {name}={}", descriptor.as_raw_fd()).unwrap();
    }
    text
}

/// The maps of the process that says so.
fn inherit(text: &str) -> Maps {
    let mut words = text.split(' ');
    let mut number = || words.next().unwrap().parse::<u64>().unwrap();
    let pid = Pid::from_raw(number() as i32).unwrap();
    let constants = Constants {
        cache_flows: number() as u32,
        cache_cpus: number() as u32,
        ring_bytes: number() as u32,
        quic_bytes: number() as u32,
        heads_bytes: number() as u32,
        tick_ns: number(),
    };
    let descriptors: BTreeMap<&str, i32> = words
        .map(|word| word.split_once('=').unwrap())
        .map(|(name, number)| (name, number.parse().unwrap()))
        .collect();
    let parent = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let get = |name| pidfd_getfd(&parent, descriptors[name], PidfdGetfdFlags::empty());
    Maps::open(constants, |name| Ok(get(name).unwrap())).unwrap()
}

/// A report: its epoch, and of each flow port, packets and bytes.
fn parse(line: &str) -> Option<(u32, Sums)> {
    // The test's own name stands in front of the first.
    let (_, report) = line.split_once(REPORT)?;
    let mut words = report.split_whitespace();
    let epoch = words.next()?.parse().ok()?;
    let flow = |word: &str| {
        let numbers: Vec<u64> = word
            .split(':')
            .map(|number| number.parse().unwrap())
            .collect();
        let count = Count {
            packets: numbers[1],
            frames: numbers[1],
            bytes: numbers[2],
        };
        (numbers[0] as u16, count)
    };
    Some((epoch, words.map(flow).collect()))
}

/// No test by itself: what [`what_a_killed_reader_has_not_taken_is_not_lost`] starts and kills. It
/// ends with whoever reads its reports.
#[test]
fn reader_to_be_killed() {
    let Ok(text) = std::env::var(MAPS) else {
        return;
    };
    let mut collector = Collector::open(inherit(&text)).unwrap();
    loop {
        let epoch = collector.taken_epochs();
        let mut sums = Sums::new();
        collector.begin(&mut Batch::default()).unwrap();
        collector
            .read_flows(&mut |piece| add(&mut sums, piece))
            .unwrap();
        let mut report = format!("{REPORT} {epoch}");
        for (port, count) in sums {
            assert_eq!(count.packets, count.frames);
            write!(report, " {port}:{}:{}", count.packets, count.bytes).unwrap();
        }
        report.push('\n');
        // Before it is taken: a report counts if its epoch then was.
        std::io::stdout().write_all(report.as_bytes()).unwrap();
        collector.take().unwrap();
    }
}
