//! The tracepoints: all interfaces of all namespaces at once.

use aya::{
    Btf,
    programs::{BtfTracePoint, RawTracePoint},
};
use netweir_wire::name;

use super::object::Object;
use crate::{Error, error::Chain};

/// The tracepoint that every received frame passes.
const RECEIVE: &str = "netif_receive_skb";
/// The tracepoint that every frame passes that is handed to a device's queue.
const TRANSMIT: &str = "net_dev_queue";

/// Attaches to both tracepoints; the object holds the links.
///
/// Programs that read paged data come first; a kernel before 6.11 takes the others, which count
/// a frame whose headers lie in pages under what can be read of it.
pub(crate) fn attach(object: &mut Object) -> Result<(), Error> {
    if object.paged {
        match attach_paged(object) {
            Ok(()) => return Ok(()),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "paged packets cannot be read at the tracepoints");
            }
        }
    }
    attach_linear(object)
}

fn attach_paged(object: &mut Object) -> Result<(), Error> {
    let types = kernel_types()?;
    for (name, tracepoint) in [
        (name::TRACE_RECEIVE, RECEIVE),
        (name::TRACE_TRANSMIT, TRANSMIT),
    ] {
        let program = object.program(name, |program: &mut BtfTracePoint| {
            program.load(tracepoint, &types)
        })?;
        program.attach().map_err(|source| Error::Program {
            program: name,
            source,
        })?;
    }
    Ok(())
}

/// The running kernel's types, as the loader needs them for typed tracepoints.
pub(super) fn kernel_types() -> Result<Btf, Error> {
    Btf::from_sys_fs().map_err(|error| Error::Btf {
        missing: error.to_string(),
    })
}

fn attach_linear(object: &mut Object) -> Result<(), Error> {
    let both = [
        (name::TRACE_RECEIVE_LINEAR, RECEIVE),
        (name::TRACE_TRANSMIT_LINEAR, TRANSMIT),
    ];
    for (name, tracepoint) in both {
        let program = object.program(name, RawTracePoint::load)?;
        program
            .attach(tracepoint)
            .map_err(|source| Error::Program {
                program: name,
                source,
            })?;
    }
    Ok(())
}
