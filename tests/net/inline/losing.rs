//! Each way in which a frame can be lost, and what is not recorded.

use std::{
    fs::{self, File},
    io::{self, Read},
    net::{SocketAddr, UdpSocket},
    os::unix::fs::OpenOptionsExt,
    process::{self, Command},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use netweir_tests::{
    Bump, Crossed, Load, Netweir, Pinned, PinnedSlots, Sender, Server, await_that,
};
use rustix::{
    fs::OFlags,
    ioctl::{Setter, ioctl},
    process::Signal,
    thread::{CpuSet, sched_getaffinity},
};
use serde_json::Value;

use super::{bump, by_each_way};

by_each_way!(
    what_the_other_interface_does_not_take_is_counted,
    what_the_kernel_does_not_hand_on_is_counted,
    what_user_space_cannot_hand_on_is_counted,
    what_waits_for_an_interface_goes_or_is_counted,
    what_has_no_way_any_more_is_counted,
    what_a_dead_process_had_is_counted,
    what_is_not_recorded_is_counted,
    what_a_socket_has_no_room_for_is_counted,
    who_was_passed_by_is_passed_by_until_half_is_free,
    who_ends_in_a_flood_has_nothing_left,
);

/// Datagrams that are sent.
const SOME: u64 = 30;
const PORT: u16 = 7001;
/// The queues of an interface.
const QUEUES: [usize; 2] = [0, 1];
/// As fast as it goes.
const FLOOD: Load = Load {
    packets: u64::MAX,
    per_second: None,
    at_most: Duration::from_millis(100),
};

fn tapped(bump: &Bump) {
    bump.rule("told", &["--destination-port", "7001", "--action", "tap"]);
}

/// Sends datagrams of so many bytes to the service.
fn send(bump: &Bump, bytes: usize) {
    send_by(&client(bump), bump, (SOME, bytes));
}

/// A socket of the client, which knows for good where the service is, and so needs no asking.
fn client(bump: &Bump) -> UdpSocket {
    let (service, client) = (bump.service.addresses[0], bump.client.addresses[0]);
    let to = service.to_string();
    let mac = ["lladdr", "02:00:00:00:00:02", "nud", "permanent"];
    let fixed = ["neighbour", "replace", &to, "dev", "c0"];
    bump.client.text("ip", &[&fixed[..], &mac].concat());
    let socket = bump
        .client
        .enter(|| UdpSocket::bind(SocketAddr::new(client, 0)));
    socket.unwrap()
}

/// Sends so many of so many bytes by one socket, and so by one queue.
fn send_by(socket: &UdpSocket, bump: &Bump, (datagrams, bytes): (u64, usize)) {
    for _ in 0..datagrams {
        let to = SocketAddr::new(bump.service.addresses[0], PORT);
        assert_eq!(socket.send_to(&vec![1; bytes], to).unwrap(), bytes);
    }
}

/// What the API tells of the frames that came by `b0`, once it is as wanted.
fn await_line(server: &Server, is_wanted: impl Fn(&Value) -> bool) -> Value {
    await_that(|| {
        let told = server.get("/api/accounting");
        let line = &told["inline"][0];
        // Before the first drain there is none.
        assert!(line.is_null() || line["interface"] == "b0", "{told}");
        match is_wanted(line) {
            true => Ok(line.clone()),
            false => Err(line.to_string()),
        }
    })
}

/// The same once so many are lost for that reason; IPv6 may have sent something of its own.
fn await_lost(server: &Server, reason: &str) -> Value {
    await_line(server, |line| {
        let lost = line["lost_by_reason"][reason].as_u64();
        lost.is_some_and(|lost| (SOME..SOME + 20).contains(&lost))
    })
}

/// Every frame is known of.
fn check(line: &Value) {
    assert_eq!(line["unconfirmed"], 0, "{line}");
}

fn what_the_other_interface_does_not_take_is_counted(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    let server = bump.serve(&[]);
    bump.service.text("ip", &["link", "set", "s0", "down"]);
    send(&bump, 20);
    check(&await_lost(&server, "unsent"));
    // The one that is down itself is not even asked.
    bump.service.text("ip", &["link", "set", "s0", "up"]);
    bump.middle.text("ip", &["link", "set", "b1", "down"]);
    send(&bump, 20);
    check(&await_lost(&server, "refused"));
    drop(server.child.end(Signal::INT));
}

fn what_the_kernel_does_not_hand_on_is_counted(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    let server = bump.serve(&[]);
    bump.middle
        .text("ip", &["link", "set", "b1", "mtu", "1000"]);
    send(&bump, 1400);
    check(&await_lost(&server, "refused"));
    server.child.await_log("longer than its MTU", 1);
    drop(server.child.end(Signal::INT));
}

/// A TAP device drops what it has no room for when nobody reads from it. Behind the driver it alone tells of that.
#[test]
fn what_waits_for_nobody_is_counted() {
    let Some(bump) = bump(1500) else { return };
    let mut request = [0_u8; 40];
    request[..2].copy_from_slice(b"t1");
    // `IFF_TAP | IFF_NO_PI` of `linux/if_tun.h`.
    request[16..18].copy_from_slice(&0x1002_u16.to_ne_bytes());
    let open = || {
        let mut options = File::options();
        options.read(true).write(true);
        options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let tap = options.open("/dev/net/tun")?;
        // SAFETY: `TUNSETIFF` reads a `struct ifreq`.
        unsafe { ioctl(&tap, Setter::<0x4004_54ca, [u8; 40]>::new(request))? };
        Ok(tap)
    };
    let tap: io::Result<File> = bump.middle.enter(open);
    let mut tap = tap.unwrap();
    for set in [&["t1", "up"][..], &["t1", "txqueuelen", "100"]] {
        bump.middle.text("ip", &[&["link", "set"], set].concat());
    }
    bump.middle.text("ethtool", &["-K", "t1", "gro", "off"]);
    let words = ["inline", "--from", "b0", "--to", "t1", "--port", "0"];
    let server = Server::of(Netweir::new(words).rules(bump.rules()).netns(&bump.middle));
    server.child.await_log("generic XDP", 1);
    send_by(&client(&bump), &bump, (1000, 20));
    let line = await_line(&server, |line| line["seen"].as_u64() >= Some(1000));
    let number = |name: &str| line[name].as_u64().unwrap();
    let unsent = line["lost_by_reason"]["unsent"].as_u64().unwrap();
    assert!(unsent > 0 && number("crossed") > 0, "{line}");
    assert_eq!(number("crossed") + unsent, number("seen"), "{line}");
    check(&line);
    // What is there has crossed, but for what is not IPv4.
    let mut frame = [0; 2000];
    let mut come = 0;
    while let Ok(bytes) = tap.read(&mut frame) {
        come += u64::from(frame[..bytes][12..14] == [8, 0]);
    }
    assert!(number("crossed").abs_diff(come) < 10, "{come} of {line}");
    drop(server.child.end(Signal::INT));
}

/// A program that keeps a CPU from all others that are not as urgent, for two seconds at most.
struct Busy(process::Child);

impl Busy {
    fn on(cpu: &str) -> Self {
        let spin = "ulimit -t 2; while :; do :; done";
        let words = [
            "chrt", "--fifo", "1", "taskset", "-c", cpu, "sh", "-c", spin,
        ];
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(words);
        let busy = Self(command.spawn().unwrap());
        let ran = format!("/proc/{}/schedstat", busy.0.id());
        await_that(|| {
            let text = fs::read_to_string(&ran).unwrap();
            let ns: u64 = text.split(' ').next().unwrap().parse().unwrap();
            (ns > 50_000_000).then_some(()).ok_or(text)
        });
        busy
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// The kernel's threads that poll a far end, which has them from now on.
fn pollers(bump: &Bump) -> Vec<String> {
    let threaded = "mount -t sysfs sysfs /sys && echo 1 > /sys/class/net/s0/threaded";
    bump.service
        .text("unshare", &["--mount", "sh", "-c", threaded]);
    let all = fs::read_dir("/proc").unwrap();
    let all = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_one = |process: &String| {
        let name = fs::read_to_string(format!("/proc/{process}/comm"));
        name.is_ok_and(|name| name.starts_with("napi/s0-"))
    };
    all.filter(is_one).collect()
}

/// A veth with a queueing discipline stops its queue while the far end has no room (Linux 6.16; before, it drops what
/// comes then): behind the driver the kernel does not ask it any more, and says so.
#[test]
fn what_a_stopped_queue_does_not_take_is_counted_once() {
    let Some(bump) = bump(1500) else { return };
    let bump = bump.by("generic");
    let (cpus, mine) = (sched_getaffinity(None).unwrap(), Pinned::to_cpu(0).unwrap());
    let other = (0..CpuSet::MAX_CPU)
        .find(|&cpu| cpus.is_set(cpu))
        .unwrap()
        .to_string();
    // Frames go by what polls.
    bump.middle.text("ethtool", &["-K", "b1", "tx", "off"]);
    bump.middle
        .text("tc", &["qdisc", "add", "dev", "b1", "root", "pfifo"]);
    let pollers = pollers(&bump);
    assert!(!pollers.is_empty());
    for poller in pollers {
        let output = Command::new("taskset")
            .args(["-pc", &other, &poller])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let server = bump.serve(&[]);
    let before = bump.service.counters().received_frames;
    let busy = Busy::on(&other);
    send_by(&client(&bump), &bump, (2000, 20));
    drop((busy, mine));
    let line = await_line(&server, |line| {
        let come = bump.service.counters().received_frames - before;
        let crossed = line["crossed"].as_u64();
        // What the interface sends by itself comes too.
        line["seen"].as_u64() >= Some(2000)
            && crossed.is_some_and(|crossed| crossed.abs_diff(come) < 20)
    });
    let unsent = line["lost_by_reason"]["unsent"].as_u64().unwrap();
    assert!(unsent > 1000, "{line}");
    check(&line);
    drop(server.child.end(Signal::INT));
}

fn what_user_space_cannot_hand_on_is_counted(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    tapped(&bump);
    let server = bump.serve(&[]);
    bump.service.text("ip", &["link", "set", "s0", "down"]);
    send(&bump, 20);
    check(&await_lost(&server, "tap_full"));
    // It is not the worse for it.
    bump.service.text("ip", &["link", "set", "s0", "up"]);
    let at = SocketAddr::new(bump.service.addresses[0], PORT);
    let _listener = bump.service.enter(|| UdpSocket::bind(at)).unwrap();
    await_line(&server, |line| {
        send(&bump, 20);
        line["tapped"].as_u64() > Some(0)
    });
    drop(server.child.end(Signal::INT));
}

/// What waits while the other interface is down goes when it is up again, and is lost where that is not to be.
fn what_waits_for_an_interface_goes_or_is_counted(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    tapped(&bump);
    let server = bump.serve(&[]);
    let set = |state| drop(bump.middle.text("ip", &["link", "set", "b1", state]));
    set("down");
    send(&bump, 20);
    set("up");
    await_line(&server, |line| line["tapped"] == SOME);
    set("down");
    send(&bump, 20);
    let ended = server.child.end(Signal::INT);
    let line = Crossed::of(&ended, "b0");
    line.check();
    assert_eq!(line.tapped, SOME, "{line:?}");
    let lost = format!("{SOME} tap_down");
    assert!(line.line.contains(&lost), "{line:?}");
}

fn what_has_no_way_any_more_is_counted(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    assert!(bump.start(&[]).end(Signal::KILL).was_killed());
    bump.middle.text("ip", &["link", "delete", "b1"]);
    send(&bump, 20);
    // Whoever takes over what is pinned tells of it.
    let run = Netweir::new(["run", "--iface", "b0", "--listen", "127.0.0.1:0"]);
    let server = Server::of(run.rules(bump.rules()).netns(&bump.middle));
    check(&await_lost(&server, "no_way"));
    drop(server.child.end(Signal::INT));
}

fn what_a_dead_process_had_is_counted(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    tapped(&bump);
    let child = bump.start(&[]);
    child.stop();
    send(&bump, 20);
    assert!(child.end(Signal::KILL).was_killed());
    let ended = bump.start(&[]).end(Signal::INT);
    let line = Crossed::of(&ended, "b0");
    line.check();
    assert!(line.lost > 0, "{line:?}");
    assert!(
        line.line.contains(&format!("({} left_behind)", line.lost)),
        "{line:?}"
    );
    assert_eq!(line.lost + line.tapped + line.bypassed, SOME, "{line:?}");
}

fn what_is_not_recorded_is_counted(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    tapped(&bump);
    let server = bump.serve(&["--set", "rules.heads_per_second=0"]);
    send(&bump, 20);
    let line = await_line(&server, |line| line["tapped"] == SOME);
    assert_eq!(
        (&line["recorded"], &line["unrecorded"]),
        (&0.into(), &0.into())
    );
    drop(server.child.end(Signal::INT));
    let server = bump.serve(&["--set", "rules.heads_per_second=4"]);
    send(&bump, 20);
    // Each of the queues' threads may.
    await_line(&server, |line| {
        let [recorded, unrecorded] = ["recorded", "unrecorded"].map(|name| line[name].as_u64());
        let both = recorded.zip(unrecorded);
        both.is_some_and(|(recorded, unrecorded)| {
            (1..SOME).contains(&recorded) && recorded + unrecorded == SOME
        })
    });
    drop(server.child.end(Signal::INT));
}

/// User space says how much room there is. Who said more than there is would lose frames, and count them.
fn what_a_socket_has_no_room_for_is_counted(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    tapped(&bump);
    let server = bump.serve(&["--frames", "64"]);
    let socket = client(&bump);
    let mut slots = PinnedSlots::of("b0");
    while_stopped(&server, || {
        for queue in QUEUES {
            slots.set_room(queue, 1000);
        }
        send_by(&socket, &bump, (94, 20));
    });
    let line = await_lost(&server, "socket_refused");
    check(&line);
    let line = await_line(&server, |line| line["in_tap"] == 0);
    let told = [&line["tapped"], &line["lost_by_reason"]["socket_refused"]];
    assert_eq!(told, [64, 30], "{line}");
    drop(server.child.end(Signal::INT));
}

/// Once one has passed by, all do until half of the ring is free, and not only until there is room for one.
fn who_was_passed_by_is_passed_by_until_half_is_free(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    tapped(&bump);
    let server = bump.serve(&[]);
    let socket = client(&bump);
    let send = |frames| send_by(&socket, &bump, (frames, 20));
    let mut slots = PinnedSlots::of("b0");
    while_stopped(&server, || {
        send(10);
        let mut is_full_but_for = |frames| {
            for queue in QUEUES {
                let given = slots.slot(queue).taken;
                slots.set_room(queue, given + frames);
            }
        };
        is_full_but_for(0);
        send(1);
        is_full_but_for(5);
        send(3);
        is_full_but_for(10);
        send(2);
    });
    let line = await_line(&server, |line| line["tapped"] == 12 && line["in_tap"] == 0);
    assert_eq!(line["bypassed_by_reason"]["no_room"], 4, "{line}");
    send(10);
    let line = await_line(&server, |line| line["tapped"] == 22);
    check(&line);
    drop(server.child.end(Signal::INT));
}

/// Stops the process meanwhile, for less than it takes to be called stalled.
fn while_stopped(server: &Server, act: impl FnOnce()) {
    server.child.stop();
    act();
    server.child.go_on();
}

/// Where frames come all the time, whoever ends has none left in the end, and none was too many.
fn who_ends_in_a_flood_has_nothing_left(way: &'static str) {
    let Some(bump) = bump(1500).map(|bump| bump.by(way)) else {
        return;
    };
    bump.rule("told", &["--protocol", "udp", "--action", "tap"]);
    let server = bump.serve(&["--frames", "64"]);
    let is_over = AtomicBool::new(false);
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            let sender = Sender::open(&bump.client.netns, "c0").unwrap();
            // It ends by itself as well.
            let mut loads = [FLOOD; 200].into_iter();
            while let Some(load) = loads.next()
                && !is_over.load(Ordering::Relaxed)
            {
                sender.send(load, |_| 0).unwrap();
            }
        });
        await_line(&server, |line| line["tapped"].as_u64() > Some(50_000));
        let ended = server.child.end(Signal::INT);
        is_over.store(true, Ordering::Relaxed);
        ended
    });
    let line = Crossed::of(&ended, "b0");
    line.check();
    assert!(line.in_tap == 0 && line.bypassed > 0, "{line:?}");
    for reason in ["left_behind", "socket_refused"] {
        assert!(!line.line.contains(reason), "{line:?}");
    }
}
