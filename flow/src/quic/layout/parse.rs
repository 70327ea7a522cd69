//! Layouts as one line of text: a preset, then what it is told.

use super::{
    ByteOrder, Field, FieldSource, Guard, Key, Layout, LayoutError, LengthRule, QuicLb, Scope,
};

use ipnet::IpNet;
use std::{net::IpAddr, str::FromStr};

/// Names that are no fields.
const SETTINGS: [&str; 10] = [
    "server",
    "port",
    "version",
    "guard",
    "length",
    "config",
    "server-id",
    "nonce",
    "rotation",
    "key",
];

/// Those of QUIC-LB alone.
const OF_QUIC_LB: [&str; 5] = ["config", "server-id", "nonce", "rotation", "key"];

const A_NET: &str = "an address or a network such as 192.0.2.0/24";
const A_PORT: &str = "a port, 1 to 65535";
const A_VERSION: &str = "a QUIC version such as 1 or 0x6b3343cf";
const A_GUARD: &str = "MASK/VALUE of the first byte, such as 0xc0/0x40";
const A_LENGTH: &str = "bytes such as 8, bytes at least such as 8+, or self5 or self6";
const A_NUMBER: &str = "a number";
const A_KEY: &str = "32 hexadecimal digits";
const A_FIELD: &str = "OFFSET:BITS in bits, OFFSET:BITSle or a field, then >>SHIFT, then %MODULO";

impl Layout {
    /// Reads a line such as `telementry port=443`. One line can be several layouts: mvfst has three.
    ///
    /// # Errors
    /// What cannot be understood, or is wrong.
    pub fn parse(text: &str) -> Result<Vec<Self>, LayoutError> {
        let mut words = text.split_whitespace();
        let preset = words.next().unwrap_or_default();
        let settings = Settings::new(preset, words)?;
        let mut layouts = match preset {
            "telementry" => vec![Self::telementry()],
            "mvfst" => Self::mvfst().to_vec(),
            "nginx" => vec![Self::nginx()],
            "quic-lb" => vec![Self::quic_lb(settings.quic_lb()?)],
            "custom" => vec![Self::custom("custom")],
            _ => return Err(LayoutError::Preset(preset.to_owned())),
        };
        for layout in &mut layouts {
            settings.change(layout)?;
            layout.check()?;
        }
        Ok(layouts)
    }
}

/// What stands behind the preset.
struct Settings<'a> {
    preset: &'a str,
    given: Vec<(&'a str, &'a str)>,
}

impl<'a> Settings<'a> {
    fn new(preset: &'a str, words: impl Iterator<Item = &'a str>) -> Result<Self, LayoutError> {
        let mut given: Vec<(&str, &str)> = Vec::new();
        for word in words {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| LayoutError::Word(word.to_owned()))?;
            if given.iter().any(|(known, _)| *known == key) {
                return Err(LayoutError::Twice(key.to_owned()));
            }
            if OF_QUIC_LB.contains(&key) && preset != "quic-lb" {
                return Err(not_taken(preset, key));
            }
            given.push((key, value));
        }
        Ok(Self { preset, given })
    }

    /// The value of a setting, if it is given, and can be understood.
    fn read<T>(
        &self,
        key: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, LayoutError> {
        let Some((_, value)) = self.given.iter().find(|(known, _)| *known == key) else {
            return Ok(None);
        };
        // What is nearly a key is not repeated either.
        let shown = if key == "key" { "…" } else { value };
        let read = read(value).ok_or_else(|| wrong(key, shown, expected))?;
        Ok(Some(read))
    }

    fn needed<T>(&self, key: &'static str, value: Option<T>) -> Result<T, LayoutError> {
        value.ok_or_else(|| LayoutError::Missing {
            preset: self.preset.to_owned(),
            key,
        })
    }

    fn quic_lb(&self) -> Result<QuicLb, LayoutError> {
        let number = |key| self.read(key, A_NUMBER, parsed);
        let needed = |key| self.needed(key, number(key)?);
        Ok(QuicLb {
            rotation_bits: number("rotation")?.unwrap_or(3),
            config_id: needed("config")?,
            server_id_bytes: needed("server-id")?,
            nonce_bytes: needed("nonce")?,
            key: self.read("key", A_KEY, key)?,
        })
    }

    /// Makes a layout of the preset what the settings say.
    fn change(&self, layout: &mut Layout) -> Result<(), LayoutError> {
        layout.scope = Scope {
            net: self.read("server", A_NET, net)?,
            port: self.read("port", A_PORT, |text| {
                parsed(text).filter(|&port: &u16| port != 0)
            })?,
            version: self.read("version", A_VERSION, |text| {
                number(text).filter(|&v| v != 0)
            })?,
        };
        if let Some(guard) = self.read("guard", A_GUARD, guard)? {
            if layout.guard != Guard::default() {
                return Err(not_taken(self.preset, "guard"));
            }
            layout.guard = guard;
        }
        if let Some(length) = self.read("length", A_LENGTH, length)? {
            layout.length = length;
        } else if self.preset == "custom" {
            return self.needed("length", None);
        }
        for (name, value) in &self.given {
            if SETTINGS.contains(name) {
                continue;
            }
            let field = field(name, value).ok_or_else(|| wrong(name, value, A_FIELD))?;
            match layout.fields.iter_mut().find(|known| known.name == *name) {
                Some(known) => *known = field,
                None => layout.fields.push(field),
            }
        }
        Ok(())
    }
}

