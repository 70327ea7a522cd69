//! What was typed behind `rule`.

use std::path::PathBuf;

use clap::Subcommand;
use netweir_flow::rule::Field;

use super::FormatArgs;

/// What to do with rules.
#[derive(Debug, Subcommand)]
pub enum RuleCommand {
    /// Add a rule: all that it states has to hold for a packet.
    #[command(after_help = "Examples:\n  \
        netweir rule add payments --destination 10.1.0.0/16 --destination-port 443 --both-ways\n  \
        netweir rule add suspect --source 203.0.113.7 --action drop\n  \
        netweir rule add dns --protocol udp --destination-port 53 --action 'sample 100'\n\n\
        The rule lasts in `rules.file`; a running netweir follows within a quarter of a tick.")]
    Add(RuleAddArgs),
    /// Remove rules.
    #[command(visible_alias = "delete")]
    Del {
        /// Their numbers.
        #[arg(required_unless_present_any = ["label", "all"], value_name = "NUMBER")]
        numbers: Vec<u16>,
        /// All that give this label.
        #[arg(long, value_name = "LABEL", conflicts_with = "numbers")]
        label: Option<String>,
        /// All of them.
        #[arg(long, conflicts_with_all = ["numbers", "label"])]
        all: bool,
    },
    /// List the rules, those that are asked first in front.
    List(FormatArgs),
    /// Put the rules of a file (TOML, as `export` writes it) in the place of all, or none of them if one
    /// is wrong.
    Load {
        /// The file; `-` for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Write all rules as a file that `load` reads.
    Export,
    /// Say which rule decides about a packet, and why.
    #[command(after_help = "Examples:\n  \
        netweir rule test 203.0.113.7:5000 10.1.2.3:443\n  \
        netweir rule test [2001:db8::1]:5000 [2001:db8::2]:53 --protocol udp --direction out\n  \
        netweir rule test 10.0.0.1 10.0.0.2 --protocol icmp --json")]
    Test(RuleTestArgs),
}

/// A rule as it is typed.
#[derive(Debug, clap::Args)]
pub struct RuleAddArgs {
    /// The name of this part of the traffic: 1 to 64 letters, digits and . _ : / -
    #[arg(value_name = "LABEL")]
    pub label: String,
    /// What is done with the packets: count, drop, tap (on the inline path: by user space), or 'sample N'
    /// (in quotes) for the head of one in N.
    #[arg(long, default_value = "count", value_name = "ACTION")]
    pub action: String,
    /// Where packets come from: an address or a network.
    #[arg(long, value_name = "NETWORK")]
    pub source: Option<String>,
    /// Where they go.
    #[arg(long, value_name = "NETWORK")]
    pub destination: Option<String>,
    /// The IP protocol, by name or number.
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<String>,
    /// The source port, or a range such as 80-90.
    #[arg(long, value_name = "PORTS")]
    pub source_port: Option<String>,
    /// The destination port, or a range.
    #[arg(long, value_name = "PORTS")]
    pub destination_port: Option<String>,
    /// Also what goes the other way: ends and direction exchanged.
    #[arg(long)]
    pub both_ways: bool,
    /// The name of the interface.
    #[arg(long, short = 'i', value_name = "NAME")]
    pub interface: Option<String>,
    /// Which way packets go, seen from the host.
    #[arg(long, value_name = "in|out")]
    pub direction: Option<String>,
    /// The VLAN identifier on either tag; 0 for no tag.
    #[arg(long, value_name = "VLAN")]
    pub vlan: Option<String>,
    /// The backend that the QUIC connection ID names (see `quic.layouts`).
    #[arg(long, value_name = "NUMBER")]
    pub backend: Option<String>,
    /// Of rules whose prefixes are as long, that with the highest priority decides.
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub priority: Option<String>,
}

impl RuleAddArgs {
    /// What was typed, by the fields of a rule.
    pub fn fields(&self) -> Vec<(Field, String)> {
        let typed = [
            (Field::Label, Some(&self.label)),
            (Field::Action, Some(&self.action)),
            (Field::Source, self.source.as_ref()),
            (Field::Destination, self.destination.as_ref()),
            (Field::Protocol, self.protocol.as_ref()),
            (Field::SourcePort, self.source_port.as_ref()),
            (Field::DestinationPort, self.destination_port.as_ref()),
            (Field::Interface, self.interface.as_ref()),
            (Field::Direction, self.direction.as_ref()),
            (Field::Vlan, self.vlan.as_ref()),
            (Field::Backend, self.backend.as_ref()),
            (Field::Priority, self.priority.as_ref()),
        ];
        let typed = typed.into_iter();
        let mut fields: Vec<_> = typed
            .filter_map(|(field, text)| Some((field, text?.clone())))
            .collect();
        fields.push((Field::BothWays, self.both_ways.to_string()));
        fields
    }
}

/// A packet that rules are asked about.
#[derive(Debug, clap::Args)]
pub struct RuleTestArgs {
    /// Where it comes from: an address, with a port or without.
    #[arg(value_name = "SOURCE[:PORT]")]
    pub source: String,
    /// Where it goes.
    #[arg(value_name = "DESTINATION[:PORT]")]
    pub destination: String,
    /// Its IP protocol, by name or number; tcp unless said.
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<String>,
    /// Its interface; without it, no rule that names one matches.
    #[arg(long, short = 'i', value_name = "NAME")]
    pub interface: Option<String>,
    /// in (unless said) or out, seen from the host.
    #[arg(long, value_name = "in|out")]
    pub direction: Option<String>,
    /// Its VLAN identifier; none unless said.
    #[arg(long, value_name = "VLAN")]
    pub vlan: Option<String>,
    /// The backend that its QUIC connection ID names; without it, no rule that names one matches.
    #[arg(long, value_name = "NUMBER")]
    pub backend: Option<String>,
    /// How it looks.
    #[command(flatten)]
    pub format: FormatArgs,
}
