//! What the tests give to layouts.

use netweir_flow::quic::layout::{
    Cid, CidPacket, CidServer, Layout, Layouts, MAX_CID_BYTES, ServerChosen, Undecoded, cid_server,
};
use std::net::SocketAddr;

/// The layouts of some lines.
pub(crate) fn layouts(lines: &str) -> Layouts {
    let layouts: Vec<Layout> = lines
        .lines()
        .flat_map(|line| Layout::parse(line).expect(line))
        .collect();
    Layouts::new(&layouts).expect("layouts that were checked")
}

/// 192.0.2.1:443, version 1.
pub(crate) fn server() -> CidServer {
    cid_server(SocketAddr::from(([192, 0, 2, 1], 443)), Some(1))
}

/// Bytes from hexadecimal digits.
pub(crate) fn bytes(digits: &str) -> Vec<u8> {
    assert_eq!(digits.len() % 2, 0, "{digits}");
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect(digits))
        .collect()
}

fn padded(bytes: &[u8]) -> [u8; MAX_CID_BYTES] {
    let mut padded = [0xee; MAX_CID_BYTES];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

/// A connection ID from a long header.
pub(crate) fn whole(bytes: &[u8]) -> ServerChosen {
    let cid = Cid::new(padded(bytes), bytes.len() as u8);
    ServerChosen::from_server(CidPacket::Handshake, cid).expect("from a server")
}

/// A connection ID from a short header, and what stands behind it.
pub(crate) fn open(bytes: &[u8]) -> ServerChosen {
    let cid = Cid::open(padded(bytes), bytes.len() as u8);
    ServerChosen::from_client(CidPacket::OneRtt, cid).expect("to a server")
}

/// What a connection ID names: the layout, then every field.
pub(crate) fn read(layouts: &Layouts, digits: &str) -> Result<String, Undecoded> {
    let decoded = layouts.decode(&server(), &whole(&bytes(digits)))?;
    let fields = decoded.fields.iter();
    let fields = fields.map(|(name, number)| format!(" {name}={number:#x}"));
    let named = |name| {
        let mut fields = decoded.fields.iter();
        fields.find_map(|(known, number)| (*known == name).then_some(*number))
    };
    assert_eq!(decoded.route.backend, named("backend"));
    assert_eq!(decoded.route.queue, named("queue"));
    Ok(format!("{}:{}", decoded.layout, fields.collect::<String>()))
}
