//! `netweir doctor`: what this machine can do, each hook by trying it, and the fix for the rest.

use std::{
    fs,
    io::{self, Write},
};

use netweir_agent::{
    Netns,
    attach::{HookChoice, TcMode, hooks},
    scratch::{Tried, try_hook, try_sockets},
    watch::list,
};

use crate::{
    args::{DoctorArgs, Format},
    report::{Cells, json_lines, write_csv, write_table},
};

/// The oldest kernel that is meant to work.
const OLDEST: (u32, u32) = (5, 10);

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// As it should be.
    Good,
    /// Something works less well, or only a part of it.
    Limited,
    /// It does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(serde::Serialize)]
struct Check {
    check: String,
    verdict: Verdict,
    found: String,
    /// What to do about it; empty where all is good.
    fix: String,
}

impl Check {
    fn new(check: &str, verdict: Verdict, found: impl Into<String>, fix: &str) -> Self {
        let fix = if verdict == Verdict::Good { "" } else { fix };
        Self {
            check: check.to_owned(),
            verdict,
            found: found.into(),
            fix: fix.to_owned(),
        }
    }
}

pub(super) fn run(args: &DoctorArgs) -> anyhow::Result<()> {
    let mut checks = vec![kernel(), privilege(), types(), compiler(), bpffs()];
    let permitted = checks.iter().all(|check| check.verdict != Verdict::Bad);
    let tried = if permitted { try_hooks() } else { Vec::new() };
    let any_hook = tried.iter().any(|check| check.verdict != Verdict::Bad);
    checks.extend(tried);
    if permitted {
        checks.push(sockets());
    }
    checks.extend(interfaces());
    let mut out = io::stdout().lock();
    match args.format {
        Format::Json => json_lines(checks.iter(), &mut out)?,
        Format::Csv => write_csv(&cells(&checks), &mut out)?,
        Format::Table => write_table(&cells(&checks), &mut out)?,
    }
    out.flush()?;
    anyhow::ensure!(
        any_hook,
        "nothing can be metered here yet; the lines above say what to do"
    );
    Ok(())
}

fn cells(checks: &[Check]) -> Cells {
    let rows = checks.iter().map(|check| {
        let verdict = match check.verdict {
            Verdict::Good => "good",
            Verdict::Limited => "limited",
            Verdict::Bad => "BAD",
        };
        vec![
            check.check.clone(),
            verdict.to_owned(),
            check.found.clone(),
            check.fix.clone(),
        ]
    });
    Cells::new(&["CHECK", "VERDICT", "FOUND", "FIX"], rows.collect())
}

fn kernel() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|number| number.trim().parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let verdict = if version >= OLDEST {
        Verdict::Good
    } else {
        Verdict::Bad
    };
    Check::new(
        "kernel",
        verdict,
        release.trim(),
        "Linux 5.10 or later is needed",
    )
}

/// Capabilities by their number in `linux/capability.h`.
const NEEDED: [(u32, &str); 3] = [(12, "CAP_NET_ADMIN"), (38, "CAP_PERFMON"), (39, "CAP_BPF")];

fn privilege() -> Check {
    /// `CAP_SYS_ADMIN` holds all the others that are needed.
    const SYS_ADMIN: u32 = 21;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = line
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let has = |number: u32| mask >> number & 1 == 1;
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(number, _)| !(has(*number) || has(SYS_ADMIN) && *number != 12))
        .map(|(_, name)| *name)
        .collect();
    let fix = "run it as root (sudo), or give the binary CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; \
               `netweir replay` works without";
    match missing.as_slice() {
        [] if has(SYS_ADMIN) => Check::new("privilege", Verdict::Good, "all that is needed", fix),
        [] => Check::new(
            "privilege",
            Verdict::Limited,
            "enough for this namespace; CAP_SYS_ADMIN is missing",
            "other network namespaces, and trying hooks here, need CAP_SYS_ADMIN",
        ),
        missing => {
            let found = format!("{} missing", missing.join(", "));
            Check::new("privilege", Verdict::Bad, found, fix)
        }
    }
}

