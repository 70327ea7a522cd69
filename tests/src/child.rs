//! The real binary as a child process, whose output is read as it comes.
//!
//! The kernel kills the child when the thread of its test ends, however that ends.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, with its line")]

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{self, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Side, World};

/// How long the program may take to start or to end, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the agent logs when everything is attached.
const METERING: &str = "metering; kernel memory of the maps";
/// The user and group that may nothing.
const NOBODY: &str = "65534";

/// Where there is no file of rules: what this host has is nothing to a test.
const NO_RULES: &str = "/nonexistent/netweir/rules.toml";

/// A call of the program.
#[derive(Debug, Default)]
pub struct Netweir {
    netns: Option<PathBuf>,
    privileges: Option<&'static str>,
    input: Option<Vec<u8>>,
    rules: Option<PathBuf>,
    arguments: Vec<OsString>,
}

impl Netweir {
    /// With these arguments.
    pub fn new<T: Into<OsString>>(arguments: impl IntoIterator<Item = T>) -> Self {
        Self {
            arguments: arguments.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Reports the flows of the near interface as JSON, once, at the end.
    pub fn flows(world: &World, arguments: &[&str]) -> Self {
        let fixed = [
            "flows",
            "--every",
            "1h",
            "--format",
            "json",
            "--iface",
            world.near.interface,
        ];
        Self::new(fixed.iter().chain(arguments).copied())
            .rules(world.rules())
            .netns(&world.near)
    }

    /// Serves the API of the near interface, at a port that the kernel chooses.
    pub fn run(world: &World, arguments: &[&str]) -> Self {
        let fixed = [
            "run",
            "--listen",
            "127.0.0.1:0",
            "--iface",
            world.near.interface,
        ];
        Self::new(fixed.iter().chain(arguments).copied())
            .rules(world.rules())
            .netns(&world.near)
    }

    /// Reads or changes the rules of a world.
    pub fn rule(world: &World, arguments: &[&str]) -> Self {
        Self::new(["rule"].iter().chain(arguments).copied()).rules(world.rules())
    }

    /// Meters in a namespace, from outside.
    pub fn netns(mut self, side: &Side) -> Self {
        self.arguments
            .extend(["--netns".into(), side.netns.path().into()]);
        self
    }

    /// Runs inside a namespace.
    pub fn inside(mut self, side: &Side) -> Self {
        self.netns = Some(side.netns.path());
        self
    }

    /// Runs as a user who may nothing but this: capabilities as `+bpf,+net_admin`, or none.
    pub fn as_nobody(mut self, capabilities: &'static str) -> Self {
        self.privileges = Some(capabilities);
        self
    }

    /// With its rules in this file; without one, there are none.
    pub fn rules(mut self, file: impl Into<PathBuf>) -> Self {
        self.rules = Some(file.into());
        self
    }

    /// With this as its standard input.
    pub fn input(mut self, bytes: Vec<u8>) -> Self {
        self.input = Some(bytes);
        self
    }

    fn command(&self) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(netns) = &self.netns {
            let mut option = OsString::from("--net=");
            option.push(netns);
            words.extend(["nsenter".into(), option]);
        }
        words.extend(["setpriv", "--pdeathsig", "KILL"].map(Into::into));
        if let Some(capabilities) = self.privileges {
            let nobody = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"];
            words.extend(nobody.map(Into::into));
            for set in ["--inh-caps", "--ambient-caps"] {
                let all =
                    ["-all", capabilities].join(if capabilities.is_empty() { "" } else { "," });
                words.extend([set.into(), all.into()]);
            }
        }
        words.extend(["--".into(), binary().into()]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(&self.arguments);
        command
            .env("RUST_LOG", "info")
            .env("NETWEIR_CONFIG", "/dev/null")
            .env(
                "NETWEIR_RULES_FILE",
                self.rules.as_deref().unwrap_or(Path::new(NO_RULES)),
            );
        command
    }

    /// Starts the program.
    ///
    /// # Panics
    /// util-linux is missing.
    pub fn start(self) -> Child {
        let input = if self.input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let mut child = self
            .command()
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("setpriv and nsenter of util-linux");
        let output = Lines::read(child.stdout.take().unwrap());
        let log = Lines::read(child.stderr.take().unwrap());
        if let (Some(mut stdin), Some(bytes)) = (child.stdin.take(), self.input) {
            thread::spawn(move || {
                // A program that ends early does not read everything.
                let _broken_pipe = std::io::Write::write_all(&mut stdin, &bytes);
            });
        }
        Child { child, output, log }
    }

    /// Starts the program, and waits until everything is attached.
    pub fn meter(self) -> Child {
        let child = self.start();
        child.await_log(METERING, 1);
        child
    }

    /// Runs the program until it ends by itself.
    pub fn finish(self) -> Ended {
        self.start().wait()
    }
}

/// The program while it runs.
#[derive(Debug)]
pub struct Child {
    child: process::Child,
    output: Arc<Lines>,
    log: Arc<Lines>,
}

/// What the program left behind.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// Lines of its standard output.
    pub output: Vec<String>,
    /// Lines of its standard error.
    pub log: Vec<String>,
}

impl Child {
    /// Waits until `count` lines of the log have this text, and gives the last of them.
    ///
    /// # Panics
    /// They do not come.
    pub fn await_log(&self, text: &str, count: usize) -> String {
        self.log.wait(text, count)
    }

