//! The bump in the wire: what crosses, by the kernel and by user space, and what becomes of it when the
//! process ends, dies, stands still, or loses an interface.

mod capture;
mod crossing;
mod demo;
mod failing;
mod losing;
mod refused;
mod told;
mod virtio;

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
};

use netweir_tests::{Bump, is_root, own_bpffs};

/// Rules by which everything is tapped that is IP.
const ALL: [(&str, &str); 2] = [("four", "0.0.0.0/0"), ("six", "::/0")];

/// A test for each place where frames can cross: in the driver, and behind it.
macro_rules! by_each_way {
    ($($test:ident),* $(,)?) => {
        mod native {
            $(#[test] fn $test() { super::$test("native") })*
        }
        mod generic {
            $(#[test] fn $test() { super::$test("generic") })*
        }
    };
}
use by_each_way;

/// A bump in the wire, with pins that nobody else has; none without root.
fn bump(mtu: u32) -> Option<Bump> {
    is_root().then(|| {
        own_bpffs();
        Bump::new(mtu)
    })
}

/// Lets all that is IP go by user space.
fn tap_all(bump: &Bump) {
    for (label, net) in ALL {
        bump.rule(label, &["--destination", net, "--action", "tap"]);
    }
}

/// A file whose bytes tell where they stand.
fn file(bytes: usize) -> Vec<u8> {
    let words = (0_u64..).flat_map(|number| {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed.to_be_bytes()
    });
    words.take(bytes).collect()
}

/// Fetches a file from the service by HTTP.
fn fetch(bump: &Bump, version: usize, bytes: usize) -> Vec<u8> {
    let at = SocketAddr::new(bump.service.addresses[version], 8081);
    let listener = bump.service.enter(|| TcpListener::bind(at)).unwrap();
    let mut from = bump.client.enter(|| TcpStream::connect(at)).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let (mut to, _) = listener.accept().unwrap();
            let mut asked = [0; 18];
            to.read_exact(&mut asked).unwrap();
            assert_eq!(&asked, b"GET / HTTP/1.0\r\n\r\n");
            to.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
            to.write_all(&file(bytes)).unwrap();
            to.shutdown(Shutdown::Write).unwrap();
        });
        from.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all.split_off(b"HTTP/1.0 200 OK\r\n\r\n".len())
    })
}
