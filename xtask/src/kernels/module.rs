//! Kernel modules for a guest: unpacked, each after those that it needs.
//!
//! A module says itself what it needs (`depends=` in its section `.modinfo`), so that nothing has to
//! be asked of `depmod`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What tests and doctor use, and devices whose frames are of interest. Some are built in, and the
/// cloud flavour lacks some. IP tunnels are left out: they put an interface into every namespace.
const WANTED: [&str; 16] = [
    "veth",
    "sch_ingress",
    "cls_bpf",
    "act_bpf",
    "act_gact",
    "tun",
    "8021q",
    "bridge",
    "vxlan",
    "geneve",
    "dummy",
    "sch_netem",
    "sctp",
    "af_packet",
    "virtio_pci",
    "virtio_net",
];

/// A module as a guest loads it.
pub(super) struct Module {
    /// Its name with underscores, as the kernel has it.
    pub(super) name: String,
    /// The unpacked file.
    pub(super) bytes: Vec<u8>,
}

/// The wanted modules below a folder, in an order in which they can be loaded.
///
/// # Errors
/// Fails where a module cannot be unpacked.
pub(super) fn in_order(folder: &Path) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    index(folder, &mut files).with_context(|| format!("listing {}", folder.display()))?;
    let mut modules = Vec::new();
    for name in WANTED {
        add(name, &files, &mut modules)?;
    }
    Ok(modules)
}

/// Every module below a folder, by its name.
fn index(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            index(&path, files)?;
        } else if let Some(name) = path.file_name().and_then(OsStr::to_str).and_then(name_of) {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// The name of the module in a file, which may be packed.
fn name_of(file: &str) -> Option<String> {
    let (name, packing) = file.split_once(".ko")?;
    ["", ".xz", ".zst", ".gz"]
        .contains(&packing)
        .then(|| name.replace('-', "_"))
}

/// Adds a module behind those that it needs; one that is built in has no file.
fn add(name: &str, files: &BTreeMap<String, PathBuf>, modules: &mut Vec<Module>) -> Result<()> {
    let Some(path) = files.get(name) else {
        return Ok(());
    };
    if modules.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let bytes = unpack(path)?;
    for needed in depends(&bytes) {
        add(&needed, files, modules)?;
    }
    modules.push(Module {
        name: name.to_owned(),
        bytes,
    });
    Ok(())
}

fn unpack(path: &Path) -> Result<Vec<u8>> {
    let program = match path.extension().and_then(OsStr::to_str) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).with_context(|| format!("reading {}", path.display())),
    };
    let output = Command::new(program)
        .args(["--decompress", "--stdout", "--quiet"])
        .arg(path)
        .output()
        .with_context(|| format!("starting {program}"))?;
    ensure!(
        output.status.success(),
        "{program} cannot unpack {}",
        path.display()
    );
    Ok(output.stdout)
}

/// Names of the modules that a module needs.
fn depends(module: &[u8]) -> Vec<String> {
    const FIELD: &[u8] = b"depends=";
    let fields = module.split(|&byte| byte == 0);
    let list = fields.filter_map(|field| field.strip_prefix(FIELD)).next();
    let list = String::from_utf8_lossy(list.unwrap_or_default()).replace('-', "_");
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{depends, name_of};

    #[test]
    fn a_module_says_what_it_needs() {
        let module = b"\x7fELF\0license=GPL\0depends=udp_tunnel,ip6-udp-tunnel\0name=vxlan\0";
        assert_eq!(depends(module), ["udp_tunnel", "ip6_udp_tunnel"]);
        assert_eq!(depends(b"\0depends=\0depends=late\0"), [""; 0]);
        assert_eq!(depends(b"\x7fELF"), [""; 0]);
    }

    #[test]
    fn packed_modules_are_found() {
        assert_eq!(
            name_of("ip6-udp-tunnel.ko.xz").as_deref(),
            Some("ip6_udp_tunnel")
        );
        assert_eq!(name_of("veth.ko").as_deref(), Some("veth"));
        assert_eq!(name_of("modules.order"), None);
        assert_eq!(name_of("veth.ko.txt"), None);
    }
}
