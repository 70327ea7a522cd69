//! The first TLS messages of both sides (RFC 8446 section 4.1).

use super::varint;

/// A ClientHello to be made.
#[derive(Clone, Debug)]
pub struct ClientHello {
    ciphers: Vec<u16>,
    extensions: Vec<(u16, Vec<u8>)>,
}

/// A ClientHello with the three cipher suites of TLS 1.3 and `supported_versions`.
pub fn client_hello() -> ClientHello {
    ClientHello {
        ciphers: vec![0x1301, 0x1302, 0x1303],
        extensions: vec![(0x002b, vec![2, 3, 4])],
    }
}

impl ClientHello {
    /// With other cipher suites.
    pub fn ciphers(mut self, ciphers: &[u16]) -> Self {
        self.ciphers = ciphers.to_vec();
        self
    }

    /// With one more extension.
    pub fn extension(mut self, number: u16, content: &[u8]) -> Self {
        self.extensions.push((number, content.to_vec()));
        self
    }

    /// With the name of a server.
    pub fn server_name(self, name: &str) -> Self {
        let entry = [&[0][..], &behind_u16(name.as_bytes())].concat();
        self.extension(0x0000, &behind_u16(&entry))
    }

    /// With application protocols.
    pub fn alpn(self, names: &[&str]) -> Self {
        let names = names
            .iter()
            .map(|name| [&[name.len() as u8], name.as_bytes()].concat());
        let names: Vec<_> = names.collect();
        self.extension(0x0010, &behind_u16(&names.concat()))
    }

    /// With signature algorithms.
    pub fn signature_algorithms(self, algorithms: &[u16]) -> Self {
        self.extension(0x000d, &behind_u16(&numbers(algorithms)))
    }

    /// With QUIC transport parameters.
    pub fn transport_parameters(self, parameters: &[(u64, &[u8])]) -> Self {
        let parameters = parameters
            .iter()
            .map(|&(id, value)| [&varint(id)[..], &varint(value.len() as u64), value].concat());
        let parameters: Vec<_> = parameters.collect();
        self.extension(0x0039, &parameters.concat())
    }

    /// The message, header included.
    pub fn bytes(&self) -> Vec<u8> {
        let extensions: Vec<_> = self.extensions.iter().map(extension).collect();
        let body = [
            &[3, 3][..],
            &[0x5a; 32],
            // No session ID.
            &[0],
            &behind_u16(&numbers(&self.ciphers)),
            // No compression.
            &[1, 0],
            &behind_u16(&extensions.concat()),
        ];
        message(1, &body.concat())
    }
}

/// A ServerHello of TLS 1.3 with a cipher suite and a key share of 32 bytes in a group.
pub fn server_hello(cipher: u16, group: u16) -> Vec<u8> {
    let share = [&group.to_be_bytes()[..], &behind_u16(&[0x77; 32])].concat();
    let extensions = [
        extension(&(0x002b, vec![3, 4])),
        extension(&(0x0033, share)),
    ];
    let body = [
        &[3, 3][..],
        &[0xa5; 32],
        &[0],
        &cipher.to_be_bytes(),
        &[0],
        &behind_u16(&extensions.concat()),
    ];
    message(2, &body.concat())
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, upper, middle, lower] = (body.len() as u32).to_be_bytes();
    [&[kind, upper, middle, lower], body].concat()
}

fn extension((number, content): &(u16, Vec<u8>)) -> Vec<u8> {
    [&number.to_be_bytes()[..], &behind_u16(content)].concat()
}

fn behind_u16(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u16).to_be_bytes(), content].concat()
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}
