//! The settings of QUIC, and that no key is shown.

use super::*;

#[test]
fn quic_is_set_by_file_and_flags() {
    let file = "[ports]\nquic = 'any'\n[maps]\nquic = 0\n[quic]\nlayouts = ['mvfst port=443']\n\
        idle_timeout = '5s'\nunanswered_timeout = '2s'\nmax_guesses = 7\n";
    let arguments = ["--set", "quic.max_connections=9"];
    let config = layers(file, &arguments)
        .and_then(|layers| layers.config())
        .expect("config");
    assert_eq!((config.maps.quic, &config.quic.ports), (0, &QuicPorts::Any));
    let bits = config.port_classes().bits;
    assert_eq!([bits[0], bits[1], bits[65_535]], [0, PORT_QUIC, PORT_QUIC]);
    let settings = config.quic.meter_settings();
    assert!(settings.any_port);
    assert_eq!(settings.connections.ports, [443, 4433, 8000]);
    let seconds = [
        settings.connections.idle_ns,
        settings.connections.unanswered_ns,
    ];
    assert_eq!(seconds, [5_000_000_000, 2_000_000_000]);
    let limits = settings.connections.limits;
    assert_eq!((limits.connections, limits.guesses), (9, 7));
    assert_eq!(settings.layouts.name(2), Some("mvfst v3"));
    // Nobody prints datagrams one by one.
    assert_eq!(settings.max_traced, 0);
    let none = layers("[ports]\nquic = []\n", &[])
        .and_then(|layers| layers.config())
        .expect("config");
    assert!(none.quic.ports.is_empty());
}

#[test]
fn a_key_is_shown_nowhere() {
    const KEY: &str = "8f95f09245765f80256934e50c66207f";
    let file = |line: &str| format!("[quic]\nlayouts = ['nginx port=1', '{line}']\n");
    let right = format!("quic-lb config=1 server-id=3 nonce=4 key={KEY} port=2");
    let layers = layers(&file(&right), &[]).expect("layers");
    let shown = layers.to_string();
    let expected =
        r#"layouts = ["nginx port=1", "quic-lb config=1 server-id=3 nonce=4 key=… port=2"]"#;
    assert!(shown.contains(expected), "{shown}");
    let config = layers.config().expect("config");
    for text in [&shown, &format!("{layers:?}"), &format!("{config:?}")] {
        assert!(!text.contains(&KEY[..8]), "{text}");
    }
    // What was printed cannot be read again without its key, and says so.
    let said = complaint(&shown, &[]);
    assert!(said.contains("expected 32 hexadecimal digits"), "{said}");
    for wrong in [
        format!("quic-lb config=1 server-id=3 nonce=4 key={KEY}0"),
        format!("quic-lb config=9 server-id=3 nonce=4 key={KEY}"),
        format!("quic-lb config=1 server-id=3 nonce=4 KEY={KEY}"),
        format!("quic-lb config=1 server-id=3 nonce=4 key:{KEY}"),
        format!("telementry port=1 key={KEY}"),
        format!("key={KEY} port=1"),
        KEY.to_owned(),
        format!("quic-lb key={KEY} key={KEY}"),
    ] {
        let said = complaint(&file(&wrong), &[]);
        assert!(said.contains("quic.layouts = "), "{said}");
        assert!(!said.contains(&KEY[..8]), "{said}");
        let said = complaint("", &["--set", &format!("quic.layouts={wrong}")]);
        assert!(!said.contains(&KEY[..8]), "{said}");
    }
}

#[test]
fn a_mistake_is_named() {
    let cases = [
        (
            "[ports]\nquic = [443, 'any']\n",
            "ports.quic = \"443,any\" (test.toml:2): any stands alone",
        ),
        (
            "[quic]\nidle_timeout = '0s'\n",
            "quic.idle_timeout = \"0s\" (test.toml:2): it must be more than nothing",
        ),
        (
            "[quic]\nmax_connections = 0\n",
            "quic.max_connections = \"0\" (test.toml:2): it must be between 1 and",
        ),
        (
            "[maps]\nquic = 2000000000\n",
            "maps.quic = \"2000000000\" (test.toml:2): it must be between 0 and 1073741824",
        ),
        (
            "[quic]\nlayouts = ['telementry port=443', 'mvfst port=x']\n",
            "(test.toml:2): layout 2: port = \"x\": expected a port",
        ),
        (
            "[quic]\nlayouts = ['mvfst', 'mvfst', 'mvfst', 'mvfst', 'mvfst', 'mvfst']\n",
            "18 layouts, and there can be 16",
        ),
    ];
    for (file, expected) in cases {
        let said = complaint(file, &[]);
        assert!(said.contains(expected), "{file:?}: {said}");
    }
}
