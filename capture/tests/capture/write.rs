//! What is written is read back as it was.

use netweir_capture::{DescribedInterface, Direction, Packet, Section, whole_blocks};
use proptest::{collection::vec, prelude::*};

use super::build::{Owned, read_whole};

const ETHERNET: DescribedInterface<'_> = DescribedInterface {
    name: "eth0",
    description: "",
    link_type: 1,
    snapshot_bytes: 0,
};

fn direction() -> impl Strategy<Value = Option<Direction>> {
    prop_oneof![
        Just(None),
        Just(Some(Direction::Inbound)),
        Just(Some(Direction::Outbound))
    ]
}

proptest! {
    #[test]
    fn packets_are_read_as_they_were_written(
        packets in vec((any::<bool>(), any::<u64>(), any::<u32>(), direction(), ".{0,9}", vec(any::<u8>(), 0..70)), 0..9)
    ) {
        let mut section = Section::new("a test");
        let interfaces = [1, 101].map(|link_type| section.add_interface(&DescribedInterface { link_type, ..ETHERNET }));
        let mut file = section.take();
        let mut expected = Vec::new();
        for (is_second, timestamp_ns, wire_bytes, direction, comment, bytes) in &packets {
            let interface = interfaces[usize::from(*is_second)];
            section.add_packet(&Packet {
                interface,
                timestamp_ns: *timestamp_ns,
                wire_bytes: *wire_bytes,
                direction: *direction,
                comment,
                bytes,
            });
            prop_assert_eq!(section.waiting_bytes() % 4, 0);
            file.extend(section.take());
            expected.push(Owned {
                interface,
                link_type: [1, 101][usize::from(*is_second)],
                timestamp_ns: *timestamp_ns,
                wire_bytes: (*wire_bytes).max(bytes.len() as u32),
                direction: *direction,
                bytes: bytes.clone(),
            });
        }
        prop_assert_eq!(section.waiting_bytes(), 0);
        let whole = whole_blocks(&file);
        prop_assert_eq!(whole, (file.len(), packets.len() as u64));
        // Cut anywhere, what is whole is read.
        for cut in 0..file.len() {
            let (bytes, some) = whole_blocks(&file[..cut]);
            prop_assert!(bytes <= cut && bytes % 4 == 0);
            if bytes > 0 {
                prop_assert_eq!(read_whole(&file[..bytes]).len() as u64, some);
            }
        }
        prop_assert_eq!(read_whole(&file), expected);
    }
}

/// A text that no option can hold is cut between two characters.
#[test]
fn a_comment_that_is_too_long_is_cut() {
    let mut section = Section::new("a test");
    let interface = section.add_interface(&ETHERNET);
    let comment = "ä".repeat(40_000);
    section.add_packet(&Packet {
        interface,
        timestamp_ns: 0,
        wire_bytes: 1,
        direction: None,
        comment: &comment,
        bytes: &[1],
    });
    let file = section.take();
    let cut = "ä".repeat(32_767);
    let place = file
        .windows(2)
        .position(|two| two == "ä".as_bytes())
        .unwrap();
    assert_eq!(file[place - 2..place], 65_534_u16.to_le_bytes());
    assert_eq!(&file[place..place + 65_534], cut.as_bytes());
    assert_eq!(read_whole(&file).len(), 1);
}

#[test]
fn what_are_no_blocks_has_an_end() {
    assert_eq!(whole_blocks(&[0; 64]), (0, 0));
    assert_eq!(whole_blocks(&[0xff; 64]), (0, 0));
    assert_eq!(whole_blocks(&[]), (0, 0));
}
