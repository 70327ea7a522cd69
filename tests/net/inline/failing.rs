//! What becomes of frames when the process that taps them ends, dies or stands still, and when an interface
//! goes away.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use netweir_tests::{Bump, Crossed, Netweir, Side, await_that, is_root, own_bpffs, tree};
use rustix::{
    mount::{MountFlags, mount},
    process::Signal,
};

use super::{bump, by_each_way, file, tap_all};

by_each_way!(
    who_is_killed_and_started_again_in_full_flow_loses_what_it_had,
    who_ends_loses_nothing,
    who_stands_still_is_passed_by,
    a_closed_bump_lets_nothing_by,
    a_full_disk_does_not_cut_the_wire,
    an_interface_that_goes_away_ends_it,
    all_is_as_before_when_it_is_detached,
);

/// Bytes that are sent again and again.
const BLOCK_BYTES: usize = 1 << 20;

/// Waits until so many bytes more have come.
fn await_bytes(came: &AtomicU64, more: u64) {
    let wanted = came.load(Ordering::Relaxed) + more;
    await_that(|| match came.load(Ordering::Relaxed) {
        bytes if bytes >= wanted => Ok(()),
        bytes => Err(format!("{bytes} of {wanted} bytes came")),
    });
}

/// Sends bytes over TCP meanwhile, and checks that each of them comes in its place.
fn while_sending<T>(bump: &Bump, act: impl FnOnce(&AtomicU64) -> T) -> T {
    let (come, is_over) = (&AtomicU64::new(0), &AtomicBool::new(false));
    let at = SocketAddr::new(bump.service.addresses[0], 8081);
    let listener = bump.service.enter(|| TcpListener::bind(at)).unwrap();
    let block = &file(BLOCK_BYTES);
    thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let (mut to, _) = listener.accept().unwrap();
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) {
                to.write_all(block).unwrap();
                sent += block.len() as u64;
            }
            to.shutdown(Shutdown::Write).unwrap();
            sent
        });
        let from = bump.client.enter(|| TcpStream::connect(at)).unwrap();
        let receiver = scope.spawn(move || receive(from, block, come));
        await_bytes(come, 1_000_000);
        let done = act(come);
        is_over.store(true, Ordering::Relaxed);
        receiver.join().unwrap();
        assert_eq!(come.load(Ordering::Relaxed), sender.join().unwrap());
        done
    })
}

/// Reads to the end what has to be this block again and again.
fn receive(mut from: TcpStream, block: &[u8], come: &AtomicU64) {
    let mut some = vec![0; 1 << 16];
    loop {
        let place = (come.load(Ordering::Relaxed) % block.len() as u64) as usize;
        let most = some.len().min(block.len() - place);
        let read = from.read(&mut some[..most]).unwrap();
        if read == 0 {
            return;
        }
        assert!(
            some[..read] == block[place..place + read],
            "it came changed"
        );
        come.fetch_add(read as u64, Ordering::Relaxed);
    }
}

/// Sends a datagram to a port of the service now and then until one comes, or not any in some time.
fn reaches(bump: &Bump, port: u16) -> bool {
    let at = SocketAddr::new(bump.service.addresses[0], port);
    let bind = |side: &Side, at| side.enter(|| UdpSocket::bind(at)).unwrap();
    let listener = bind(&bump.service, at);
    listener
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let sender = bind(&bump.client, SocketAddr::new(bump.client.addresses[0], 0));
    (0..20).any(|_| {
        sender.send_to(&[1; 20], at).unwrap();
        listener.recv(&mut [0; 40]).is_ok()
    })
}

fn who_is_killed_and_started_again_in_full_flow_loses_what_it_had(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    bump.rule(
        "never",
        &[
            "--destination-port",
            "7001",
            "--protocol",
            "udp",
            "--action",
            "drop",
        ],
    );
    tap_all(&bump);
    let child = bump.start(&[]);
    assert!(reaches(&bump, 7002) && !reaches(&bump, 7001));
    let ended = while_sending(&bump, |came| {
        assert!(child.end(Signal::KILL).was_killed());
        await_bytes(came, 5_000_000);
        let child = bump.start(&[]);
        await_bytes(came, 5_000_000);
        // And once more, at once.
        assert!(child.end(Signal::KILL).was_killed());
        let child = bump.start(&[]);
        await_bytes(came, 1_000_000);
        child.end(Signal::INT)
    });
    let line = Crossed::of(&ended, "b1");
    line.check();
    assert!(
        line.bypassed > 0 && line.line.contains(" no_socket"),
        "{line:?}"
    );
    // No more than the rings of both queues, twice.
    assert!(line.lost <= 4 * 1024, "{line:?}");
    // Without a process the kernel does it all, and drops what it is to drop.
    assert!(reaches(&bump, 7002) && !reaches(&bump, 7001));
    let ended = bump.start(&["--temporary"]).end(Signal::INT);
    let after = Crossed::of(&ended, "b0");
    after.check();
    assert!(after.dropped >= 40, "{after:?}");
    assert!(!reaches(&bump, 7002));
}

