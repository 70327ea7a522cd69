//! `cargo xtask ebpf`: the kernel objects, and the proof that they belong to their sources.
//!
//! Users build with stable Rust alone, so the compiled objects are part of the repository
//! (`kernel/netweir.bpf.o`, and `kernel/bench.bpf.o` for the benchmarks). Beside each lies a
//! [`Digest`] of what it was made of; checking that needs nothing but the files. Building needs the [`Toolchain`] for the kernel programs.

mod digest;
mod source;
mod toolchain;

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::repository;
use digest::Digest;
use toolchain::Toolchain;

/// An object: a binary of the package `netweir-kernel`.
struct Object {
    /// The binary's name; the object is `kernel/<name>.bpf.o`.
    name: &'static str,
    /// Files and folders that it is made of, apart from what all are made of.
    sources: &'static [&'static str],
}

const OBJECTS: [Object; 2] = [
    Object {
        name: "netweir",
        sources: &["wire/Cargo.toml", "wire/src", "kernel/src"],
    },
    // What the benchmarks compare with.
    Object {
        name: "bench",
        sources: &["kernel/bench"],
    },
];

/// Build the kernel objects, or check that the committed ones belong to their sources.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Check the committed objects instead of building new ones; needs no kernel toolchain.
    #[arg(long)]
    check: bool,
    /// Also build the objects anew and compare; needs the kernel toolchain.
    #[arg(long, requires = "check")]
    rebuild: bool,
}

/// Runs the task.
pub(crate) fn run(args: &Args) -> Result<()> {
    if !args.check {
        return build();
    }
    let committed: Vec<Digest> = OBJECTS.iter().map(Object::check).collect::<Result<_>>()?;
    if !args.rebuild {
        return Ok(());
    }
    let toolchain = Toolchain::find()?;
    let built = toolchain.build("ebpf-check")?;
    for (object, committed) in OBJECTS.iter().zip(&committed) {
        object.compare(committed, &built.object(object.name)?, &toolchain)?;
    }
    Ok(())
}

fn build() -> Result<()> {
    let toolchain = Toolchain::find()?;
    let built = toolchain.build("ebpf")?;
    for object in &OBJECTS {
        let content = built.object(object.name)?;
        let digest = Digest {
            sources: source::digest(object.sources)?,
            object: digest::sha256(&content),
            compiler: toolchain.compiler.clone(),
            linker: toolchain.linker.clone(),
        };
        let (path, digest_path) = (object.path(), object.digest_path());
        write(&path, &content)?;
        write(&digest_path, digest.to_string().as_bytes())?;
        println!("wrote {path} ({} bytes) and {digest_path}", content.len());
    }
    Ok(())
}

impl Object {
    fn path(&self) -> String {
        format!("kernel/{}.bpf.o", self.name)
    }

    fn digest_path(&self) -> String {
        format!("kernel/{}.bpf.digest", self.name)
    }

    fn check(&self) -> Result<Digest> {
        let (path, digest_path) = (self.path(), self.digest_path());
        let committed: Digest = repository::read(&digest_path)?
            .parse()
            .with_context(|| format!("reading {digest_path}"))?;
        let content =
            fs::read(repository::root().join(&path)).with_context(|| format!("reading {path}"))?;
        ensure!(
            digest::sha256(&content) == committed.object,
            "{path} is not the object that {digest_path} was written for: run `cargo xtask ebpf` \
             and commit both"
        );
        ensure!(
            source::digest(self.sources)? == committed.sources,
            "the sources of the kernel programs are not those that {path} was built from: run \
             `cargo xtask ebpf` and commit {path} and {digest_path} (docs/building.md says what \
             that needs)"
        );
        println!("{path} belongs to its sources");
        Ok(committed)
    }

    /// Another compiler makes another object of the same sources: then it only has to build.
    fn compare(&self, committed: &Digest, built: &[u8], toolchain: &Toolchain) -> Result<()> {
        let path = self.path();
        let is_same_toolchain =
            (&toolchain.compiler, &toolchain.linker) == (&committed.compiler, &committed.linker);
        if !is_same_toolchain {
            println!(
                "the kernel programs build, but with {} and {}: {path} comes from {} and {} and \
                 cannot be compared",
                toolchain.compiler, toolchain.linker, committed.compiler, committed.linker
            );
            return Ok(());
        }
        if digest::sha256(built) != committed.object {
            bail!("{path} is not what its sources build to: run `cargo xtask ebpf` and commit it");
        }
        println!("{path} is what its sources build to");
        Ok(())
    }
}

fn write(path: &str, content: &[u8]) -> Result<()> {
    fs::write(repository::root().join(path), content).with_context(|| format!("writing {path}"))
}
