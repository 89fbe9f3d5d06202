//! What the person sees. Results go to stdout, so that `$(cargo xtask envoy)` is a path; progress and
//! errors go to stderr.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal, Write};

/// Writes one line of result.
pub fn line(text: &str) {
    write_line(&mut io::stdout(), text);
}

/// Says what is being done.
pub fn note(text: &str) {
    write_line(&mut io::stderr(), text);
}

/// Says, in one line, what went wrong.
pub fn fail(error: &anyhow::Error) {
    let label = paint(Paint::Red, "error:", colours(&io::stderr()));
    write_line(&mut io::stderr(), &format!("{label} {error:#}"));
}

/// In one write, so that lines of several processes do not run into each other. Whoever closed the other
/// end wanted no more: that is no error.
fn write_line(stream: &mut impl Write, text: &str) {
    let _ = stream.write_all(format!("{text}\n").as_bytes());
}

/// Shows what runs at the moment in one line that the next one replaces; on a terminal only.
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
            let text: String = text
                .trim()
                .chars()
                .filter(|c| !c.is_control())
                .take(76)
                .collect();
            let _ = write!(io::stderr(), "\r\x1b[K  {text}");
        }
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        if self.on {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// The colours in use.
#[derive(Clone, Copy)]
pub enum Paint {
    /// What is well.
    Green,
    /// What failed.
    Red,
    /// A heading.
    Bold,
}

/// `text` for stdout, in colour where colours are wanted.
pub fn painted(paint: Paint, text: impl fmt::Display) -> String {
    self::paint(paint, text, colours(&io::stdout()))
}

fn paint(paint: Paint, text: impl fmt::Display, colours: bool) -> String {
    let code = match paint {
        Paint::Green => 32,
        Paint::Red => 31,
        Paint::Bold => 1,
    };
    if colours {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_string()
    }
}

/// Colours on a terminal, unless `NO_COLOR` is there and not empty (no-color.org).
fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