    /// Waits until a line of the output has this text.
    ///
    /// # Panics
    /// It does not come.
    pub fn await_output(&self, text: &str) -> String {
        self.output.wait(text, 1)
    }

    /// The number of the process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, and waits for the end.
    pub fn end(self, signal: Signal) -> Ended {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the child is there until it is waited for");
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        // Both pipes end with the process.
        let output = self.output.whole();
        let log = self.log.whole();
        let status = self.child.wait().unwrap();
        Ended {
            status,
            output,
            log,
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It has ended unless a test failed.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Ended {
    /// The exit code, and what it printed to standard error apart from the log.
    pub fn failure(&self) -> (Option<i32>, Vec<&str>) {
        let is_told = |line: &&str| line.starts_with("netweir: ");
        (
            self.status.code(),
            self.log
                .iter()
                .map(String::as_str)
                .filter(is_told)
                .collect(),
        )
    }

    /// The closing line, where the program ended well and said nothing else but log lines.
    ///
    /// # Panics
    /// It did not end well.
    pub fn books(&self) -> &str {
        let told = self.closing();
        assert_eq!(told.len(), 1, "{self:#?}");
        told[0]
    }

    /// All closing lines, of which rules have some, where the program ended well.
    ///
    /// # Panics
    /// It did not end well.
    pub fn closing(&self) -> Vec<&str> {
        let (code, told) = self.failure();
        assert_eq!(code, Some(0), "{self:#?}");
        told
    }

    /// Whether a signal ended it that it could not catch.
    pub fn was_killed(&self) -> bool {
        self.status.signal() == Some(Signal::KILL.as_raw())
    }
}

/// The lines of a pipe, as they come.
#[derive(Debug, Default)]
struct Lines {
    state: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

impl Lines {
    fn read(pipe: impl Read + Send + 'static) -> Arc<Self> {
        let lines = Arc::new(Self::default());
        let written = Arc::clone(&lines);
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                written.lock().0.push(line);
                written.changed.notify_all();
            }
            written.lock().1 = true;
            written.changed.notify_all();
        });
        lines
    }

    /// A test that failed while it held the lock left nothing half done.
    fn lock(&self) -> MutexGuard<'_, (Vec<String>, bool)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, text: &str, count: usize) -> String {
        let found = |lines: &[String]| {
            let mut fitting = lines.iter().filter(|line| line.contains(text));
            fitting.nth(count - 1).cloned()
        };
        let state = self.lock();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, PATIENCE, |(lines, ended)| {
                !*ended && found(lines).is_none()
            })
            .unwrap();
        let line = found(&state.0);
        line.unwrap_or_else(|| {
            panic!(
                "no {count} lines with {text:?} came:\n{}",
                state.0.join("\n")
            )
        })
    }

    fn whole(&self) -> Vec<String> {
        let state = self.lock();
        let (mut state, timeout) = self
            .changed
            .wait_timeout_while(state, PATIENCE, |(_, ended)| !*ended)
            .unwrap();
        assert!(
            !timeout.timed_out(),
            "the program does not end:\n{}",
            state.0.join("\n")
        );
        std::mem::take(&mut state.0)
    }
}

/// The binary that a user would start: `NETWEIR_BINARY`, else the one of this build.
pub fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(find_binary).clone()
}

fn find_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("NETWEIR_BINARY") {
        return path.into();
    }
    // Tests are in a folder `deps` beside it.
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("netweir");
    if !path.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--package", "netweir"]);
        // The benchmarks are built so.
        if path
            .parent()
            .is_some_and(|folder| folder.ends_with("release"))
        {
            build.arg("--release");
        }
        let built = build.status().unwrap();
        assert!(built.success(), "`cargo build --package netweir` failed");
    }
    path
}
