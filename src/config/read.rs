//! From the text of a setting to its type.

use std::{net::SocketAddr, num::IntErrorKind, path::PathBuf, time::Duration};

use anyhow::{anyhow, bail};
use netweir_agent::{
    Choice, Interfaces,
    attach::{HookChoice, TcMode, XdpChoice},
};
use netweir_flow::{Filter, KernelFilter};

use super::LogFormat;
use crate::unit::parse_duration;

pub(super) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

pub(super) fn list<T>(
    text: &str,
    read: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<T>> {
    items(text).map(read).collect()
}

/// Where something is served.
pub(super) fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let expected = "it must be an address and a port, such as 127.0.0.1:3000 or [::1]:3000";
    text.parse().map_err(|_| anyhow!(expected))
}

/// A file that has to be somewhere.
pub(super) fn path(text: &str) -> anyhow::Result<PathBuf> {
    if text.is_empty() {
        bail!("it must be the path of a file");
    }
    Ok(PathBuf::from(text))
}

/// A port; 0 is none.
pub(super) fn port(text: &str) -> anyhow::Result<u16> {
    let port = text.parse().ok().filter(|&port| port != 0);
    port.ok_or_else(|| anyhow!("a port is a number from 1 to 65535"))
}

pub(super) fn within(text: &str, least: u32, most: u32) -> anyhow::Result<u32> {
    match text.parse::<u32>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Err(error) if *error.kind() != IntErrorKind::PosOverflow => {
            bail!("it must be a number between {least} and {most}")
        }
        _ => bail!("it must be between {least} and {most}"),
    }
}

pub(super) fn duration(text: &str) -> anyhow::Result<Duration> {
    let duration = parse_duration(text).map_err(|wrong| anyhow!(wrong))?;
    if duration.is_zero() {
        bail!("it must be more than nothing");
    }
    Ok(duration)
}

pub(super) fn tick(text: &str) -> anyhow::Result<Duration> {
    let tick = duration(text)?;
    if !(Duration::from_millis(100)..=Duration::from_secs(60)).contains(&tick) {
        bail!("it must be between 100ms and 60s");
    }
    Ok(tick)
}

pub(super) fn only(text: &str) -> anyhow::Result<Option<KernelFilter>> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    Ok(Some(Filter::parse(text)?.for_kernel()?))
}

pub(super) fn choice(text: &str) -> anyhow::Result<Choice> {
    let (name, hook) = match text.split_once('=') {
        Some((name, text)) => (name, Some(hook(text)?)),
        None => (text, None),
    };
    let interfaces = match name {
        "" => bail!("an interface has no name"),
        "default" => Interfaces::Default,
        name => Interfaces::parse(name)?,
    };
    Ok(Choice { interfaces, hook })
}

pub(super) fn hook(text: &str) -> anyhow::Result<HookChoice> {
    match text {
        "auto" => Ok(HookChoice::Auto),
        "tc" => Ok(HookChoice::Tc),
        "xdp" => Ok(HookChoice::Xdp),
        "tracepoint" => Ok(HookChoice::Tracepoint),
        _ => bail!("a hook is auto, tc, xdp or tracepoint"),
    }
}

pub(super) fn tc_mode(text: &str) -> anyhow::Result<TcMode> {
    match text {
        "auto" => Ok(TcMode::Auto),
        "tcx" => Ok(TcMode::Tcx),
        "clsact" => Ok(TcMode::Clsact),
        _ => bail!("it is auto, tcx or clsact"),
    }
}

pub(super) fn xdp_choice(text: &str) -> anyhow::Result<XdpChoice> {
    match text {
        "auto" => Ok(XdpChoice::Auto),
        "native" => Ok(XdpChoice::Native),
        "generic" => Ok(XdpChoice::Generic),
        _ => bail!("it is auto, native or generic"),
    }
}

pub(super) fn log_format(text: &str) -> anyhow::Result<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => bail!("it is text or json"),
    }
}
