//! IPv4 and IPv6 headers, with everything that can be wrong about them.

use std::net::{Ipv4Addr, Ipv6Addr};

use netweir_wire::packet::protocol;

use super::{checksum, transport::seal};

/// An IPv4 header to be put in front of something.
#[derive(Clone, Debug)]
pub struct Ipv4 {
    fixed: [u8; 20],
    options: Vec<u8>,
    total: Option<u16>,
}

/// An IPv4 header from 10.0.0.1 to 10.0.0.2 without options, not to be fragmented.
pub fn ipv4(protocol: u8) -> Ipv4 {
    let fixed = [
        0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    Ipv4 {
        fixed,
        options: Vec::new(),
        total: None,
    }
}

impl Ipv4 {
    /// Between other addresses.
    pub fn between(mut self, source: &str, destination: &str) -> Self {
        for (place, text) in [(12, source), (16, destination)] {
            let address: Ipv4Addr = text
                .parse()
                .expect("addresses of the corpus are written by hand");
            self.fixed[place..place + 4].copy_from_slice(&address.octets());
        }
        self
    }

    /// With options, whose length is a multiple of four.
    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self.fixed[0] += (options.len() / 4) as u8;
        self
    }

    /// With another first byte: version and header length.
    pub fn first_byte(mut self, byte: u8) -> Self {
        self.fixed[0] = byte;
        self
    }

    /// With a type of service.
    pub fn traffic_class(mut self, byte: u8) -> Self {
        self.fixed[1] = byte;
        self
    }

    /// With a total length that need not be true.
    pub fn total(mut self, total: u16) -> Self {
        self.total = Some(total);
        self
    }

    /// With other flags (the upper three bits) and fragment offset.
    pub fn fragment(mut self, field: u16) -> Self {
        self.fixed[6..8].copy_from_slice(&field.to_be_bytes());
        self
    }

    /// With a time to live.
    pub fn time_to_live(mut self, hops: u8) -> Self {
        self.fixed[8] = hops;
        self
    }

    /// The packet.
    pub fn carrying(self, payload: impl AsRef<[u8]>) -> Vec<u8> {
        let Self {
            mut fixed,
            options,
            total,
        } = self;
        let mut payload = payload.as_ref().to_vec();
        let true_total = (fixed.len() + options.len() + payload.len()) as u16;
        fixed[2..4].copy_from_slice(&total.unwrap_or(true_total).to_be_bytes());
        let header_checksum = checksum(&[&fixed, &options]);
        fixed[10..12].copy_from_slice(&header_checksum);
        if u16::from_be_bytes([fixed[6], fixed[7]]) & 0x3fff == 0 {
            seal(&fixed[12..], fixed[9], &mut payload);
        }
        [&fixed[..], &options, &payload].concat()
    }
}

/// An IPv6 header to be put in front of something.
#[derive(Clone, Debug)]
pub struct Ipv6 {
    fixed: [u8; 40],
    payload_length: Option<u16>,
}

/// An IPv6 header from 2001:db8::1 to 2001:db8::2.
pub fn ipv6(next: u8) -> Ipv6 {
    let mut fixed = [0; 40];
    fixed[0] = 0x60;
    fixed[6] = next;
    fixed[7] = 64;
    Ipv6 {
        fixed,
        payload_length: None,
    }
    .between("2001:db8::1", "2001:db8::2")
}

impl Ipv6 {
    /// Between other addresses.
    pub fn between(mut self, source: &str, destination: &str) -> Self {
        for (place, text) in [(8, source), (24, destination)] {
            let address: Ipv6Addr = text
                .parse()
                .expect("addresses of the corpus are written by hand");
            self.fixed[place..place + 16].copy_from_slice(&address.octets());
        }
        self
    }

    /// With other first four bytes: version, traffic class and flow label.
    pub fn first_bytes(mut self, bytes: [u8; 4]) -> Self {
        self.fixed[..4].copy_from_slice(&bytes);
        self
    }

    /// With a payload length that need not be true.
    pub fn payload_length(mut self, length: u16) -> Self {
        self.payload_length = Some(length);
        self
    }

    /// The packet.
    pub fn carrying(self, payload: impl AsRef<[u8]>) -> Vec<u8> {
        let mut fixed = self.fixed;
        let mut payload = payload.as_ref().to_vec();
        let length = self.payload_length.unwrap_or(payload.len() as u16);
        fixed[4..6].copy_from_slice(&length.to_be_bytes());
        seal(&fixed[8..], fixed[6], &mut payload);
        [&fixed[..], &payload].concat()
    }
}

/// An IPv6 extension header of `content` behind its two bytes of next header and length.
///
/// The content's length is six more than a multiple of eight.
pub fn extension(next: u8, content: &[u8], payload: impl AsRef<[u8]>) -> Vec<u8> {
    let eights = (content.len() / 8) as u8;
    [&[next, eights], content, payload.as_ref()].concat()
}

/// A fragment header: `field` is the offset in bytes, and 1 where more fragments follow.
pub fn fragment(next: u8, field: u16, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let [upper, lower] = field.to_be_bytes();
    [&[next, 0, upper, lower, 0, 0, 0, 7], payload.as_ref()].concat()
}

/// An authentication header with a check value of `value_bytes`, a multiple of four.
pub fn ah(next: u8, value_bytes: usize, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let fours = ((12 + value_bytes) / 4 - 2) as u8;
    let fixed = [next, fours, 0, 0, 0, 0, 0x10, 1, 0, 0, 0, protocol::TCP];
    [&fixed[..], &vec![0xa5; value_bytes], payload.as_ref()].concat()
}
