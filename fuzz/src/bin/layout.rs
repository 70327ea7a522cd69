//! Layouts of connection IDs: no program and no text makes the evaluator panic, and kernel and host
//! name the same.
//!
//! The first line is the text of a layout; behind it stand a connection ID and a whole program, any
//! bytes, as in a map that somebody else wrote.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netweir_flow::quic::layout::{Layout, Layouts, Undecoded};
use netweir_wire::map::{
    Cid, CidPacket, CidServer, LayoutField, LayoutProgram, LayoutRow, MAX_CID_BYTES, ServerChosen,
};

/// Takes numbers off the input; 0 behind its end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            if let Some((first, rest)) = self.0.split_first() {
                *byte = *first;
                self.0 = rest;
            }
        }
        bytes
    }

    fn byte(&mut self) -> u8 {
        let [byte] = self.bytes();
        byte
    }

    fn word(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    fn cid(&mut self) -> Option<ServerChosen> {
        let (length, bytes) = (self.byte(), self.bytes::<MAX_CID_BYTES>());
        // The lowest bits are more than a length, the highest one says whether it is known.
        let taken = if length & 0x80 == 0 {
            ServerChosen::from_server(CidPacket::Initial, Cid::new(bytes, length & 31))
        } else {
            ServerChosen::from_client(CidPacket::OneRtt, Cid::open(bytes, length & 31))
        };
        taken.ok()
    }

    fn server(&mut self) -> CidServer {
        CidServer {
            address: [self.word(), self.word()],
            port: self.number() as u16,
            version: self.number(),
        }
    }

    fn field(&mut self) -> LayoutField {
        LayoutField {
            modulo: self.word(),
            bit_offset: self.byte(),
            bits: self.byte(),
            order: self.byte(),
            shift: self.byte(),
            reserved: self.bytes(),
        }
    }

    fn row(&mut self) -> LayoutRow {
        LayoutRow {
            address: [self.word(), self.word()],
            mask: [self.word(), self.word()],
            backend: self.field(),
            queue: self.field(),
            version: self.number(),
            port: self.bytes(),
            family: self.byte(),
            kind: self.byte(),
            guard_mask: self.byte(),
            guard_value: self.byte(),
            unroutable_mask: self.byte(),
            length_mask: self.byte(),
            min_bytes: self.byte(),
            max_bytes: self.byte(),
            reserved: self.bytes(),
        }
    }

    fn program(&mut self) -> LayoutProgram {
        LayoutProgram {
            count: self.number(),
            rows: std::array::from_fn(|_| self.row()),
            reserved: self.number(),
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let text = lines.next().unwrap_or_default();
    let mut rest = Input(lines.next().unwrap_or_default());
    let Some(cid) = rest.cid() else {
        return;
    };
    let server = rest.server();
    let program = rest.program();
    if let Ok(route) = program.decode(&server, &cid) {
        let bytes = u64::from(cid.cid().bytes());
        assert!(route == Default::default() || bytes > 0, "{route:?}");
    }

    let Ok(layout) = Layout::parse(&String::from_utf8_lossy(text)) else {
        return;
    };
    let layouts = Layouts::new(&layout).expect("a layout that was checked");
    let host = layouts.decode(&server, &cid).map(|found| found.route);
    match layouts.program().decode(&server, &cid) {
        Err(Undecoded::Encrypted) => assert!(host.is_ok(), "{host:?}"),
        kernel => assert_eq!(kernel, host),
    }
});
