//! Where things are in the repository.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result};

/// The top of the work tree.
pub(crate) fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// The text of the file at `path`, relative to the top.
pub(crate) fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).with_context(|| format!("reading {path}"))
}

/// Every file below `folder` (relative to the top, as the result is), sorted.
pub(crate) fn files(folder: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(&root().join(folder), &mut files).with_context(|| format!("listing {folder}"))?;
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if let Ok(relative) = path.strip_prefix(root()) {
            files.push(relative.to_owned());
        }
    }
    Ok(())
}
