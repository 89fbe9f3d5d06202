//! What the person sees. Results go to stdout; progress and errors go to stderr.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal, Write};

/// Writes one line of result. Whoever closed the other end wanted no more: that is no error.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Writes a result of many lines.
pub fn text(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Says something beside the result.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says what went wrong.
pub fn fail(error: &anyhow::Error) {
    note(&format!(
        "{} {error:#}",
        paint("31", "error:", &io::stderr())
    ));
}

/// `text` as a heading of the result.
pub fn heading(text: impl fmt::Display) -> String {
    paint("1", text, &io::stdout())
}

/// How something is to be taken.
#[derive(Clone, Copy)]
pub enum Mood {
    Good,
    Warn,
    Bad,
}

/// `text` of the result, coloured by how it is to be taken.
pub fn mood(mood: Mood, text: impl fmt::Display) -> String {
    let code = match mood {
        Mood::Good => "32",
        Mood::Warn => "33",
        Mood::Bad => "31",
    };
    paint(code, text, &io::stdout())
}

/// Clears the terminal for what comes next; what is no terminal gets a line between.
pub fn clear() {
    if io::stdout().is_terminal() {
        let _ = write!(io::stdout(), "\x1b[2J\x1b[H");
    } else {
        line("");
    }
}

/// What an operator's file says, in one line and without what a terminal would obey.
pub fn tame(text: &str) -> String {
    let tame = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(tame).collect()
}

/// Colours on a terminal, unless `NO_COLOR` is there and not empty (no-color.org).
pub fn colours(stream: &impl IsTerminal) -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && stream.is_terminal()
}

fn paint(code: &str, text: impl fmt::Display, stream: &impl IsTerminal) -> String {
    if colours(stream) {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_string()
    }
}

/// Shows how far something is in one line that the next one replaces; on a terminal only.
pub struct Status {
    on: bool,
}

impl Status {
    /// Of stderr.
    pub fn new() -> Self {
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            on: io::stderr().is_terminal() && !dumb,
        }
    }

    /// Replaces the line.
    pub fn show(&self, text: &str) {
        if self.on {
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        self.show("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_file_moves_the_cursor() {
        assert_eq!(tame("é漢 \u{1b}[31m\n"), "é漢 \\u{1b}[31m\\n");
    }
}
