//! pcapng: sections of blocks, in which interfaces are described and packets refer to them; [`write`]
//! makes them.
//!
//! After draft-ietf-opsawg-pcapng. Read are section headers, interface descriptions and the three
//! kinds of packet block; every other block is passed over, custom ones included. Each section has
//! its own byte order and its own interfaces.

mod block;
mod interface;
mod options;
mod packet;
mod write;

use crate::error::Error;
use crate::frame::Frame;
use crate::order::ByteOrder;
use crate::source::Source;
use block::Kind;
use interface::Interface;

pub(crate) use block::MAGIC;
pub use write::{DescribedInterface, Packet, Section, whole_blocks};

/// The section that is being read.
pub(crate) struct Pcapng {
    order: ByteOrder,
    /// How many interfaces the sections before had.
    first_interface: u32,
    interfaces: Vec<Interface>,
}

impl Pcapng {
    /// Before the first section, whose header tells the byte order.
    pub(crate) fn new() -> Self {
        Self {
            order: ByteOrder::Big,
            first_interface: 0,
            interfaces: Vec::new(),
        }
    }

    /// Reads blocks up to the next packet; its bytes live in `buffer`.
    pub(crate) fn next_frame<'b>(
        &mut self,
        source: &mut Source,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Frame<'b>>, Error> {
        /// In a section, so that a hostile file cannot grow the list without end.
        const MAX_INTERFACES: usize = 65_536;
        let (piece, packet) = loop {
            let Some((kind, piece)) = block::read(source, &mut self.order, buffer)? else {
                return Ok(None);
            };
            match kind {
                Kind::SectionHeader => self.begin_section(),
                Kind::Interface => {
                    if self.interfaces.len() == MAX_INTERFACES {
                        return Err(piece.malformed("at most 65536 interfaces", 65_537_u32));
                    }
                    self.interfaces
                        .push(Interface::parse(piece, self.order, buffer)?);
                }
                Kind::Packet(packet) => break (piece, packet),
                Kind::Other => {}
            }
        };
        packet::parse(packet, piece, self, buffer).map(Some)
    }

    fn begin_section(&mut self) {
        // The limit per section keeps the count far from the end of the type in any real file.
        let interfaces = self.interfaces.len() as u32;
        self.first_interface = self.first_interface.saturating_add(interfaces);
        self.interfaces.clear();
    }
}
