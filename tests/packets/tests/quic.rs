//! Ring 1: QUIC packets as the corpus builds them, and any bytes.

use netweir_packets::quic::{
    client_initial, handshake, ping, retry, short, version_negotiation, zero_rtt,
};
use netweir_wire::packet::quic::{Body, LongView, Packets, Version, View};
use proptest::{collection::vec, prelude::*, sample::select};

const VERSIONS: [Version; 3] = [Version::V1, Version::V2, Version::draft(29)];

fn packets(datagram: &[u8]) -> Vec<View<'_>> {
    let packets: Result<Vec<_>, _> = Packets::new(datagram).collect();
    packets.expect("the corpus builds packets that can be read")
}

fn long<'a>(view: &View<'a>) -> LongView<'a> {
    match *view {
        View::Long(view) => view,
        View::Short { .. } => panic!("{view:?}"),
    }
}

fn cid() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=20)
}

proptest! {
    #[test]
    fn coalesced_packets_come_apart(
        version in select(&VERSIONS[..]),
        dcid in cid(),
        scid in cid(),
        protected in vec(any::<u8>(), 1..100),
    ) {
        let parts = [
            client_initial(version, &dcid, &scid).padded_to(0).carrying(ping()),
            zero_rtt(version, &dcid, &scid, &protected),
            handshake(version, &dcid, &scid, &protected),
            short(&dcid, &protected),
        ];
        let datagram = parts.concat();
        let views = packets(&datagram);
        let bytes: Vec<_> = views.iter().map(View::bytes).collect();
        prop_assert_eq!(bytes, parts.each_ref().map(Vec::as_slice));
        for view in &views[..3] {
            let view = long(view);
            prop_assert_eq!(view.header.version, version);
            prop_assert_eq!(view.dcid(), &dcid[..]);
            prop_assert_eq!(view.scid(), &scid[..]);
            prop_assert!(view.header.has_fixed_bit());
        }
        let bodies = [0, 1, 2].map(|which| long(&views[which]).body);
        let is_in_order = matches!(
            bodies,
            [Body::Initial { .. }, Body::ZeroRtt { .. }, Body::Handshake { .. }]
        );
        prop_assert!(is_in_order, "{bodies:?}");
        let View::Short { bytes, header } = views[3] else {
            panic!("{:?}", views[3]);
        };
        prop_assert_eq!(header.dcid(dcid.len()).of(bytes), &dcid[..]);
    }

    #[test]
    fn a_retry_and_a_version_negotiation_go_on_to_the_end(
        version in select(&VERSIONS[..]),
        dcid in cid(),
        scid in cid(),
        token in vec(any::<u8>(), 0..100),
        offered in vec(any::<u32>(), 0..8),
    ) {
        let packet = retry(version, b"original", (&dcid, &scid), &token);
        let view = long(&packets(&packet)[0]);
        prop_assert_eq!(view.token(), &token[..]);
        prop_assert_eq!(view.bytes, &packet[..]);

        let offered: Vec<_> = offered.into_iter().map(Version).collect();
        let packet = version_negotiation(&dcid, &scid, &offered);
        let view = long(&packets(&packet)[0]);
        prop_assert_eq!(view.versions().collect::<Vec<_>>(), offered);
        prop_assert_eq!(view.bytes, &packet[..]);
    }

    #[test]
    fn any_bytes_are_walked_to_their_end_or_to_a_problem(
        first in any::<u8>(),
        version in select(&[0_u32, 1, 0x6b33_43cf, 0xff00_001d, 0x5130_3436, 0x0123_4567][..]),
        rest in vec(any::<u8>(), 0..100),
    ) {
        let datagram = [&[first][..], &version.to_be_bytes(), &rest].concat();
        let mut walked = 0;
        let mut is_whole = true;
        for packet in Packets::new(&datagram) {
            is_whole = packet.is_ok();
            walked += packet.map_or(0, |view| view.bytes().len());
        }
        prop_assert_eq!(walked == datagram.len(), is_whole);
    }
}
