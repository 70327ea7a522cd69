//! Initial packets, protected, and Retries with their integrity tag (RFC 9001, RFC 9369).

use super::{packet::long, padding, varint};
use aes_gcm::{
    Aes128Gcm,
    aead::AeadInOut,
    aes::{
        Aes128,
        cipher::{BlockCipherEncrypt, KeyInit},
    },
};
use hkdf::Hkdf;
use netweir_wire::packet::quic::Version;
use sha2::Sha256;

/// Bytes of the AEAD's tag.
const TAG_BYTES: usize = 16;

/// What the protection of a version is made with: salt, prefix of the labels, Retry key and nonce.
struct Secrets {
    salt: u128,
    salt_end: u32,
    label: &'static str,
    retry_key: u128,
    retry_nonce: u128,
}

/// An Initial to be made.
#[derive(Clone, Debug)]
pub struct Initial {
    version: Version,
    client_dcid: Vec<u8>,
    dcid: Vec<u8>,
    scid: Vec<u8>,
    is_client: bool,
    token: Vec<u8>,
    packet_number: u64,
    number_bytes: usize,
    least_bytes: usize,
}

/// A client's first Initial: packet number 0 in four bytes, a datagram of 1,200 bytes.
pub fn client_initial(version: Version, dcid: &[u8], scid: &[u8]) -> Initial {
    Initial {
        version,
        client_dcid: dcid.to_vec(),
        dcid: dcid.to_vec(),
        scid: scid.to_vec(),
        is_client: true,
        token: Vec::new(),
        packet_number: 0,
        number_bytes: 4,
        least_bytes: 1200,
    }
}

/// A server's first Initial to the client whose first one went to `client_dcid`, without padding.
pub fn server_initial(version: Version, client_dcid: &[u8], dcid: &[u8], scid: &[u8]) -> Initial {
    Initial {
        client_dcid: client_dcid.to_vec(),
        is_client: false,
        least_bytes: 0,
        ..client_initial(version, dcid, scid)
    }
}

impl Initial {
    /// With a token.
    pub fn token(mut self, token: &[u8]) -> Self {
        self.token = token.to_vec();
        self
    }

    /// With another packet number, written in that many bytes (1 to 4).
    pub fn packet_number(mut self, number: u64, bytes: usize) -> Self {
        (self.packet_number, self.number_bytes) = (number, bytes);
        self
    }

    /// To another destination connection ID than the keys are derived from: that of the server,
    /// once the client knows it.
    pub fn to(mut self, dcid: &[u8]) -> Self {
        self.dcid = dcid.to_vec();
        self
    }

    /// With PADDING frames up to that length of the packet.
    pub fn padded_to(mut self, bytes: usize) -> Self {
        self.least_bytes = bytes;
        self
    }

    /// The packet with these frames.
    pub fn carrying(&self, frames: impl AsRef<[u8]>) -> Vec<u8> {
        let mut header = long(0, self.version, &self.dcid, &self.scid);
        header[0] |= self.number_bytes as u8 - 1;
        header.extend(varint(self.token.len() as u64));
        header.extend(&self.token);
        let fixed = header.len() + 2 + self.number_bytes + TAG_BYTES;
        let mut payload = frames.as_ref().to_vec();
        payload.extend(padding(
            self.least_bytes.saturating_sub(fixed + payload.len()),
        ));
        // The shortest payload that header protection finds a sample in.
        payload.resize(payload.len().max(4 - self.number_bytes), 0);

        // The length always in two bytes.
        let length = (self.number_bytes + payload.len() + TAG_BYTES) as u16;
        header.extend((length | 0x4000).to_be_bytes());
        let number = self.packet_number.to_be_bytes();
        header.extend(&number[8 - self.number_bytes..]);
        self.protect(header, payload)
    }

