//! Each preset, by connection IDs written by hand from what its servers do.

use crate::given::{bytes, layouts, open, read, server, whole};
use netweir_flow::quic::layout::{CidServer, Undecoded, cid_server};

#[test]
fn telementry_names_a_backend_and_its_queue() {
    let layouts = layouts("telementry");
    assert_eq!(
        read(&layouts, "0180012cdeadbeef").as_deref(),
        Ok("telementry: format=0x1 flags=0x80 backend=0x12c salt=0xdeadbeef queue=0x2c")
    );
    assert_eq!(read(&layouts, "0180012cdeadbe"), Err(Undecoded::Length));
    assert_eq!(read(&layouts, "0180012cdeadbeef00"), Err(Undecoded::Length));
    let short = layouts.decode(&server(), &open(&bytes("0180012cdeadbeef0000")));
    assert_eq!(short.unwrap().route.backend, Some(300));
}

#[test]
fn mvfst_says_its_version_in_the_first_bits() {
    let layouts = layouts("mvfst");
    for (cid, expected) in [
        // 01, 16 bits of host, 8 of worker, 1 of process, 5 that are random.
        (
            "448d15a0",
            "mvfst v1: host=0x1234 worker=0x56 process=0x1 backend=0x1234 queue=0x56",
        ),
        (
            "448d159fffffffff",
            "mvfst v1: host=0x1234 worker=0x56 process=0x0 backend=0x1234 queue=0x56",
        ),
        (
            "80aabbccff80",
            "mvfst v2: host=0xaabbcc worker=0xff process=0x1 backend=0xaabbcc queue=0xff",
        ),
        (
            "ff010203040500ff",
            "mvfst v3: host=0x1020304 worker=0x5 process=0x0 backend=0x1020304 queue=0x5",
        ),
    ] {
        assert_eq!(read(&layouts, cid).as_deref(), Ok(expected), "{cid}");
    }
    for (cid, expected) in [
        ("048d15a0aaaaaaaa", Undecoded::Guard),
        ("448d15", Undecoded::Length),
        ("80aabbccff", Undecoded::Length),
        ("ff0102030405", Undecoded::Length),
        ("", Undecoded::Empty),
    ] {
        assert_eq!(read(&layouts, cid), Err(expected), "{cid}");
    }
}

#[test]
fn nginx_names_the_socket_of_a_worker() {
    let layouts = layouts("nginx");
    let cid = "0000000000001007aabbccddeeff001122334455";
    assert_eq!(
        read(&layouts, cid).as_deref(),
        Ok("nginx: socket=0x1007 queue=0x1007")
    );
    assert_eq!(read(&layouts, &cid[..16]), Err(Undecoded::Length));
}

#[test]
fn custom_is_what_it_is_told() {
    let layouts = layouts(
        "custom length=5+ guard=0xf0/0x20 backend=4:12 cpu=16:16le queue=cpu>>8%3 low=cpu%16 same=low",
    );
    assert_eq!(
        read(&layouts, "2abc3412ff").as_deref(),
        Ok("custom: backend=0xabc cpu=0x1234 queue=0x0 low=0x4 same=0x4")
    );
    assert_eq!(read(&layouts, "3abc3412ff"), Err(Undecoded::Guard));
    assert_eq!(read(&layouts, "2abc3412"), Err(Undecoded::Length));
}

#[test]
fn a_preset_can_be_told_otherwise() {
    let layouts = layouts("telementry length=8+ queue=backend>>4%16 color=4:4");
    assert_eq!(
        read(&layouts, "01800123deadbeef").as_deref(),
        Ok("telementry: format=0x1 flags=0x80 backend=0x123 salt=0xdeadbeef queue=0x2 color=0x1")
    );
}

#[test]
fn the_first_layout_for_a_server_reads() {
    let layouts = layouts(
        "custom server=192.0.2.0/24 port=443 length=8 backend=0:8\n\
         custom server=2001:db8::/32 version=0x6b3343cf length=8 backend=8:8\n\
         custom server=::/0 port=8443 length=8 backend=16:8",
    );
    let cid = whole(&bytes("0102030405060708"));
    let backend = |server: CidServer| {
        let decoded = layouts.decode(&server, &cid);
        decoded.map(|decoded| decoded.route.backend)
    };
    let at = |address: &str, version| cid_server(address.parse().unwrap(), version);
    for (server, expected) in [
        (at("192.0.2.9:443", Some(1)), Ok(Some(1))),
        (at("192.0.2.9:443", None), Ok(Some(1))),
        (at("[::ffff:192.0.2.9]:443", None), Ok(Some(1))),
        (at("192.0.3.9:443", Some(1)), Err(Undecoded::NoLayout)),
        (at("192.0.2.9:8443", Some(1)), Err(Undecoded::NoLayout)),
        (at("[2001:db8::1]:9", Some(0x6b33_43cf)), Ok(Some(2))),
        (at("[2001:db8::1]:9", None), Err(Undecoded::VersionUnknown)),
        (at("[2001:db8::1]:8443", Some(1)), Ok(Some(3))),
        (at("[2001:db9::1]:8443", None), Ok(Some(3))),
    ] {
        assert_eq!(backend(server), expected, "{server:?}");
    }
}

#[test]
fn the_kernel_s_program_says_the_same() {
    let layouts = layouts("mvfst port=443\ntelementry");
    let cid = whole(&bytes("80aabbccff800000"));
    let host = layouts.decode(&server(), &cid).map(|found| found.route);
    assert_eq!(layouts.program().decode(&server(), &cid), host);
}
