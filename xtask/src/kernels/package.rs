//! The kernels as Debian packages: found and fetched by an apt that is this task's own.
//!
//! Source list, state and cache of it lie in `target/kernels/`; of the system's apt it takes the
//! archive, the keys and how to get there (a proxy). Unpacked kernels stay there for the next run.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use super::{Absent, Series, archive::Archive};
use crate::tool;

/// Packages that together are a kernel. Since 7.0 the first only depends on the others.
const PARTS: [&str; 3] = ["linux-image-", "linux-binary-", "linux-modules-"];
const FLAVOUR: &str = "-cloud-amd64";

/// A kernel, unpacked.
pub(super) struct Kernel {
    /// As `uname -r` has it.
    pub(super) release: String,
    /// The image that the machine boots.
    pub(super) image: PathBuf,
    /// The folder of its modules.
    pub(super) modules: PathBuf,
}

/// The kernel of a series, fetched if it is not there.
///
/// # Errors
/// [`Absent`] where no suite has it, or the archive cannot be reached.
pub(super) fn kernel(series: &Series, folder: &Path) -> Result<Kernel> {
    let unpacked = folder.join("root");
    if !unpacked.exists() {
        fetch(series, folder, &unpacked)?;
    }
    unpacked_kernel(&unpacked).with_context(|| format!("looking into {}", unpacked.display()))
}

/// Tries one suite after the other, so that only the lists of one are loaded as a rule.
fn fetch(series: &Series, folder: &Path, unpacked: &Path) -> Result<()> {
    let mut reasons = Vec::new();
    for &suite in series.suites {
        let apt = Apt {
            folder: folder.join("apt"),
        };
        let fetched = apt.fetch(series.name, suite, unpacked);
        // Lists and packages are of no use any more, and large.
        remove(&apt.folder)?;
        match fetched {
            Ok(()) => return Ok(()),
            Err(error) => reasons.push(format!("{suite}: {error:#}")),
        }
    }
    Err(anyhow!(Absent {
        series: series.name,
        reason: reasons.join("; "),
    }))
}

/// A private apt.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn fetch(&self, series: &str, suite: &str, unpacked: &Path) -> Result<()> {
        println!("fetching a kernel {series} from the suite {suite}");
        let archive = Archive::of_machine(suite)?;
        remove(&self.folder)?;
        for folder in ["state/lists/partial", "cache/archives/partial", "packages"] {
            fs::create_dir_all(self.folder.join(folder))?;
        }
        fs::write(self.folder.join("archive.sources"), archive.stanza(suite))?;
        fs::write(self.folder.join("status"), "")?;
        self.run("apt-get", &["update", "--quiet=2"])?;
        let names = self.run("apt-cache", &["pkgnames", "linux-"])?;
        let release = newest(series, names.lines())
            .context("the suite has no cloud kernel of this series")?;
        let packages: Vec<String> = PARTS.map(|part| format!("{part}{release}")).into();
        let there = packages
            .iter()
            .filter(|package| names.lines().any(|name| name == *package));
        let there: Vec<&str> = there.map(String::as_str).collect();
        self.run(
            "apt-get",
            &[&["download", "--quiet=2"], &there[..]].concat(),
        )?;
        self.unpack(unpacked)
    }

    /// Unpacks what was downloaded; the folder appears when it is complete.
    fn unpack(&self, unpacked: &Path) -> Result<()> {
        let partial = unpacked.with_extension("partial");
        remove(&partial)?;
        for entry in fs::read_dir(self.folder.join("packages"))? {
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("--extract").arg(entry?.path()).arg(&partial);
            tool::output(&mut unpack)?;
        }
        fs::rename(&partial, unpacked).context("keeping the unpacked kernel")
    }

    /// Runs a program of apt on the private state, and returns what it printed.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(program);
        let places = [
            ("Dir::State", "state"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
            ("Dir::Etc::sourcelist", "archive.sources"),
        ];
        for (name, place) in places {
            let mut option = format!("{name}=").into_bytes();
            option.extend(self.folder.join(place).as_os_str().as_encoded_bytes());
            command
                .arg("-o")
                .arg(String::from_utf8_lossy(&option).as_ref());
        }
        // Nobody else may write here, so that a user of apt's own could not either.
        for option in [
            "Dir::Etc::sourceparts=-",
            "APT::Architecture=amd64",
            "APT::Sandbox::User=root",
            "Acquire::Languages=none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
        ] {
            command.args(["-o", option]);
        }
        let output = command
            .args(arguments)
            .env("LC_ALL", "C")
            .current_dir(self.folder.join("packages"))
            .output()
            .with_context(|| format!("starting {program}"))?;
        let told = String::from_utf8_lossy(&output.stderr);
        if told.contains("NO_PUBKEY") {
            bail!(
                "no key of this suite is in the keyring (package debian-archive-keyring): {told}"
            );
        }
        if !output.status.success() {
            bail!("{program} {}: {}", arguments.join(" "), told.trim());
        }
        String::from_utf8(output.stdout).with_context(|| format!("reading what {program} prints"))
    }
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}

/// The release of the newest cloud kernel of a series among the names of packages.
fn newest<'a>(series: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let release = |name: &'a str| {
        let release = name.strip_prefix(PARTS[0])?;
        let rest = release.strip_suffix(FLAVOUR)?.strip_prefix(series)?;
        rest.starts_with('.').then_some(release)
    };
    names
        .filter_map(release)
        .max_by_key(|release| numbers(release))
}

/// The numbers in a release: those of a rebuild for an older Debian (`0.deb11.5`) sort lowest.
fn numbers(release: &str) -> Vec<u64> {
    let words = release.split(|letter: char| !letter.is_ascii_digit());
    words.filter_map(|word| word.parse().ok()).collect()
}

fn unpacked_kernel(unpacked: &Path) -> Result<Kernel> {
    let boot = unpacked.join("boot");
    // Newer packages keep the image beside the modules.
    for modules in ["lib/modules", "usr/lib/modules"] {
        let Ok(mut entries) = fs::read_dir(unpacked.join(modules)) else {
            continue;
        };
        let modules = entries.next().context("no modules")??.path();
        let release = modules.file_name().and_then(OsStr::to_str);
        let release = release.context("no release")?.to_owned();
        let images = [
            boot.join(format!("vmlinuz-{release}")),
            modules.join("vmlinuz"),
        ];
        let image = images.into_iter().find(|image| image.is_file());
        return Ok(Kernel {
            release,
            image: image.context("no image of the kernel")?,
            modules,
        });
    }
    bail!("no modules of a kernel")
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn the_newest_release_of_a_series_is_taken() {
        let names = [
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-50-cloud-amd64",
            "linux-image-6.1.0-0.deb11.52-cloud-amd64",
            "linux-image-6.1.0-50-cloud-amd64-dbg",
            "linux-image-6.1.0-51-cloud-amd64-unsigned",
            "linux-image-6.1-cloud-amd64",
            "linux-image-6.12.94+deb13-cloud-amd64",
            "linux-image-6.12.107+deb13-cloud-amd64",
            "linux-image-6.12.108+deb13-amd64",
            "linux-headers-6.12.109+deb13-cloud-amd64",
        ];
        let found = |series| newest(series, names.into_iter());
        assert_eq!(found("6.1"), Some("6.1.0-50-cloud-amd64"));
        assert_eq!(found("6.12"), Some("6.12.107+deb13-cloud-amd64"));
        assert_eq!(found("5.10"), None);
    }
}
