//! What a load of the object is for.

/// Which packets a load of the object is for.
pub enum Purpose {
    /// TC and XDP on interfaces of the namespace with this inode number.
    Interfaces {
        /// Inode number of the namespace.
        netns: u32,
    },
    /// The inline path, for frames that come by one interface and go on to another one.
    Inline {
        /// Inode number of the namespace.
        netns: u32,
        /// Index of the interface that they come by.
        ifindex: u32,
        /// Index of the one that they go on to.
        other: u32,
        /// Whether they go on behind the driver, and not in it.
        generic: bool,
    },
    /// The tracepoints, for every interface or for those that are watched.
    Tracepoints {
        /// Whether every interface of every namespace is counted.
        any: bool,
    },
}

/// What the programs do beside counting all that they see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Whether the filter is asked that [`Collector::set_filter`](crate::collect::Collector) sets.
    pub filters: bool,
    /// One frame in so many is counted; 1 for every frame.
    pub sampling: u32,
    /// Whether QUIC connection IDs are read by the layouts that
    /// [`Collector::set_layouts`](crate::collect::Collector::set_layouts) sets.
    pub layouts: bool,
    /// Heads of packets that rules may sample on each CPU in a second; 0 for none.
    pub heads_per_second: u32,
}

impl Default for Variant {
    /// Nothing.
    fn default() -> Self {
        Self {
            filters: false,
            sampling: 1,
            layouts: false,
            heads_per_second: 0,
        }
    }
}
