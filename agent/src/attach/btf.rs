//! Offsets of structure members in the running kernel, from its own type information (BTF).
//!
//! A reader for the little that the tracepoint hook needs: the position of a named member, however
//! deep in anonymous structures and unions. The format is in the kernel's
//! `Documentation/bpf/btf.rst`. The loader's own reader keeps structures to itself.

use std::collections::HashMap;

use netweir_wire::map::SkbOffsets;

use crate::Error;

/// Where the kernel shows its type information.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const KIND_INT: u32 = 1;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;

/// The kernel's types, indexed.
pub(super) struct KernelTypes {
    bytes: Vec<u8>,
    strings: usize,
    /// Offset of each type by its number less one.
    types: Vec<usize>,
    /// Numbers of the named structures and functions.
    named: HashMap<(u32, Vec<u8>), u32>,
}

impl KernelTypes {
    /// Reads the types of the running kernel.
    pub(super) fn of_running_kernel() -> Result<Self, Error> {
        let bytes = std::fs::read(VMLINUX).map_err(|error| Error::Btf {
            missing: format!("{VMLINUX}: {error} (a kernel with CONFIG_DEBUG_INFO_BTF has it)"),
        })?;
        Self::parse(bytes).ok_or_else(|| Error::Btf {
            missing: format!("{VMLINUX} cannot be read"),
        })
    }

    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let mut types = Self {
            bytes,
            strings: 0,
            types: Vec::new(),
            named: HashMap::new(),
        };
        if types.word(0)? & 0xffff != 0xeb9f {
            return None;
        }
        let header = types.word(4)? as usize;
        let (start, length) = (header + types.word(8)? as usize, types.word(12)? as usize);
        types.strings = header + types.word(16)? as usize;
        let mut offset = start;
        while offset < start + length {
            let (kind, members) = types.kind(offset)?;
            types.types.push(offset);
            if matches!(kind, KIND_STRUCT | KIND_FUNC) {
                let name = types.string(types.word(offset)?)?.to_vec();
                let number = types.types.len() as u32;
                types.named.entry((kind, name)).or_insert(number);
            }
            offset += 12 + extra_bytes(kind, members);
        }
        Some(types)
    }

    fn word(&self, offset: usize) -> Option<u32> {
        let bytes = self.bytes.get(offset..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }

    fn kind(&self, offset: usize) -> Option<(u32, usize)> {
        let word = self.word(offset + 4)?;
        Some((word >> 24 & 0x1f, (word & 0xffff) as usize))
    }

    fn string(&self, offset: u32) -> Option<&[u8]> {
        let rest = self.bytes.get(self.strings + offset as usize..)?;
        rest.split(|&byte| byte == 0).next()
    }

    /// The number of a function, as a call from a program needs it.
    pub(super) fn function(&self, name: &str) -> Option<u32> {
        self.named
            .get(&(KIND_FUNC, name.as_bytes().to_vec()))
            .copied()
    }

    /// The offset in bytes of a member; dots lead into members that are structures themselves.
    pub(super) fn offset(&self, structure: &str, path: &str) -> Result<u32, Error> {
        let missing = || Error::Btf {
            missing: format!("{structure}.{path} is not in it"),
        };
        let key = (KIND_STRUCT, structure.as_bytes().to_vec());
        let mut number = *self.named.get(&key).ok_or_else(missing)?;
        let mut bits = 0;
        for name in path.split('.') {
            let (kind, offset) = self
                .member(number, name.as_bytes(), 0)
                .ok_or_else(missing)?;
            (number, bits) = (kind, bits + offset);
        }
        Ok(bits / 8)
    }

    /// Type and bit offset of a member, also one of an anonymous structure or union inside.
    fn member(&self, number: u32, name: &[u8], depth: u32) -> Option<(u32, u32)> {
        let at = *self.types.get(number.checked_sub(1)? as usize)?;
        let (kind, members) = self.kind(at)?;
        match kind {
            _ if depth > 8 => return None,
            KIND_TYPEDEF | KIND_CONST | KIND_VOLATILE => {
                return self.member(self.word(at + 8)?, name, depth + 1);
            }
            KIND_STRUCT | KIND_UNION => {}
            _ => return None,
        }
        // With the flag, the upper byte of an offset is the size of a bit field.
        let mask = if self.word(at + 4)? >> 31 == 1 {
            0x00ff_ffff
        } else {
            u32::MAX
        };
        (0..members).find_map(|index| {
            let at = at + 12 + index * 12;
            let (kind, offset) = (self.word(at + 4)?, self.word(at + 8)? & mask);
            match self.string(self.word(at)?)? {
                [] => {
                    let (kind, inner) = self.member(kind, name, depth + 1)?;
                    Some((kind, offset + inner))
                }
                found => (found == name).then_some((kind, offset)),
            }
        })
    }

    /// The offsets of all fields that the tracepoint hook reads.
    pub(super) fn skb_offsets(&self) -> Result<SkbOffsets, Error> {
        Ok(SkbOffsets {
            dev: self.offset("sk_buff", "dev")?,
            len: self.offset("sk_buff", "len")?,
            data_len: self.offset("sk_buff", "data_len")?,
            mac_header: self.offset("sk_buff", "mac_header")?,
            head: self.offset("sk_buff", "head")?,
            data: self.offset("sk_buff", "data")?,
            end: self.offset("sk_buff", "end")?,
            vlan: self.offset("sk_buff", "vlan_proto")?,
            gso_size: self.offset("skb_shared_info", "gso_size")?,
            ifindex: self.offset("net_device", "ifindex")?,
            kind: self.offset("net_device", "type")?,
            netns: self.offset("net_device", "nd_net.net")?,
            netns_inode: self.offset("net", "ns.inum")?,
        })
    }
}

/// Bytes that follow the twelve which every type begins with.
const fn extra_bytes(kind: u32, members: usize) -> usize {
    match kind {
        KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
        KIND_ARRAY => 12,
        KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => members * 12,
        KIND_ENUM | KIND_FUNC_PROTO => members * 8,
        _ => 0,
    }
}
