//! Where the file of the rules is: who may write there, what may stand beside it, and what no file is.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use netweir_tests::{binary, is_root};

use super::{command::Rules, file::many};

#[test]
fn where_the_disk_is_full_the_old_rules_stay() {
    if !is_root() {
        return;
    }
    let rules = Rules::new();
    let [few, lots] = [("few", 3), ("lots", 1000)]
        .map(|(name, count)| rules.file(&format!("{name}.toml"), &many(name, count)));
    let disk = rules.folder().join("disk");
    fs::create_dir(&disk).unwrap();
    let disk = disk.to_str().unwrap();
    // In a mount namespace of its own, so that nothing is left behind.
    let script = format!(
        "mount -t tmpfs -o size=32k tmpfs {disk} && \
         export NETWEIR_CONFIG=/dev/null NETWEIR_RULES_FILE={disk}/rules.toml && \
         netweir() {{ {} rule \"$@\"; }} && \
         netweir load {few} && netweir export > before && \
         {{ netweir load {lots}; echo \"code $?\"; }} && \
         netweir export | cmp - before && ls {disk} && netweir add more",
        binary().display()
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .current_dir(rules.folder())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let error = format!(
        "netweir: cannot write the rules {disk}/rules.toml: No space left on device (os error 28)\n"
    );
    assert_eq!((output.status.code(), told), (Some(0), error));
    let told = String::from_utf8(output.stdout).unwrap();
    let expected = "there are 3 rules now\ncode 1\nrules.toml\nrules.toml.lock\nrule 4 is added\n";
    assert_eq!(told, expected);
}

#[test]
fn who_may_not_is_told() {
    if !is_root() {
        return;
    }
    let rules = Rules::new();
    rules.told(&["add", "there"]);
    fs::set_permissions(rules.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = rules.folder().join("rules.toml");
    let nobody = |arguments: &[&str]| rules.call(arguments).as_nobody("").finish();
    let listed = nobody(&["list"]);
    assert_eq!(
        (listed.status.code(), listed.output.len()),
        (Some(0), 2),
        "{listed:#?}"
    );
    let line = format!(
        "netweir: cannot lock the rules with {}.lock (changing rules takes root, or another place: \
         --set rules.file=PATH): Permission denied (os error 13)",
        file.display()
    );
    for arguments in [&["add", "more"][..], &["del", "1"], &["del", "--all"]] {
        assert_eq!(nobody(arguments).failure(), (Some(1), vec![&*line]));
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let line = format!(
        "netweir: cannot read the rules {}: Permission denied (os error 13)",
        file.display()
    );
    for arguments in [&["list"][..], &["export"], &["test", "1.1.1.1", "2.2.2.2"]] {
        assert_eq!(nobody(arguments).failure(), (Some(1), vec![&*line]));
    }
}

/// What others may have put beside the file is neither followed nor waited for.
#[test]
fn links_and_pipes_beside_the_file_are_not_used() {
    let rules = Rules::new();
    let victim = rules.file("victim", "mine");
    let beside = |ending: &str| rules.folder().join(format!("rules.toml.{ending}"));
    symlink(&victim, beside("new")).unwrap();
    assert_eq!(rules.typed("add one"), ["rule 1 is added"]);
    fs::remove_file(beside("lock")).unwrap();
    symlink(&victim, beside("lock")).unwrap();
    assert!(
        rules
            .refused(&["add", "two"])
            .starts_with("netweir: cannot lock the rules with ")
    );
    fs::remove_file(beside("lock")).unwrap();
    let pipe = |path: &Path| {
        let made = Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    };
    pipe(&beside("lock"));
    assert!(
        rules
            .refused(&["add", "two"])
            .starts_with("netweir: cannot lock the rules with ")
    );
    fs::remove_file(beside("lock")).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    assert_eq!(rules.typed("list --json").len(), 1);
    let file = rules.folder().join("rules.toml");
    fs::remove_file(&file).unwrap();
    pipe(&file);
    assert!(
        rules
            .refused(&["add", "two"])
            .ends_with("is no file that rules can be kept in")
    );
    assert_eq!(rules.typed("list --json"), [""; 0]);
}

#[test]
fn the_file_may_be_anywhere_but_no_device() {
    let rules = Rules::new();
    let at = |file: &str, arguments: &[&str]| {
        let setting = format!("rules.file={file}");
        let words = [&["--set", &setting, "rule"], arguments].concat();
        netweir_tests::Netweir::new(words).finish()
    };
    let folder = rules.folder().to_str().unwrap();
    // Folders that are missing are made.
    let deep = format!("{folder}/not/there/yet/rules.toml");
    assert_eq!(at(&deep, &["list"]).status.code(), Some(0));
    assert_eq!(at(&deep, &["add", "a"]).output, ["rule 1 is added"]);
    // A link stays one.
    let link = format!("{folder}/link.toml");
    symlink(&deep, &link).unwrap();
    assert_eq!(at(&link, &["add", "b"]).output, ["rule 2 is added"]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(at(&deep, &["list", "--json"]).output.len(), 2);
    for (file, arguments, expected) in [
        (
            folder,
            &["list"][..],
            format!("cannot read the rules {folder}: Is a directory (os error 21)"),
        ),
        (
            folder,
            &["add", "a"],
            format!("{folder} is no file that rules can be kept in"),
        ),
        (
            "/dev/null",
            &["add", "a"],
            "/dev/null is no file that rules can be kept in".into(),
        ),
        (
            "",
            &["list"],
            "rules.file = \"\" (--set): it must be the path of a file".into(),
        ),
    ] {
        let ended = at(file, arguments);
        let line = format!("netweir: {expected}");
        assert_eq!(ended.failure(), (Some(1), vec![&*line]), "{file:?}");
    }
    assert!(!Path::new("/dev/null").is_file());
}