fn who_ends_loses_nothing(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    tap_all(&bump);
    let child = bump.start(&[]);
    let lines = while_sending(&bump, |came| {
        let mut child = child;
        let mut lines = Vec::new();
        for _ in 0..4 {
            let ended = child.end(Signal::TERM);
            lines.push(Crossed::of(&ended, "b0"));
            await_bytes(came, 2_000_000);
            child = bump.start(&[]);
            await_bytes(came, 2_000_000);
        }
        drop(child);
        lines
    });
    for line in lines {
        assert!(
            !line.line.contains("left_behind") && line.in_tap == 0,
            "{line:?}"
        );
        assert!(line.tapped > 0, "{line:?}");
    }
}

fn who_stands_still_is_passed_by(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    tap_all(&bump);
    let child = bump.start(&[]);
    while_sending(&bump, |came| {
        child.stop();
        await_bytes(came, 10_000_000);
        child.go_on();
        await_bytes(came, 10_000_000);
    });
    let ended = child.end(Signal::INT);
    for interface in ["b0", "b1"] {
        let line = Crossed::of(&ended, interface);
        line.check();
        assert!(
            line.bypassed > 0 && line.tapped > 0 && line.in_tap == 0,
            "{line:?}"
        );
        let told = ["stalled", "no_room"].map(|reason| line.line.contains(reason));
        assert!(told.contains(&true), "{line:?}");
    }
}

fn a_closed_bump_lets_nothing_by(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    bump.rule(
        "watched",
        &["--destination-port", "7001", "--action", "tap"],
    );
    let child = bump.start(&["--closed"]);
    assert!(reaches(&bump, 7001) && reaches(&bump, 7002));
    assert!(child.end(Signal::KILL).was_killed());
    assert!(!reaches(&bump, 7001) && reaches(&bump, 7002));
    assert_eq!(
        asked(&bump),
        [format!("closed {way}"), format!("closed {way}")]
    );
    let child = bump.start(&["--closed"]);
    assert!(reaches(&bump, 7001));
    let ended = child.end(Signal::INT);
    let line = Crossed::of(&ended, "b0");
    line.check();
    assert!(line.line.contains("20 withheld"), "{line:?}");
    assert!(!reaches(&bump, 7001));
    // Opened again, whoever has it or not.
    drop(bump.start(&[]).end(Signal::INT));
    assert!(reaches(&bump, 7001));
    assert_eq!(asked(&bump), [format!("open {way}"), format!("open {way}")]);
}

/// What `netweir status` says that both interfaces were asked for.
fn asked(bump: &Bump) -> Vec<String> {
    let words = ["status", "--output", "json"];
    let ended = Netweir::new(words).inside(&bump.middle).finish();
    let lines = ended.output.iter();
    let line = |line: &String| serde_json::from_str(line).unwrap();
    let rows: Vec<serde_json::Value> = lines.map(line).collect();
    let asked = rows.iter().map(|row| [&row["asked"], &row["xdp"]]);
    let asked = asked.map(|asked| asked.map(|word| word.as_str().unwrap()).join(" "));
    asked.collect()
}

/// Where the capture cannot go on, frames do.
fn a_full_disk_does_not_cut_the_wire(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    tap_all(&bump);
    let disk = tempfile::tempdir().unwrap();
    let size = Some(c"size=100k");
    mount("tmpfs", disk.path(), "tmpfs", MountFlags::empty(), size).unwrap();
    let file = disk.path().join("full.pcapng");
    let child = bump.start(&["-w", file.to_str().unwrap()]);
    while_sending(&bump, |come| await_bytes(come, 1_000_000));
    let ended = child.wait();
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    let last = ended.log.last().unwrap();
    assert!(
        last.contains("cannot write") && last.contains("No space left"),
        "{ended:#?}"
    );
    assert!(reaches(&bump, 7001));
    let line = Crossed::of(&bump.start(&[]).end(Signal::INT), "b0");
    line.check();
    assert!(!line.line.contains("left_behind"), "{line:?}");
}

fn an_interface_that_goes_away_ends_it(way: &'static str) {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    for gone in ["b0", "b1"] {
        let bump = Bump::new(1500).by(way);
        tap_all(&bump);
        let child = bump.start(&[]);
        assert!(reaches(&bump, 7001));
        bump.middle.text("ip", &["link", "delete", gone]);
        let ended = child.wait();
        assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
        let last = ended.log.last().unwrap();
        assert_eq!(
            last,
            &format!("netweir: {gone} is gone: nothing crosses any more")
        );
        assert_eq!(tree(folder.path()), [""; 0], "{ended:#?}");
    }
}

fn all_is_as_before_when_it_is_detached(way: &'static str) {
    if !is_root() {
        return;
    }
    let folder = own_bpffs();
    let bump = Bump::new(1500).by(way);
    let links = || {
        let text = bump.middle.text("ip", &["-o", "-details", "link"]);
        text.replace("state LOWERLAYERDOWN", "state UP")
    };
    let before = links();
    drop(bump.start(&[]).end(Signal::INT));
    let during = links();
    assert!(
        during.contains("netweir_inl") && during.contains("PROMISC"),
        "{during}"
    );
    let ended = Netweir::new(["detach", "--iface", "b0", "--iface", "b1"])
        .inside(&bump.middle)
        .finish();
    assert_eq!(ended.failure(), (Some(0), vec![]), "{ended:#?}");
    assert_eq!(links(), before);
    assert_eq!(tree(folder.path()), [""; 0]);
}