    fn protect(&self, mut header: Vec<u8>, mut payload: Vec<u8>) -> Vec<u8> {
        let secrets = Secrets::of(self.version);
        let side: &[u8] = if self.is_client {
            b"client in"
        } else {
            b"server in"
        };
        let secret: [u8; 32] = expand(&secrets.extract(&self.client_dcid), side);
        let secret = Hkdf::<Sha256>::from_prk(&secret).expect("32 bytes are a secret");
        let label = |end| format!("{} {end}", secrets.label);
        let key: [u8; 16] = expand(&secret, label("key").as_bytes());
        let iv: [u8; 12] = expand(&secret, label("iv").as_bytes());
        let header_key: [u8; 16] = expand(&secret, label("hp").as_bytes());

        let mut nonce = [0; 16];
        nonce[4..].copy_from_slice(&iv);
        let nonce = u128::from_be_bytes(nonce) ^ u128::from(self.packet_number);
        let tag = seal(key, nonce, &header, &mut payload);
        payload.extend(tag);

        let skipped = 4 - self.number_bytes;
        let sample: [u8; 16] = *payload[skipped..].first_chunk().expect("long enough");
        let mut mask = sample.into();
        Aes128::new(&header_key.into()).encrypt_block(&mut mask);
        header[0] ^= mask[0] & 0x0f;
        let number = header.len() - self.number_bytes;
        for (byte, mask) in header[number..].iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
        }
        [header, payload].concat()
    }
}

/// A Retry in answer to an Initial that went to `original_dcid` (RFC 9001 section 5.8).
pub fn retry(
    version: Version,
    original_dcid: &[u8],
    cids: (&[u8], &[u8]),
    token: &[u8],
) -> Vec<u8> {
    let secrets = Secrets::of(version);
    let (dcid, scid) = cids;
    let mut packet = long(3, version, dcid, scid);
    packet[0] |= 0x0f;
    packet.extend(token);
    let pseudo = [&[original_dcid.len() as u8], original_dcid, &packet].concat();
    let tag = seal(
        secrets.retry_key.to_be_bytes(),
        secrets.retry_nonce,
        &pseudo,
        &mut [],
    );
    packet.extend(tag);
    packet
}

/// Encrypts in place and returns the tag; the nonce is the lower 12 bytes.
fn seal(key: [u8; 16], nonce: u128, associated: &[u8], payload: &mut [u8]) -> [u8; TAG_BYTES] {
    let nonce: [u8; 12] = *nonce.to_be_bytes().last_chunk().expect("16 bytes have 12");
    let cipher = Aes128Gcm::new(&key.into());
    let tag = cipher.encrypt_inout_detached(&nonce.into(), associated, payload.into());
    tag.expect("packets are not that long").into()
}

fn expand<const N: usize>(secret: &Hkdf<Sha256>, label: &[u8]) -> [u8; N] {
    let mut output = [0; N];
    let length = label.len() as u8 + 6;
    let info = [&[0, N as u8, length], &b"tls13 "[..], label, &[0]].concat();
    secret.expand(&info, &mut output).expect("keys are short");
    output
}

impl Secrets {
    /// # Panics
    /// For versions other than 1, 2 and draft-29.
    fn of(version: Version) -> Self {
        let draft = Version::draft(29);
        match version {
            Version::V1 => Self {
                salt: 0x3876_2cf7_f559_34b3_4d17_9ae6_a4c8_0cad,
                salt_end: 0xccbb_7f0a,
                label: "quic",
                retry_key: 0xbe0c_690b_9f66_575a_1d76_6b54_e368_c84e,
                retry_nonce: 0x4615_99d3_5d63_2bf2_2398_25bb,
            },
            Version::V2 => Self {
                salt: 0x0ded_e3de_f700_a6db_8193_81be_6e26_9dcb,
                salt_end: 0xf9bd_2ed9,
                label: "quicv2",
                retry_key: 0x8fb4_b01b_56ac_48e2_60fb_cbce_ad7c_cc92,
                retry_nonce: 0xd869_69bc_2d7c_6d99_90ef_b04a,
            },
            version if version == draft => Self {
                salt: 0xafbf_ec28_9993_d24c_9e97_86f1_9c61_11e0,
                salt_end: 0x4390_a899,
                label: "quic",
                retry_key: 0xccce_187e_d09a_09d0_5728_155a_6cb9_6be1,
                retry_nonce: 0xe549_30f9_7f21_36f0_530a_8c1c,
            },
            other => panic!("no secrets of version {other}"),
        }
    }

    fn extract(&self, client_dcid: &[u8]) -> Hkdf<Sha256> {
        let salt = [&self.salt.to_be_bytes()[..], &self.salt_end.to_be_bytes()].concat();
        Hkdf::new(Some(&salt), client_dcid)
    }
}
