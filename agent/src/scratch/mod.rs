//! Networks of one's own: namespaces and virtual Ethernet pairs that nobody else sees.
//!
//! `netweir doctor` tries the hooks there, `netweir demo` shows itself there, and the tests send
//! their traffic there. The namespaces come from [`Netns::anonymous`](crate::Netns::anonymous):
//! they have no name in the file system, and what is in them ends with them.

mod link;
mod offload;
mod socket;
mod trial;

pub use link::{add_address, set_loopback_up, veth, veth_with_queues};
pub use offload::{set_merging, set_offloads};
pub use socket::FrameSocket;
pub use trial::{Tried, try_hook, try_sockets};
