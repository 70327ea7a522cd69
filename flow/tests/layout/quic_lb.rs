//! QUIC-LB by the vectors of draft-ietf-quic-load-balancers-21, appendix B.
//!
//! The second row without encryption is left out: its nonce has nine digits. The fourth row with
//! encryption begins with 12 there, which is configuration 0; the rest is of configuration 3, and so
//! it is 72 here: three rotation bits and a length of 18.

use crate::given::{bytes, layouts, open, read, server};
use netweir_flow::quic::layout::Undecoded;

const KEY: &str = "8f95f09245765f80256934e50c66207f";

#[test]
fn without_a_key_the_server_id_stands_there() {
    let line = "quic-lb config=0 server-id=3 nonce=4 length=self5 n=32:32";
    let expected = "quic-lb 0: server_id=0xc4605e backend=0xc4605e n=0x4504cc4f";
    let layouts = layouts(line);
    assert_eq!(read(&layouts, "07c4605e4504cc4f").as_deref(), Ok(expected));
    assert_eq!(read(&layouts, "07c4605e4504cc"), Err(Undecoded::Length));
    assert_eq!(read(&layouts, "08c4605e4504cc4f"), Err(Undecoded::Length));
    assert_eq!(read(&layouts, "27c4605e4504cc4f"), Err(Undecoded::Guard));
    assert_eq!(
        read(&layouts, "e7c4605e4504cc4f"),
        Err(Undecoded::Unroutable)
    );
}

#[test]
fn the_rows_with_a_key_are_decrypted() {
    for (settings, cid, expected) in [
        (
            "config=0 server-id=3 nonce=4 n=32:32",
            "0720b1d07b359d3c",
            "quic-lb 0: server_id=0xed793a backend=0xed793a n=0xee080dbf",
        ),
        (
            "config=1 server-id=10 nonce=5 backend=8:64 rest=72:16 n=88:40",
            "2fcc381bc74cb4fbad2823a3d1f8fed2",
            "quic-lb 1: backend=0xed793a51d49b8f5f rest=0xab65 n=0xee080dbf48",
        ),
        (
            "config=2 server-id=8 nonce=8 n=72:64",
            "504dd2d05a7b0de9b2b9907afb5ecf8cc3",
            "quic-lb 2: server_id=0xed793a51d49b8f5f backend=0xed793a51d49b8f5f \
             n=0xee080dbf48c0d1e5",
        ),
        (
            "config=3 server-id=9 nonce=9 backend=8:64 rest=72:8 n=80:64 end=144:8",
            "725779c9cc86beb3a3a4a3ca96fce4bfe0cdbc",
            "quic-lb 3: backend=0xed793a51d49b8f5f rest=0xab n=0xee080dbf48c0d1e5 end=0x5d",
        ),
    ] {
        let layouts = layouts(&format!("quic-lb {settings} length=self5 key={KEY}"));
        assert_eq!(read(&layouts, cid).as_deref(), Ok(expected), "{cid}");
        // The kernel programs have no key, and say so.
        let short = open(&bytes(cid));
        let in_kernel = layouts.program().decode(&server(), &short);
        assert_eq!(in_kernel, Err(Undecoded::Encrypted), "{cid}");
        assert!(layouts.decode(&server(), &short).is_ok(), "{cid}");
    }
}

/// The worked example of section 5.4.2.4, which the draft goes through step by step.
#[test]
fn the_draft_s_example_is_decrypted() {
    let key = "fdf726a9893ec05c0632d3956680baf0";
    let layouts = layouts(&format!(
        "quic-lb config=0 server-id=3 nonce=4 key={key} n=32:32"
    ));
    assert_eq!(
        read(&layouts, "0767947d29be054a").as_deref(),
        Ok("quic-lb 0: server_id=0x31441a backend=0x31441a n=0x9c69c275")
    );
}

/// Two rotation bits and a length in six: what draft 15 has for the row of one block.
#[test]
fn older_drafts_have_two_rotation_bits() {
    let settings = format!("rotation=2 config=2 server-id=8 nonce=8 length=self6 key={KEY}");
    let layouts = layouts(&format!("quic-lb {settings} n=72:64"));
    assert_eq!(
        read(&layouts, "904dd2d05a7b0de9b2b9907afb5ecf8cc3").as_deref(),
        Ok(
            "quic-lb 2: server_id=0xed793a51d49b8f5f backend=0xed793a51d49b8f5f \
            n=0xee080dbf48c0d1e5"
        )
    );
    assert_eq!(read(&layouts, "d04dd2d05a7b"), Err(Undecoded::Unroutable));
}

#[test]
fn configurations_live_side_by_side() {
    let layouts = layouts(&format!(
        "quic-lb config=0 server-id=1 nonce=4\nquic-lb config=1 server-id=2 nonce=4 key={KEY}"
    ));
    let layout = |digits| read(&layouts, digits).map(|read| read[..9].to_owned());
    assert_eq!(layout("00010203040506070809").as_deref(), Ok("quic-lb 0"));
    assert_eq!(layout("20010203040506070809").as_deref(), Ok("quic-lb 1"));
    assert_eq!(layout("40010203040506070809"), Err(Undecoded::Guard));
    assert_eq!(layout("000102030405").as_deref(), Ok("quic-lb 0"));
    assert_eq!(layout("200102030405"), Err(Undecoded::Length));
}
