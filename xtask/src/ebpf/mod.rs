//! `cargo xtask ebpf`: the kernel object, and the proof that it belongs to its sources.
//!
//! Users build with stable Rust alone, so the compiled object is part of the repository
//! (`kernel/netweir.bpf.o`). Beside it lies a [`Digest`] of what it was made of; checking that needs
//! nothing but the files. Building needs the [`Toolchain`] for the kernel programs.

mod digest;
mod source;
mod toolchain;

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::repository;
use digest::Digest;
use toolchain::Toolchain;

const OBJECT: &str = "kernel/netweir.bpf.o";
const DIGEST: &str = "kernel/netweir.bpf.digest";

/// Build the kernel object, or check that the committed one belongs to its sources.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Check the committed object instead of building a new one; needs no kernel toolchain.
    #[arg(long)]
    check: bool,
    /// Also build the object anew and compare; needs the kernel toolchain.
    #[arg(long, requires = "check")]
    rebuild: bool,
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<()> {
    if !args.check {
        return build();
    }
    let committed = check()?;
    if args.rebuild {
        compare(&committed)?;
    }
    Ok(())
}

fn build() -> Result<()> {
    let toolchain = Toolchain::find()?;
    let object = toolchain.build("ebpf")?;
    let digest = Digest {
        sources: source::digest()?,
        object: digest::sha256(&object),
        compiler: toolchain.compiler,
        linker: toolchain.linker,
    };
    write(OBJECT, &object)?;
    write(DIGEST, digest.to_string().as_bytes())?;
    println!("wrote {OBJECT} ({} bytes) and {DIGEST}", object.len());
    Ok(())
}

fn check() -> Result<Digest> {
    let committed: Digest = repository::read(DIGEST)?
        .parse()
        .with_context(|| format!("reading {DIGEST}"))?;
    let object =
        fs::read(repository::root().join(OBJECT)).with_context(|| format!("reading {OBJECT}"))?;
    ensure!(
        digest::sha256(&object) == committed.object,
        "{OBJECT} is not the object that {DIGEST} was written for: run `cargo xtask ebpf` and \
         commit both"
    );
    ensure!(
        source::digest()? == committed.sources,
        "the sources of the kernel programs are not those that {OBJECT} was built from: run \
         `cargo xtask ebpf` and commit {OBJECT} and {DIGEST} (docs/building.md says what that needs)"
    );
    println!("{OBJECT} belongs to its sources");
    Ok(committed)
}

/// Another compiler makes another object of the same sources: then it only has to build.
fn compare(committed: &Digest) -> Result<()> {
    let toolchain = Toolchain::find()?;
    let object = toolchain.build("ebpf-check")?;
    let is_same_toolchain =
        (&toolchain.compiler, &toolchain.linker) == (&committed.compiler, &committed.linker);
    if !is_same_toolchain {
        println!(
            "the kernel programs build, but with {} and {}: {OBJECT} comes from {} and {} and \
             cannot be compared",
            toolchain.compiler, toolchain.linker, committed.compiler, committed.linker
        );
        return Ok(());
    }
    if digest::sha256(&object) != committed.object {
        bail!("{OBJECT} is not what its sources build to: run `cargo xtask ebpf` and commit it");
    }
    println!("{OBJECT} is what its sources build to");
    Ok(())
}

fn write(path: &str, content: &[u8]) -> Result<()> {
    fs::write(repository::root().join(path), content).with_context(|| format!("writing {path}"))
}
