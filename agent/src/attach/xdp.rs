//! XDP: native where the driver can, else generic. Receive only.

use aya::programs::{Xdp, XdpMode, xdp::XdpLink};
use netweir_flow::Hook;
use netweir_wire::name;

use super::{AttachedLink, Attachment, object::Object};
use crate::{Error, watch::Device};

/// How programs are put into XDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpChoice {
    /// In the driver if it can, else behind it; TC where neither works.
    #[default]
    Auto,
    /// In the driver or nothing.
    Native,
    /// Behind the driver or nothing.
    Generic,
}

/// Attaches to the receive path of a device, the best way that works.
pub(super) fn attach(
    object: &mut Object,
    device: &Device,
    choice: XdpChoice,
) -> Result<Attachment, Error> {
    let ways = [
        (name::XDP, XdpMode::Driver, Hook::XdpNative),
        (name::XDP_ASKING, XdpMode::Driver, Hook::XdpNative),
        (name::XDP_LINEAR, XdpMode::Driver, Hook::XdpNative),
        (name::XDP, XdpMode::Skb, Hook::XdpGeneric),
        (name::XDP_ASKING, XdpMode::Skb, Hook::XdpGeneric),
        (name::XDP_LINEAR, XdpMode::Skb, Hook::XdpGeneric),
    ];
    let mut last = Error::Missing { name: name::XDP };
    for (name, mode, hook) in ways {
        let is_wanted = match choice {
            XdpChoice::Auto => true,
            XdpChoice::Native => hook == Hook::XdpNative,
            XdpChoice::Generic => hook == Hook::XdpGeneric,
        };
        if !is_wanted {
            continue;
        }
        match attach_one(object, device, name, mode) {
            Ok(link) => {
                return Ok(Attachment {
                    hook,
                    programs: vec![name],
                    links: vec![AttachedLink::Xdp(link)],
                });
            }
            Err(error) => last = error,
        }
        tracing::debug!(interface = device.name, program = name, ?mode, error = %last, "not so");
    }
    Err(last)
}

fn attach_one(
    object: &mut Object,
    device: &Device,
    name: &'static str,
    mode: XdpMode,
) -> Result<XdpLink, Error> {
    let program = object.program(name, Xdp::load)?;
    let attached = program
        .attach_to_if_index(device.ifindex, mode)
        .and_then(|link| program.take_link(link));
    attached.map_err(|source| Error::Attach {
        interface: device.name.clone(),
        hook: "xdp",
        source,
    })
}
