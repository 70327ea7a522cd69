//! `cargo xtask deps`: what the project depends on, held against `deny.toml`.
//!
//! The part of `cargo deny check` that needs nothing but cargo: licences, sources, duplicates (as a
//! report), and versions that their authors have withdrawn. Advisories are not checked: their
//! database is a git repository. Who can reach it runs `cargo deny check`, which reads the same
//! file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use spdx::{Expression, LicenseReq};

use crate::{repository, tool};

/// Check licences, sources and withdrawn versions of all dependencies.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// The part of `deny.toml` that is read here.
#[derive(Deserialize)]
struct Rules {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: BTreeSet<String>,
}

/// The part of `cargo metadata` that is read here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Runs the task.
pub(crate) fn run(_: &Args) -> Result<()> {
    let rules: Rules = toml::from_str(&repository::read("deny.toml")?).context("deny.toml")?;
    let metadata =
        tool::output(tool::cargo().args(["metadata", "--locked", "--format-version", "1"]))?;
    let packages = serde_json::from_str::<Metadata>(&metadata)
        .context("reading cargo metadata")?
        .packages;
    let complaints: Vec<String> = packages
        .iter()
        .flat_map(|package| [rules.licenses.complaint(package), source_complaint(package)])
        .flatten()
        .collect();
    if !complaints.is_empty() {
        bail!(
            "dependencies break the rules of deny.toml:\n{}",
            complaints.join("\n")
        );
    }
    for (name, versions) in duplicates(&packages) {
        println!(
            "note: {name} is there in {} versions: {}",
            versions.len(),
            versions.join(", ")
        );
    }
    refuse_withdrawn(&packages)?;
    println!(
        "{} packages: licences, sources and versions are as deny.toml asks",
        packages.len()
    );
    Ok(())
}

impl Licenses {
    fn complaint(&self, package: &Package) -> Option<String> {
        let Package { name, version, .. } = package;
        let Some(license) = &package.license else {
            return Some(format!("{name} {version} names no licence"));
        };
        let exception = self
            .exceptions
            .iter()
            .find(|exception| exception.name == *name);
        let is_allowed = |required: &LicenseReq| {
            let required = required.to_string();
            self.allow.contains(&required)
                || exception.is_some_and(|exception| exception.allow.contains(&required))
        };
        // Old manifests write `MIT/Apache-2.0`.
        match Expression::parse(&license.replace('/', " OR ")) {
            Err(err) => Some(format!("{name} {version}: licence `{license}`: {err}")),
            Ok(expression) if expression.evaluate(is_allowed) => None,
            Ok(_) => Some(format!(
                "{name} {version}: licence `{license}` is not allowed"
            )),
        }
    }
}

/// Everything comes from this repository or from crates.io.
fn source_complaint(package: &Package) -> Option<String> {
    let source = package.source.as_ref()?;
    let is_allowed = source.starts_with("registry+") && source.ends_with("/crates.io-index");
    (!is_allowed).then(|| format!("{} comes from {source}", package.name))
}

fn duplicates(packages: &[Package]) -> BTreeMap<&str, Vec<&str>> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        versions
            .entry(&package.name)
            .or_default()
            .push(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    versions
}

/// Asks cargo for a lock file with exactly these versions: anew, it takes no withdrawn one.
fn refuse_withdrawn(packages: &[Package]) -> Result<()> {
    let mut manifest = String::from(
        "[package]\nname = \"versions\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n\
         [workspace]\n[dependencies]\n",
    );
    let of_registry = packages.iter().filter(|package| package.source.is_some());
    for (index, Package { name, version, .. }) in of_registry.enumerate() {
        writeln!(
            manifest,
            "d{index} = {{ package = \"{name}\", version = \"={version}\", default-features = false }}"
        )?;
    }
    let folder = repository::root().join("target/deps");
    fs::create_dir_all(&folder).context("making target/deps")?;
    fs::write(folder.join("lib.rs"), "").context("writing target/deps/lib.rs")?;
    fs::write(folder.join("Cargo.toml"), manifest).context("writing target/deps/Cargo.toml")?;
    let mut cargo = tool::cargo();
    cargo
        .current_dir(&folder)
        .args(["generate-lockfile", "--quiet"]);
    tool::run(&mut cargo).context("a version in Cargo.lock was withdrawn (yanked)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(license: &str, source: &str) -> Package {
        Package {
            name: "river".to_owned(),
            version: "1.0.0".to_owned(),
            license: Some(license.to_owned()),
            source: Some(source.to_owned()),
        }
    }

    fn licenses(exceptions: &str) -> Licenses {
        let rules = format!("[licenses]\nallow = [\"MIT\", \"Apache-2.0\"]\n{exceptions}");
        toml::from_str::<Rules>(&rules).unwrap().licenses
    }

    #[test]
    fn licences_are_read_as_expressions() {
        let rules = licenses("");
        let complaint = |license: &str| rules.complaint(&package(license, "")).is_some();
        assert!(!complaint("MIT OR GPL-3.0-only"));
        assert!(!complaint("MIT/Apache-2.0"));
        assert!(complaint("MIT AND GPL-3.0-only"));
        assert!(complaint("GPL-3.0-only"));
        assert!(complaint("nonsense of a licence"));
    }

    #[test]
    fn an_exception_is_for_its_crate_alone() {
        let exception = |name: &str| {
            licenses(&format!(
                "exceptions = [{{ crate = \"{name}\", allow = [\"GPL-3.0-only\"] }}]"
            ))
        };
        let package = package("GPL-3.0-only", "");
        assert_eq!(exception("river").complaint(&package), None);
        assert!(exception("lake").complaint(&package).is_some());
    }

    #[test]
    fn only_crates_io_is_a_source() {
        let complaint = |source: &str| source_complaint(&package("MIT", source)).is_some();
        assert!(!complaint("registry+https://example.org/crates.io-index"));
        assert!(complaint("git+https://example.org/river"));
    }
}
