//! The tracepoint hook: one load of the programs for all namespaces.

use crate::{
    Error,
    attach::{Object, Purpose, attach_tracepoints},
    collect::Collector,
    settings::Settings,
};

/// The tracepoint programs and their maps.
pub(crate) struct Tracer {
    object: Option<Object>,
    pub(crate) collector: Collector,
}

impl Tracer {
    /// Loads and attaches.
    pub(crate) fn open(settings: &Settings) -> Result<Self, Error> {
        let purpose = Purpose::Tracepoints {
            any: settings.trace_any,
        };
        let (mut object, collector) = settings.load(&purpose)?;
        attach_tracepoints(&mut object)?;
        Ok(Self {
            object: Some(object),
            collector,
        })
    }

    /// Detaches; what was counted can still be drained.
    pub(crate) fn detach(&mut self) {
        self.object = None;
    }
}
