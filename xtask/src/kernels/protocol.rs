//! What a guest says on its serial port, as the results of tests.
//!
//! Markers are lines that begin with `@netweir`; `init.sh` writes them. All other lines are the
//! output of the test between whose markers they stand.

/// A test that ended, or that the guest was in when it stopped.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// Test program and name of the test.
    pub(super) name: String,
    /// Its exit code; `None` while it runs.
    pub(super) code: Option<i32>,
    /// How long it ran.
    pub(super) seconds: f64,
    /// What it printed.
    pub(super) output: Vec<String>,
}

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// The kernel as it calls itself.
    pub(super) release: String,
    /// Tests that began, in order.
    pub(super) runs: Vec<Run>,
    /// Lines before the first test.
    pub(super) preface: Vec<String>,
    /// Whether all tests were run.
    pub(super) done: bool,
}

impl Transcript {
    /// Takes the next line.
    pub(super) fn push(&mut self, line: &str) {
        let line = line.trim_end_matches(['\r', '\n']);
        let Some(marker) = line.strip_prefix("@netweir ") else {
            let lines = match self.runs.last_mut() {
                None => &mut self.preface,
                Some(run) => &mut run.output,
            };
            lines.push(line.to_owned());
            return;
        };
        let mut words = marker.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("release"), Some(release), None) => release.clone_into(&mut self.release),
            (Some("begin"), Some(uptime), Some(suite)) => self.runs.push(Run {
                name: [suite]
                    .into_iter()
                    .chain(words)
                    .collect::<Vec<_>>()
                    .join(" "),
                code: None,
                seconds: uptime.parse().unwrap_or_default(),
                output: Vec::new(),
            }),
            (Some("end"), Some(uptime), Some(code)) => self.end(uptime, code),
            (Some("done"), None, _) => self.done = true,
            _ => {}
        }
    }

    fn end(&mut self, uptime: &str, code: &str) {
        if let Some(run) = self.runs.last_mut().filter(|run| run.code.is_none()) {
            let began = run.seconds;
            run.seconds = uptime.parse().map_or(0.0, |ended: f64| ended - began);
            run.code = code.parse().ok();
            // `init.sh` has ended the last line.
            if run.output.last().is_some_and(String::is_empty) {
                run.output.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Run, Transcript};

    fn read(text: &str) -> Transcript {
        let mut transcript = Transcript::default();
        text.lines().for_each(|line| transcript.push(line));
        transcript
    }

    #[test]
    fn results_are_read() {
        let text = "module x cannot be loaded\r\n@netweir release 5.10.0-1-cloud-amd64\r\n\
                    @netweir begin 1.50 kernel load::one\r\nhello\r\n\r\n@netweir end 3.75 0\r\n\
                    @netweir begin 4.00 net two\r\nno end of line\r\n\r\n\
                    @netweir end 4.25 101\r\n@netweir done\r\n";
        let transcript = read(text);
        let run = |name: &str, code, seconds, output: &str| Run {
            name: name.to_owned(),
            code: Some(code),
            seconds,
            output: vec![output.to_owned()],
        };
        assert_eq!(
            transcript.runs,
            [
                run("kernel load::one", 0, 2.25, "hello"),
                run("net two", 101, 0.25, "no end of line"),
            ]
        );
        assert_eq!(transcript.release, "5.10.0-1-cloud-amd64");
        assert_eq!(transcript.preface, ["module x cannot be loaded"]);
        assert!(transcript.done);
    }

    #[test]
    fn a_guest_that_stops_leaves_its_test_open() {
        let transcript = read("@netweir begin 1 kernel one\nso far\n@netweir");
        assert_eq!(transcript.runs[0].code, None);
        assert_eq!(transcript.runs[0].output, ["so far", "@netweir"]);
        assert!(!transcript.done);
    }

    #[test]
    fn an_end_without_a_beginning_is_nothing() {
        let transcript = read("@netweir end 1 0\n@netweir what is this\n@netweir begin\n");
        assert_eq!(transcript.runs, []);
    }
}
