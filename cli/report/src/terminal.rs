//! Terminal output. Results go to stdout, progress and errors to stderr, so that a result can be piped.
//!
//! Each line is one write, so that lines of several processes are not mixed. A closed pipe is not an error: its reader
//! needs no more output.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// The width of a progress line.
const STATUS_WIDTH: usize = 78;

/// Writes one line of the result.
pub fn line(text: &str) {
    self::text(&format!("{text}\n"));
}

/// Writes a result of many lines.
pub fn text(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Writes one line of progress or explanation to stderr.
pub fn note(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Writes an error with its causes in one line.
pub fn error(error: impl Display) {
    let label = paint(Style::Red, "error:", has_color(&io::stderr()));
    note(&format!("{label} {error:#}"));
}

/// How a text is emphasized.
#[derive(Clone, Copy)]
pub enum Style {
    /// A heading.
    Bold,
    Green,
    Yellow,
    Red,
}

/// Returns `text` for stdout, with a style where stdout takes colors.
pub fn styled(style: Style, text: impl Display) -> String {
    paint(style, text, has_color(&io::stdout()))
}

fn paint(style: Style, text: impl Display, has_color: bool) -> String {
    let code = match style {
        Style::Bold => 1,
        Style::Green => 32,
        Style::Yellow => 33,
        Style::Red => 31,
    };
    if has_color {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_string()
    }
}

/// Whether a stream takes colors: a terminal does, unless `NO_COLOR` is set and not empty (no-color.org).
pub fn has_color(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Clears the terminal; writes an empty line where stdout is not one.
pub fn clear() {
    if io::stdout().is_terminal() {
        text("\x1b[2J\x1b[H");
    } else {
        line("");
    }
}

/// Escapes the control characters of a text that comes from a file or a server, so that it cannot move the cursor.
pub fn escape(text: &str) -> String {
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// A progress line on stderr that the next one replaces. It appears on terminals only, and disappears on drop.
pub struct Status {
    is_shown: bool,
}

impl Status {
    /// Creates an empty progress line.
    #[expect(
        clippy::new_without_default,
        reason = "creating one reads the environment"
    )]
    pub fn new() -> Self {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            is_shown: io::stderr().is_terminal() && !is_dumb,
        }
    }

    /// Replaces the line.
    pub fn show(&self, text: &str) {
        if self.is_shown {
            let text = text.trim().chars().filter(|c| !c.is_control());
            let text: String = text.take(STATUS_WIDTH).collect();
            let _ = io::stderr().write_all(format!("\r\x1b[K{text}").as_bytes());
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
    fn control_characters_are_escaped() {
        assert_eq!(escape("é漢 \u{1b}[31m\n"), "é漢 \\u{1b}[31m\\n");
    }
}
