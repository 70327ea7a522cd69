//! The layouts of a configuration, and what connection IDs name by them.

use super::{
    Cid, CidRoute, CidServer, Layout, LayoutError, LayoutProgram, MAX_CID_BYTES, MAX_LAYOUTS,
    ServerChosen, Undecoded, compile::Compiled,
};
use crate::filter::mapped;
use netweir_wire::map::words;
use std::{fmt, net::SocketAddr};

/// The layouts of a configuration, checked. The default has none.
#[derive(Default)]
pub struct Layouts {
    program: LayoutProgram,
    compiled: Vec<Compiled>,
}

/// What a connection ID names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The name of the layout.
    pub layout: &'a str,
    /// What the kernel programs count by.
    pub route: CidRoute,
    /// Every field of the layout by its name, in the order in which they are said.
    pub fields: Vec<(&'a str, u64)>,
}

impl Layouts {
    /// Takes the layouts of a configuration in the order in which they are asked: the first one that
    /// is for a server, and whose guard agrees, reads its connection IDs.
    ///
    /// # Errors
    /// What is wrong with the first wrong one, or that there are too many.
    pub fn new(layouts: &[Layout]) -> Result<Self, LayoutError> {
        if layouts.len() > MAX_LAYOUTS {
            return Err(LayoutError::TooManyLayouts(layouts.len()));
        }
        let compiled: Vec<Compiled> = layouts
            .iter()
            .map(Layout::compile)
            .collect::<Result<_, _>>()?;
        let mut program = LayoutProgram {
            count: compiled.len() as u32,
            ..LayoutProgram::default()
        };
        for (row, layout) in program.rows.iter_mut().zip(&compiled) {
            *row = layout.row;
        }
        Ok(Self { program, compiled })
    }

    /// The same for the kernel programs, which read neither what is encrypted nor any field but
    /// `backend` and `queue`.
    pub const fn program(&self) -> &LayoutProgram {
        &self.program
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.compiled.is_empty()
    }

    /// The name of the layout that is asked as this one, counted from 0.
    pub fn name(&self, number: usize) -> Option<&str> {
        let layout = self.compiled.get(number)?;
        Some(&layout.name)
    }

    /// What a connection ID that this server chose names, and the number of the layout that says so.
    ///
    /// # Errors
    /// Why it names nothing.
    pub fn route(
        &self,
        server: &CidServer,
        cid: &ServerChosen,
    ) -> Result<(usize, CidRoute), Undecoded> {
        let place = self.program.find(server, cid)?;
        let layout = self.compiled.get(place).ok_or(Undecoded::NoLayout)?;
        let bytes = layout.row.checked_bytes(cid)?;
        let route = layout.row.route(&layout.clear(cid, bytes), bytes)?;
        Ok((place, route))
    }

    /// What a connection ID that this server chose names.
    ///
    /// # Errors
    /// Why it names nothing.
    pub fn decode(&self, server: &CidServer, cid: &ServerChosen) -> Result<Decoded<'_>, Undecoded> {
        let place = self.program.find(server, cid)?;
        let layout = self.compiled.get(place).ok_or(Undecoded::NoLayout)?;
        let bytes = layout.row.checked_bytes(cid)?;
        let clear = layout.clear(cid, bytes);
        let mut fields = Vec::with_capacity(layout.fields.len());
        for (name, field) in &layout.fields {
            if let Some(number) = field.read(&clear, bytes)? {
                fields.push((name.as_str(), number));
            }
        }
        Ok(Decoded {
            layout: &layout.name,
            route: layout.row.route(&clear, bytes)?,
            fields,
        })
    }
}

/// Their names alone: keys are never shown.
impl fmt::Debug for Layouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.compiled.iter().map(|layout| &layout.name);
        f.debug_list().entries(names).finish()
    }
}

impl Compiled {
    /// A connection ID of this layout, of which so many bytes may be read, in the clear.
    fn clear(&self, cid: &ServerChosen, bytes: u8) -> ServerChosen {
        let Some(cipher) = &self.cipher else {
            return *cid;
        };
        let mut text: [u8; MAX_CID_BYTES] = cid.cid().to_bytes();
        cipher.decrypt(&mut text);
        cid.decrypted(Cid::open(text, bytes))
    }
}

/// A server as layouts ask about it; without a version where the packet does not say it.
pub fn cid_server(server: SocketAddr, version: Option<u32>) -> CidServer {
    CidServer {
        address: words(mapped(server.ip())),
        port: server.port(),
        version: version.unwrap_or_default(),
    }
}
