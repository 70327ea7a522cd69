//! `netweir interfaces`: what can be metered, and how.

use std::io::{self, Write};

use netweir_agent::{
    Netns,
    attach::hooks,
    watch::{Device, list},
};

use crate::{
    args::{Format, InterfacesArgs},
    report::{Cells, json_lines, write_csv, write_table},
    unit,
};

/// An interface as JSON has it.
#[derive(serde::Serialize)]
struct Interface {
    interface: String,
    ifindex: u32,
    netns: u32,
    netns_name: Option<String>,
    up: bool,
    mtu: u32,
    /// Hooks that it can be metered at; none for a link type that cannot be read.
    hooks: Vec<&'static str>,
    /// The kernel's own counters since the interface exists.
    received_packets: u64,
    received_bytes: u64,
    sent_packets: u64,
    sent_bytes: u64,
}

pub(super) fn run(args: &InterfacesArgs) -> anyhow::Result<()> {
    let namespaces = if args.netns.is_empty() {
        vec![Netns::current()?]
    } else {
        args.netns
            .iter()
            .map(|name| Netns::from_choice(name))
            .collect::<Result<_, _>>()?
    };
    let mut interfaces = Vec::new();
    for netns in &namespaces {
        interfaces.extend(
            list(netns)?
                .into_iter()
                .map(|device| interface(netns, device)),
        );
    }
    let mut out = io::stdout().lock();
    match args.format {
        Format::Json => json_lines(interfaces.iter(), &mut out)?,
        Format::Csv => write_csv(&lines(&interfaces, |bytes| bytes.to_string()), &mut out)?,
        Format::Table => write_table(&lines(&interfaces, unit::bytes), &mut out)?,
    }
    out.flush()?;
    Ok(())
}

fn interface(netns: &Netns, device: Device) -> Interface {
    Interface {
        hooks: hooks(&device),
        interface: device.name,
        ifindex: device.ifindex,
        netns: netns.inode(),
        netns_name: netns.name().map(ToOwned::to_owned),
        up: device.up,
        mtu: device.mtu,
        received_packets: device.statistics.received_frames,
        received_bytes: device.statistics.received_bytes,
        sent_packets: device.statistics.sent_frames,
        sent_bytes: device.statistics.sent_bytes,
    }
}

fn lines(interfaces: &[Interface], bytes: impl Fn(u64) -> String) -> Cells {
    let columns = [
        "INTERFACE",
        "NETNS",
        "STATE",
        ">MTU",
        "HOOKS",
        ">PACKETS RECEIVED",
        ">BYTES RECEIVED",
        ">PACKETS SENT",
        ">BYTES SENT",
    ];
    let rows = interfaces.iter().map(|interface| {
        let hooks = interface.hooks.join(" ");
        vec![
            interface.interface.clone(),
            interface.netns_name.clone().unwrap_or_else(|| "-".into()),
            if interface.up { "up" } else { "down" }.to_owned(),
            interface.mtu.to_string(),
            if hooks.is_empty() {
                "none".into()
            } else {
                hooks
            },
            interface.received_packets.to_string(),
            bytes(interface.received_bytes),
            interface.sent_packets.to_string(),
            bytes(interface.sent_bytes),
        ]
    });
    Cells::new(&columns, rows.collect())
}
