//! JA4 fingerprints, against those in FoxIO's description of JA4.

use netweir_flow::quic::{ClientHello, ja4};

/// The example of `technical_details/JA4.md`, with some GREASE.
fn example() -> ClientHello {
    ClientHello {
        legacy_version: 0x0303,
        cipher_suites: vec![
            0x3a3a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
            0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
        ],
        extensions: vec![
            0x1a1a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023,
            0x0012, 0x002b, 0xff01, 0x000b, 0x000a, 0x0015, 0xfafa,
        ],
        alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        supported_versions: vec![0xdada, 0x0304, 0x0303],
        signature_algorithms: vec![
            0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601,
        ],
        ..ClientHello::default()
    }
}

#[test]
fn the_example_of_the_description() {
    // It is one of TLS over TCP there: `t`.
    assert_eq!(ja4(&example()), "q13d1516h2_8daaf6152771_e5627efa2ab1");
}

#[test]
fn the_fingerprint_of_chrome_over_quic() {
    // What Chrome sends in FoxIO's `quic-tls-handshake.pcapng`, whose fingerprint is given there.
    let hello = ClientHello {
        cipher_suites: vec![0x1301, 0x1302, 0x1303],
        extensions: vec![
            0x002d, 0x001b, 0x4469, 0x000d, 0x002b, 0x0000, 0x000a, 0x0039, 0x0010, 0x0033,
        ],
        alpn: vec![b"h3".to_vec()],
        supported_versions: vec![0x0304],
        signature_algorithms: vec![
            0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601, 0x0201,
        ],
        ..ClientHello::default()
    };
    assert_eq!(ja4(&hello), "q13d0310h3_55b375c5d22e_cd85d2d88918");
}

#[test]
fn a_list_without_entries() {
    let without_algorithms = ClientHello {
        signature_algorithms: Vec::new(),
        ..example()
    };
    assert!(ja4(&without_algorithms).ends_with("_6d807ffa2a79"));
    let empty = ja4(&ClientHello::default());
    assert_eq!(empty, "q00i000000_000000000000_000000000000");
}

#[test]
fn the_version_is_the_highest_that_is_supported() {
    let with = |legacy_version, supported_versions: &[u16]| {
        let hello = ClientHello {
            legacy_version,
            supported_versions: supported_versions.to_vec(),
            ..ClientHello::default()
        };
        ja4(&hello)[1..3].to_owned()
    };
    assert_eq!(with(0x0303, &[0x0303, 0x0304]), "13");
    assert_eq!(with(0x0303, &[]), "12");
    assert_eq!(with(0x0303, &[0x7a7a]), "12");
    assert_eq!(with(0x0300, &[]), "s3");
    assert_eq!(with(0x0303, &[0x7f1d]), "00");
}

#[test]
fn counts_end_at_99() {
    let many = ClientHello {
        cipher_suites: (0x1000..0x1200).collect(),
        extensions: (0x1000..0x1063).collect(),
        ..ClientHello::default()
    };
    // 0x1a1a is not among the extensions; all are counted.
    assert_eq!(&ja4(&many)[3..8], "i9999");
}

#[test]
fn first_and_last_character_of_the_first_protocol() {
    let examples: [(&[u8], &str); 12] = [
        (b"h3", "h3"),
        (b"http/1.1", "h1"),
        (b"x", "xx"),
        (b"", "00"),
        (&[0xab], "ab"),
        (&[0x20], "20"),
        (&[0xab, 0xcd], "ad"),
        (&[0x20, 0x61], "21"),
        (&[0x30, 0xab], "3b"),
        (&[0x61, 0x20], "60"),
        (&[0x30, 0x31, 0xab, 0xcd], "3d"),
        (&[0x30, 0xab, 0xcd, 0x31], "01"),
    ];
    for (name, expected) in examples {
        let hello = ClientHello {
            alpn: vec![name.to_vec(), b"h3".to_vec()],
            ..ClientHello::default()
        };
        assert_eq!(&ja4(&hello)[8..10], expected, "{name:02x?}");
    }
}