fn types() -> Check {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    let (verdict, found) = match fs::metadata(PATH) {
        Ok(file) => (Verdict::Good, format!("{PATH}, {} KiB", file.len() / 1024)),
        Err(error) => (Verdict::Limited, format!("{PATH}: {error}")),
    };
    let fix = "tracepoints and `netweir inline` need a kernel with CONFIG_DEBUG_INFO_BTF=y; TC and XDP do not";
    Check::new("kernel types (BTF)", verdict, found, fix)
}

fn compiler() -> Check {
    const PATH: &str = "/proc/sys/net/core/bpf_jit_enable";
    // Where the compiler cannot be switched off, only root may see that it is on.
    let (verdict, found) = match fs::read_to_string(PATH) {
        Ok(value) if value.trim() == "0" => (Verdict::Limited, "programs are interpreted"),
        Ok(_) => (Verdict::Good, "programs are compiled"),
        Err(_) => (Verdict::Good, "not said"),
    };
    Check::new(
        "BPF compiler",
        verdict,
        found,
        "sysctl net.core.bpf_jit_enable=1",
    )
}

fn bpffs() -> Check {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounted = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some("bpf"));
    let place = mounted.and_then(|line| line.split(' ').nth(1));
    match place {
        Some(place) => Check::new("bpffs", Verdict::Good, format!("mounted on {place}"), ""),
        None => Check::new(
            "bpffs",
            Verdict::Limited,
            "not mounted; `netweir attach` and `netweir inline` need it",
            "mount -t bpf bpf /sys/fs/bpf",
        ),
    }
}

fn try_hooks() -> Vec<Check> {
    let ways = [
        (
            "hook tc (TCX)",
            HookChoice::Tc,
            TcMode::Tcx,
            "needs Linux 6.6; older kernels use clsact",
        ),
        (
            "hook tc (clsact)",
            HookChoice::Tc,
            TcMode::Clsact,
            "needs CONFIG_NET_CLS_BPF",
        ),
        (
            "hook xdp",
            HookChoice::Xdp,
            TcMode::Auto,
            "needs a driver with XDP, or generic XDP",
        ),
        (
            "hook tracepoint",
            HookChoice::Tracepoint,
            TcMode::Auto,
            "needs BTF and CAP_PERFMON",
        ),
    ];
    ways.into_iter()
        .map(|(name, hook, tc, fix)| match try_hook(hook, tc) {
            Ok(Tried {
                hook,
                counted,
                sent,
            }) => {
                let verdict = if counted == sent {
                    Verdict::Good
                } else {
                    Verdict::Limited
                };
                let found = format!("{hook}: counted {counted} of {sent} frames");
                Check::new(
                    name,
                    verdict,
                    found,
                    "please report this, with the kernel's version",
                )
            }
            Err(error) => {
                let found = format!("{:#}", anyhow::Error::new(error));
                Check::new(name, Verdict::Bad, found, fix)
            }
        })
        .collect()
}

fn sockets() -> Check {
    let (verdict, found) = match try_sockets() {
        Ok(()) => (
            Verdict::Good,
            "tapped frames can go by user space".to_owned(),
        ),
        Err(error) => (Verdict::Limited, format!("{:#}", anyhow::Error::new(error))),
    };
    let fix = "`netweir inline` needs a kernel with CONFIG_XDP_SOCKETS=y; other commands do not";
    Check::new("AF_XDP sockets", verdict, found, fix)
}

fn interfaces() -> Vec<Check> {
    let devices = Netns::current().and_then(|netns| list(&netns));
    let devices = match devices {
        Ok(devices) => devices,
        Err(error) => {
            let fix = "is netlink allowed here (seccomp, containers)?";
            return vec![Check::new(
                "interfaces",
                Verdict::Bad,
                error.to_string(),
                fix,
            )];
        }
    };
    let check = |device| {
        let hooks = hooks(device);
        let verdict = if hooks.is_empty() {
            Verdict::Limited
        } else {
            Verdict::Good
        };
        let found = match hooks.as_slice() {
            [] => format!("link type {} cannot be read", device.kind),
            hooks => format!("can be metered by {}", hooks.join(", ")),
        };
        Check::new(&format!("interface {}", device.name), verdict, found, "")
    };
    devices.iter().map(check).collect()
}
