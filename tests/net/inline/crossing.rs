//! What crosses unharmed.

use std::{
    net::{SocketAddr, UdpSocket},
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use netweir_capture::Reader;
use netweir_packets::frame::{ethernet_to, vlan};
use netweir_tests::{Bump, Crossed, Feature, await_that, is_root, own_bpffs, stay_on};
use rustix::process::Signal;
use serde_json::Value;

use super::{bump, by_each_way, fetch, file, tap_all};

by_each_way!(
    jumbo_frames_cross,
    files_cross_in_the_kernel,
    files_cross_by_user_space,
    iperf_is_served,
    odd_frames_cross_in_the_kernel,
    odd_frames_cross_by_user_space,
    a_million_frames_are_accounted_for,
);

/// Bytes of a file that is fetched.
const FILE_BYTES: usize = 5_000_000;

/// Frames that cross one by one: each has another length.
const ODD: std::ops::Range<usize> = 60..110;

fn is_tapped_whole(line: &Crossed) {
    // ARP and IPv6's neighbour discovery are not in the rule, or the other way round.
    assert!(line.tapped > line.crossed, "{line:?}");
}

fn check_books(line: &Crossed) {
    line.check();
    assert_eq!((line.in_tap, line.dropped), (0, 0), "{line:?}");
}

/// Frames that are longer than one can be in user space cross in the kernel, though a rule taps them.
fn jumbo_frames_cross(way: &'static str) {
    if !is_root() || !Feature::XdpFrags.is_there() {
        return;
    }
    let _folder = own_bpffs();
    let bump = Bump::new(9000).by(way);
    tap_all(&bump);
    let child = bump.start(&[]);
    let came = fetch(&bump, 0, FILE_BYTES);
    assert!(came == file(FILE_BYTES), "{} bytes came", came.len());
    let ended = child.end(Signal::INT);
    let line = Crossed::of(&ended, "b1");
    check_books(&line);
    assert!(line.line.contains(" too_long"), "{line:?}");
}

/// Files by HTTP over IPv4 and IPv6, of which neighbours have to be found first.
fn files_cross(way: &'static str, is_tapped: bool) {
    let _folder = own_bpffs();
    let bump = Bump::new(1500).by(way);
    if is_tapped {
        tap_all(&bump);
    }
    let child = bump.start(&[]);
    let expected = file(FILE_BYTES);
    for version in [0, 1] {
        let came = fetch(&bump, version, FILE_BYTES);
        assert!(came == expected, "{} bytes came", came.len());
    }
    let ended = child.end(Signal::INT);
    let packets = (2 * FILE_BYTES / 1448) as u64;
    assert!(Crossed::of(&ended, "b1").came > packets, "{ended:#?}");
    for interface in ["b0", "b1"] {
        let line = Crossed::of(&ended, interface);
        check_books(&line);
        if is_tapped {
            is_tapped_whole(&line);
        } else {
            assert_eq!(line.tapped, 0, "{line:?}");
        }
    }
}

fn files_cross_in_the_kernel(way: &'static str) {
    if is_root() {
        files_cross(way, false);
    }
}

fn files_cross_by_user_space(way: &'static str) {
    if is_root() {
        files_cross(way, true);
    }
}

/// Behind the drivers of veths, which who asks for nothing gets, what senders leave to the device goes on with the
/// frame, as long as it may be long enough and nothing is tapped.
#[test]
fn far_ends_may_be_as_they_come() {
    let Some(bump) = bump(1500) else { return };
    let bump = bump.by("auto");
    for interface in ["b0", "b1"] {
        let set = ["link", "set", interface, "mtu", "65535"];
        bump.middle.text("ip", &set);
    }
    for side in [&bump.client, &bump.service] {
        let offloads = ["gro", "off", "tx", "on", "tso", "on", "txvlan", "on"];
        side.text(
            "ethtool",
            &[&["-K", side.interface][..], &offloads].concat(),
        );
    }
    let child = bump.start(&[]);
    child.await_log("generic XDP", 1);
    for version in [0, 1] {
        assert!(fetch(&bump, version, FILE_BYTES) == file(FILE_BYTES));
    }
    let ended = child.end(Signal::INT);
    for interface in ["b0", "b1"] {
        let line = Crossed::of(&ended, interface);
        check_books(&line);
        assert_eq!((line.lost, line.unconfirmed), (0, 0), "{line:?}");
    }
    // What was not cut into packets is one frame.
    let packets = (2 * FILE_BYTES / 1448) as u64;
    assert!(Crossed::of(&ended, "b1").came < packets, "{ended:#?}");
}

/// What iperf3 says of a run between the two.
fn iperf(bump: &Bump, arguments: &[&str]) -> Value {
    let mut server = bump
        .service
        .command("iperf3", &["--server", "--one-off"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let address = bump.service.addresses[0].to_string();
    let fixed = ["--client", &address, "--json"];
    let told = await_that(|| {
        let output = bump.client.run("iperf3", &[&fixed[..], arguments].concat());
        let told: Value = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
        // It does not listen yet.
        match &told["error"] {
            Value::Null => Ok(told),
            error => Err(error.to_string()),
        }
    });
    assert!(server.wait().unwrap().success());
    told
}

fn iperf_is_served(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    tap_all(&bump);
    let child = bump.start(&[]);
    for arguments in [&["--parallel", "4"][..], &["--reverse"]] {
        let told = iperf(&bump, &[&["--bytes", "30M"], arguments].concat());
        let received = &told["end"]["sum_received"]["bytes"];
        // It does not wait for the last of them.
        assert!(received.as_u64() > Some(10_000_000), "{told}");
    }
    // Slowly enough for a machine that does other things.
    let told = iperf(&bump, &["--udp", "--bitrate", "100M", "--bytes", "5M"]);
    let sum = &told["end"]["sum"];
    assert!(sum["packets"].as_u64() > Some(3000), "{sum}");
    let ended = child.end(Signal::INT);
    for interface in ["b0", "b1"] {
        let line = Crossed::of(&ended, interface);
        check_books(&line);
        is_tapped_whole(&line);
    }
}

/// Frames that no stack has made come out as they went in: with tags, of unknown kinds, and long ones.
fn odd_frames_cross(way: &'static str, is_tapped: bool) {
    let _folder = own_bpffs();
    let bump = Bump::new(3000).by(way);
    if is_tapped {
        // By its VLAN it is known whatever it is.
        bump.rule("tagged", &["--vlan", "7", "--action", "tap"]);
    }
    let child = bump.start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("came.pcapng");
    let frames: Vec<Vec<u8>> = ODD.chain([1514, 2900, 3014]).map(odd).collect();
    let count = frames.len().to_string();
    let mut dumpcap = listen(&bump, &["-w", place.to_str().unwrap(), "-c", &count]);
    bump.client.send(&frames);
    assert!(dumpcap.wait().unwrap().success());
    let mut source = Reader::open(&place).unwrap();
    let mut came = Vec::new();
    while let Some(frame) = source.next_frame().unwrap() {
        came.push(frame.bytes.to_vec());
    }
    assert_eq!(came, frames);
    let ended = child.end(Signal::INT);
    let line = Crossed::of(&ended, "b0");
    check_books(&line);
    let tapped = if is_tapped { frames.len() as u64 } else { 0 };
    assert_eq!(line.tapped, tapped, "{line:?}");
}

/// A frame of so many bytes with two tags, which no protocol knows.
fn odd(bytes: usize) -> Vec<u8> {
    let body = file(bytes - 22);
    let inner = vlan(9, 0x88b5, body);
    ethernet_to([1, 0, 0x5e, 1, 2, 3], 0x88a8, vlan(7, 0x8100, inner))
}

/// `dumpcap` at the service, once it listens: it says so.
fn listen(bump: &Bump, arguments: &[&str]) -> std::process::Child {
    let fixed = [
        "-i",
        "s0",
        "-f",
        "ether proto 0x88a8 or ether proto 0x88b5 or vlan",
        "-q",
    ];
    let mut command: Command = bump
        .service
        .command("dumpcap", &[&fixed[..], arguments].concat());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("File:") {
        line.clear();
        let read = std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        assert!(read > 0, "dumpcap has ended");
    }
    thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    child
}

fn odd_frames_cross_in_the_kernel(way: &'static str) {
    if is_root() {
        odd_frames_cross(way, false);
    }
}

fn odd_frames_cross_by_user_space(way: &'static str) {
    if is_root() {
        odd_frames_cross(way, true);
    }
}

/// Flows of the million, of which one is dropped and one goes by user space.
const FLOWS: [u16; 4] = [5000, 5001, 5002, 5003];
const DROPPED: usize = 1;
const TAPPED: usize = 2;
const EACH: u64 = 250_000;
/// Frames that may be on their way: fewer than any ring has room for.
const WINDOW: u64 = 96;

fn a_million_frames_are_accounted_for(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    bump.rule("lost", &["--destination-port", "5001", "--action", "drop"]);
    bump.rule("told", &["--destination-port", "5002", "--action", "tap"]);
    let child = bump.start(&[]);
    let come = AtomicU64::new(0);
    let come = &come;
    let ordered = thread::scope(|scope| {
        let flows = FLOWS.into_iter().enumerate().map(|(place, port)| {
            let at = SocketAddr::new(bump.service.addresses[0], port);
            let socket = bump.service.enter(|| UdpSocket::bind(at)).unwrap();
            scope.spawn(move || in_order(&socket, place, come))
        });
        let flows: Vec<_> = flows.collect();
        send_in_turn(&bump, come);
        let ordered = flows.into_iter().map(|flow| flow.join().unwrap());
        ordered.collect::<Vec<_>>()
    });
    let ended = child.end(Signal::INT);
    let line = Crossed::of(&ended, "b0");
    line.check();
    assert_eq!(
        (line.dropped, line.lost, line.in_tap),
        (EACH, 0, 0),
        "{line:?}"
    );
    assert_eq!(line.tapped + line.bypassed, EACH, "{line:?}");
    // Only one that a busy machine let cross in the kernel may have overtaken those in user space.
    let tapped = ordered[TAPPED] || line.bypassed > 0;
    assert!(ordered[0] && tapped && ordered[3], "{ordered:?} {line:?}");
    // All others have come.
    let arrived = line.crossed + line.tapped + line.unconfirmed.unsigned_abs();
    assert_eq!(arrived, line.came - EACH, "{line:?}");
    // Beside these there are questions for neighbours, and the like.
    let others = line.came - FLOWS.len() as u64 * EACH;
    assert!(others < 100, "{line:?}");
}

/// Takes the frames of a flow, and says whether they come in their order.
fn in_order(socket: &UdpSocket, place: usize, come: &AtomicU64) -> bool {
    let mut bytes = [0; 100];
    if place == DROPPED {
        socket.set_nonblocking(true).unwrap();
        while come.load(Ordering::Acquire) < 3 * EACH {
            assert!(socket.recv(&mut bytes).is_err(), "a rule drops it");
            thread::sleep(Duration::from_millis(20));
        }
        return true;
    }
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let (mut is_ordered, mut sum) = (true, 0);
    for expected in 0..EACH {
        assert_eq!(socket.recv(&mut bytes).unwrap(), 18);
        let number = u64::from_be_bytes(bytes[..8].try_into().unwrap());
        is_ordered &= number == expected;
        sum += number;
        come.fetch_add(1, Ordering::Release);
    }
    // Each of them once.
    assert_eq!(sum, EACH * (EACH - 1) / 2, "flow {place}");
    is_ordered
}

/// Sends to all flows in turn, never more than the window allows; by one CPU, for a veth hands frames that cross
/// in the kernel to the queue of the CPU that they come by.
fn send_in_turn(bump: &Bump, come: &AtomicU64) {
    stay_on(0).unwrap();
    let from = SocketAddr::new(bump.client.addresses[0], 4000);
    let socket = bump.client.enter(|| UdpSocket::bind(from)).unwrap();
    let mut bytes = [0; 18];
    for number in 0..EACH {
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        for port in FLOWS {
            let to = SocketAddr::new(bump.service.addresses[0], port);
            assert_eq!(socket.send_to(&bytes, to).unwrap(), 18);
        }
        let until = Instant::now() + Duration::from_secs(30);
        while 3 * (number + 1) - come.load(Ordering::Acquire) > WINDOW {
            assert!(Instant::now() < until, "frames are missing behind {number}");
            thread::yield_now();
        }
    }
}