fn wrong(key: &str, value: &str, expected: &'static str) -> LayoutError {
    LayoutError::Value {
        key: key.to_owned(),
        value: value.to_owned(),
        expected,
    }
}

fn not_taken(preset: &str, key: &str) -> LayoutError {
    LayoutError::NotTaken {
        preset: preset.to_owned(),
        key: key.to_owned(),
    }
}

/// A field: where its number comes from, then a shift, then a modulo.
fn field(name: &str, text: &str) -> Option<Field> {
    let (text, modulo) = match text.split_once('%') {
        Some((text, modulo)) => (text, parsed(modulo).filter(|&modulo: &u64| modulo != 0)?),
        None => (text, 0),
    };
    let (text, shift) = match text.split_once(">>") {
        Some((text, shift)) => (text, parsed(shift)?),
        None => (text, 0),
    };
    Some(Field {
        name: name.to_owned(),
        source: source(text)?,
        shift,
        modulo,
    })
}

fn source(text: &str) -> Option<FieldSource> {
    let Some((offset, bits)) = text.split_once(':') else {
        return (!text.is_empty()).then(|| FieldSource::Field(text.to_owned()));
    };
    let (bits, order) = match bits.strip_suffix("le") {
        Some(bits) => (bits, ByteOrder::Little),
        None => (bits, ByteOrder::Big),
    };
    Some(FieldSource::Bits {
        offset: parsed(offset)?,
        bits: parsed(bits)?,
        order,
    })
}

fn guard(text: &str) -> Option<Guard> {
    let (mask, value) = text.split_once('/')?;
    Some(Guard {
        mask: number(mask)?.try_into().ok()?,
        value: number(value)?.try_into().ok()?,
    })
}

fn length(text: &str) -> Option<LengthRule> {
    if let Some(bits) = text.strip_prefix("self") {
        return parsed(bits).map(LengthRule::SelfDescribed);
    }
    match text.strip_suffix('+') {
        Some(bytes) => parsed(bytes).map(LengthRule::AtLeast),
        None => parsed(text).map(LengthRule::Exactly),
    }
}

fn key(text: &str) -> Option<Key> {
    let mut key = [0; 16];
    if text.len() != 2 * key.len() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(Key(key))
}

/// An address, IPv4 in the form of IPv6 too, or a network of which only the prefix counts.
fn net(text: &str) -> Option<IpNet> {
    let host = text.parse::<IpAddr>().ok();
    let host = host.map(|host| IpNet::from(host.to_canonical()));
    host.or_else(|| text.parse::<IpNet>().ok().map(|net| net.trunc()))
}

/// A decimal number, or a hexadecimal one behind `0x`.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            u32::from_str_radix(digits, 16).ok()
        }
        Some(_) => None,
        None => parsed(text),
    }
}

/// A decimal number, digits alone.
fn parsed<T: FromStr>(text: &str) -> Option<T> {
    let is_number = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}
