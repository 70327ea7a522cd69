//! The sub-commands, one file each.

mod attach;
mod capture;
mod completions;
mod config;
mod demo;
mod doctor;
mod flows;
mod inline;
mod interfaces;
mod man;
mod map;
mod quic;
mod replay;
mod rule;
mod run;
mod status;

use crate::{
    args::{Args, By, Command, FlowsArgs, Group, MapCommand},
    config::Layers,
    foreign::escaped_lines,
    log, report,
};

/// What is logged of a command whose report is on the same terminal.
const QUIET: &str = "warn";

/// What is logged of a command that serves.
const TALKING: &str = "info";

/// What is printed of an error: its causes too, and nothing that is an order to the terminal, whatever
/// files and interfaces are called.
pub fn complaint(error: &anyhow::Error) -> String {
    escaped_lines(&format!("{error:#}"))
}

/// Runs what was typed.
///
/// # Errors
/// Whatever the command could not do, with what it was doing.
pub fn run(args: Args) -> anyhow::Result<()> {
    let layers = Layers::read(&args)?;
    let default = match args.command {
        Command::Run(_) | Command::Demo(_) | Command::Inline(_) => TALKING,
        _ => QUIET,
    };
    log::start(layers.config()?.log_format, default);
    match args.command {
        Command::Run(args) => {
            let config = layers
                .with_meter(&args.meter)?
                .with_listen(&args.listen)?
                .config()?;
            run::run(&config)
        }
        Command::Flows(args) => run_flows(layers, &args),
        Command::Ip(args) => {
            let config = layers.with_meter(&args.meter)?.config()?;
            flows::run(
                &config,
                &report::View::new(By::Ip, &args.view)?,
                &args.every,
            )
        }
        Command::Quic(args) => {
            let config = layers.with_meter(&args.meter)?.config()?;
            if args.events {
                return quic::events(&config, args.view.format());
            }
            quic::run(
                &config,
                &report::View::new(By::Quic, &args.view)?,
                &args.every,
            )
        }
        Command::Capture(args) => capture::run(&layers.with_meter(&args.meter)?.config()?, &args),
        Command::Inline(args) => inline::run(&layers.with_inline(&args)?.config()?, &args),
        Command::Interfaces(args) => interfaces::run(&args),
        Command::Replay(args) => replay::run(&layers.config()?, &args),
        Command::Demo(args) => demo::run(&layers.with_listen(&args.listen)?.config()?, &args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Rule { command } => rule::run(&layers.config()?, &command),
        Command::Attach(args) => attach::attach(&layers.with_attach(&args)?.config()?, &args),
        Command::Detach(args) => attach::detach(&layers.config()?, &args),
        Command::Map {
            command: MapCommand::Dump(args),
        } => map::run(&layers.config()?, &args),
        Command::Status(args) => status::run(&layers.config()?, args.view.format()),
        Command::Config => config::run(&layers),
        Command::Completions { shell } => completions::run(shell),
        Command::Man { folder } => man::run(&folder),
    }
}

fn run_flows(layers: Layers, args: &FlowsArgs) -> anyhow::Result<()> {
    let config = layers.with_meter(&args.meter)?.config()?;
    if args.records {
        return flows::records(&config);
    }
    let by = if args.accounting {
        By::Accounting
    } else if let Some(Group::Label) = args.group {
        By::Label
    } else if args.connections {
        By::Connection
    } else {
        By::Flow
    };
    flows::run(&config, &report::View::new(by, &args.view)?, &args.every)
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn an_error_orders_nothing() {
        let name = "a\u{1b}[31mb.pcapng";
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = anyhow::Error::new(missing).context(format!("cannot open {name}"));
        let expected = "cannot open a\\x1b[31mb.pcapng: entity not found";
        assert_eq!(complaint(&error), expected);
        let glob = netweir_agent::Interfaces::parse("e\u{1b}[31mth[0").expect_err("no pattern");
        let said = complaint(&glob.into());
        assert!(
            !said.contains('\u{1b}') && said.matches("\\x1b").count() > 1,
            "{said}"
        );
        let several = anyhow::anyhow!("not all could be read:\n  a\n  b");
        assert_eq!(complaint(&several), "not all could be read:\n  a\n  b");
    }
}
