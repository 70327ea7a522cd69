//! A terminal whose contents are drawn anew in place.

use std::io::{self, IsTerminal, Write};

use crossterm::{
    cursor::MoveTo,
    queue,
    style::Print,
    terminal::{self, Clear, ClearType},
};

/// Lines that are kept free: title, what is sampled, heading, summary, and the cursor.
const OTHER_LINES: usize = 5;

/// Standard output, if it is a terminal.
pub(crate) struct Screen;

impl Screen {
    /// The terminal, if standard output is one.
    pub(crate) fn of_stdout() -> Option<Self> {
        io::stdout().is_terminal().then_some(Self)
    }

    /// How many rows of a report fit.
    pub(crate) fn rows(&self) -> usize {
        let (_, lines) = self.size();
        lines.saturating_sub(OTHER_LINES).max(1)
    }

    fn size(&self) -> (usize, usize) {
        terminal::size().map_or((80, 24), |(columns, lines)| (columns.into(), lines.into()))
    }

    /// Draws lines of text; what does not fit is cut off.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub(crate) fn draw(&self, text: &str) -> io::Result<()> {
        let (columns, lines) = self.size();
        let mut out = io::stdout().lock();
        queue!(out, MoveTo(0, 0))?;
        for line in text.lines().take(lines.saturating_sub(1)) {
            let line: String = line.chars().take(columns).collect();
            queue!(
                out,
                Print(line),
                Clear(ClearType::UntilNewLine),
                Print("\r\n")
            )?;
        }
        queue!(out, Clear(ClearType::FromCursorDown))?;
        out.flush()
    }
}
