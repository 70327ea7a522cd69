//! Where this machine gets its packages from: what its apt sources say of the archive.
//!
//! Only the archive of the running release is of interest: its other suites have the other kernels.
//! Both formats are read, `sources.list(5)` tells of them: one line an entry, or stanzas (deb822).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const APT: &str = "/etc/apt";
const OS_RELEASE: &str = "/etc/os-release";

/// The archive that a suite lies in, and who signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Archive {
    uri: String,
    suites: Vec<String>,
    /// The value of `Signed-By`, with its continuation lines; apt's own keyring if there is none.
    signed_by: Option<String>,
}

impl Archive {
    /// The archive of this machine that has, or would have, `suite`: security updates are apart.
    ///
    /// # Errors
    /// Fails where no source of apt is the archive of the running release.
    pub(super) fn of_machine(suite: &str) -> Result<Self> {
        let text = fs::read_to_string(OS_RELEASE).context("reading /etc/os-release")?;
        let codename = codename(&text).context("no VERSION_CODENAME in /etc/os-release")?;
        let mut wanted = codename.to_owned();
        if suite.ends_with("-security") {
            wanted += "-security";
        }
        let archives = read_all(Path::new(APT))?;
        let archive = archives
            .into_iter()
            .find(|archive| archive.suites.contains(&wanted));
        archive.with_context(|| format!("no source in /etc/apt has the suite {wanted}"))
    }

    /// The text of a source of apt for another suite of this archive.
    pub(super) fn stanza(&self, suite: &str) -> String {
        let mut text = format!(
            "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\nArchitectures: amd64\n",
            self.uri
        );
        if let Some(signed_by) = &self.signed_by {
            text += &format!("Signed-By: {signed_by}\n");
        }
        text
    }
}

fn codename(os_release: &str) -> Option<&str> {
    let value = os_release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    value.map(|value| value.trim_matches('"'))
}

/// The archives of all files that apt would read in `folder`.
fn read_all(folder: &Path) -> Result<Vec<Archive>> {
    let mut files = vec![folder.join("sources.list")];
    if let Ok(entries) = fs::read_dir(folder.join("sources.list.d")) {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let mut archives = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let read = || fs::read_to_string(file).with_context(|| format!("{}", file.display()));
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => archives.extend(read()?.lines().filter_map(parse_line)),
            Some("sources") => archives.extend(parse_stanzas(&read()?)),
            _ => {}
        }
    }
    Ok(archives)
}

/// `deb [signed-by=KEYRING …] URI SUITE COMPONENT…`
fn parse_line(line: &str) -> Option<Archive> {
    let rest = line.trim().strip_prefix("deb")?;
    // `deb-src` is no source of packages.
    let rest = rest.starts_with(char::is_whitespace).then(|| rest.trim())?;
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    let signed_by = options
        .split_whitespace()
        .find_map(|option| option.strip_prefix("signed-by="));
    words.any(|component| component == "main").then(|| Archive {
        uri: uri.to_owned(),
        suites: vec![suite.to_owned()],
        signed_by: signed_by.map(str::to_owned),
    })
}

fn parse_stanzas(text: &str) -> Vec<Archive> {
    let is_kept = |line: &&str| !line.starts_with('#');
    let lines: Vec<&str> = text.lines().filter(is_kept).collect();
    let stanzas = lines.split(|line| line.trim().is_empty());
    stanzas.filter_map(parse_stanza).collect()
}

fn parse_stanza(lines: &[&str]) -> Option<Archive> {
    let words = |name| -> Vec<String> {
        let value = field(lines, name).unwrap_or_default();
        value.split_whitespace().map(str::to_owned).collect()
    };
    let has = |name, word: &str| words(name).iter().any(|one| one == word);
    let is_on = field(lines, "Enabled").is_none_or(|value| value.trim() != "no");
    if !is_on || !has("Types", "deb") || !has("Components", "main") {
        return None;
    }
    Some(Archive {
        uri: words("URIs").into_iter().next()?,
        suites: words("Suites"),
        signed_by: field(lines, "Signed-By"),
    })
}

/// The value of a field, whose name may be spelled in any case, with its continuation lines.
fn field(lines: &[&str], name: &str) -> Option<String> {
    let value_of = |line: &str| {
        let (found, value) = line.split_once(':')?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    };
    let (at, first) = lines
        .iter()
        .enumerate()
        .find_map(|(at, line)| Some((at, value_of(line)?)))?;
    let is_continued = |line: &&&str| line.starts_with([' ', '\t']);
    let continued = lines[at + 1..].iter().take_while(is_continued);
    Some(continued.fold(first, |value, line| format!("{value}\n{line}")))
}

#[cfg(test)]
mod tests {
    use super::{Archive, codename, parse_line, parse_stanzas};

    fn archive(uri: &str, suites: &[&str], signed_by: Option<&str>) -> Archive {
        Archive {
            uri: uri.to_owned(),
            suites: suites.iter().map(|&suite| suite.to_owned()).collect(),
            signed_by: signed_by.map(str::to_owned),
        }
    }

    #[test]
    fn a_line_is_read() {
        let plain = parse_line("deb http://one.example/debian bookworm main contrib");
        assert_eq!(
            plain,
            Some(archive("http://one.example/debian", &["bookworm"], None))
        );
        let signed = parse_line("deb [arch=amd64 signed-by=/k.gpg] http://two.example x main");
        assert_eq!(
            signed,
            Some(archive("http://two.example", &["x"], Some("/k.gpg")))
        );
    }

    #[test]
    fn other_lines_are_passed_over() {
        for line in [
            "",
            "# deb http://one.example bookworm main",
            "deb-src http://one.example bookworm main",
            "deb http://one.example bookworm contrib",
            "deb http://one.example",
            "deb [broken http://one.example bookworm main",
        ] {
            assert_eq!(parse_line(line), None, "{line}");
        }
    }

    #[test]
    fn stanzas_are_read() {
        let text = "Types: deb deb-src\n# a remark\nURIs: http://one.example/debian\n\
                    Suites: bookworm bookworm-updates\nComponents: main\nsigned-by: /k.gpg\n\n\
                    Types: deb\nURIs: http://two.example\nSuites: bookworm-security\n\
                    Components: main\nSigned-By:\n -----BEGIN\n .\n -----END\n\n\n\
                    Types: deb-src\nURIs: http://three.example\nSuites: x\nComponents: main\n\n\
                    Types: deb\nEnabled: no\nURIs: http://four.example\nSuites: x\n\
                    Components: main\n";
        let expected = [
            archive(
                "http://one.example/debian",
                &["bookworm", "bookworm-updates"],
                Some("/k.gpg"),
            ),
            archive(
                "http://two.example",
                &["bookworm-security"],
                Some("\n -----BEGIN\n .\n -----END"),
            ),
        ];
        assert_eq!(parse_stanzas(text), expected);
    }

    #[test]
    fn another_suite_has_the_same_archive_and_key() {
        let stanza = archive("http://one.example", &["bookworm"], Some("/k.gpg")).stanza("sid");
        assert_eq!(
            stanza,
            "Types: deb\nURIs: http://one.example\nSuites: sid\nComponents: main\n\
             Architectures: amd64\nSigned-By: /k.gpg\n"
        );
        assert_eq!(
            parse_stanzas(&stanza),
            [archive("http://one.example", &["sid"], Some("/k.gpg"))]
        );
    }

    #[test]
    fn the_release_is_named() {
        assert_eq!(
            codename("ID=debian\nVERSION_CODENAME=\"trixie\"\n"),
            Some("trixie")
        );
        assert_eq!(codename("ID=arch\n"), None);
    }
}
