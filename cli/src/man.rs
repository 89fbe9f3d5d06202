//! `evenkeel man`: manual pages, from the same declarations that parse the command line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Command;
use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use evenkeel_report::terminal;

use crate::cli::NAME;

const EXAMPLES: &str = "\
Examples:
  evenkeel man | man -l -
      Show the main page
  evenkeel man simulate | man -l -
      Show the page of one command
  evenkeel man --dir ~/.local/share/man/man1
      Install all pages, for `man evenkeel-simulate`";

/// The exit codes of all commands.
const EXIT_STATUS: [(&str, &str); 3] = [
    ("0", "Success."),
    (
        "1",
        "An error was found or occurred; details are on stderr or in the output.",
    ),
    (
        "2",
        "The command line is invalid, or a file cannot be read.",
    ),
];

/// Write a manual page to stdout, or all pages to a directory
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The command whose page to write [default: the main page]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Vec<String>,
    /// Write all pages to this directory, as evenkeel.1, evenkeel-simulate.1 and so on
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes the manual pages of `command`.
///
/// # Errors
/// A usage error for an unknown command; or when the directory cannot be written.
pub fn run(args: &Args, command: Command) -> Result<()> {
    let mut root = command.disable_help_subcommand(true);
    root.build();
    let Some(dir) = &args.dir else {
        let command = args.command.iter().try_fold(&root, named)?;
        terminal::text(&page(command)?);
        return Ok(());
    };
    fs::create_dir_all(dir)
        .map_err(anyhow::Error::from)
        .and_then(|()| write(&root, dir))
        .with_context(|| format!("cannot write the manual to {}", dir.display()))
}

/// Writes the pages of `command` and its subcommands.
fn write(command: &Command, dir: &Path) -> Result<()> {
    let name = Man::new(command.clone()).get_filename();
    fs::write(dir.join(name), page(command)?)?;
    command
        .get_subcommands()
        .try_for_each(|below| write(below, dir))
}

fn named<'a>(above: &'a Command, name: &String) -> Result<&'a Command> {
    above.find_subcommand(name).ok_or_else(|| {
        let names: Vec<_> = above.get_subcommands().map(Command::get_name).collect();
        let choose = match names.as_slice() {
            [] => format!("`{}` has none", above.get_name()),
            names => format!("choose from {}", names.join(", ")),
        };
        let message = format!("there is no command {name}: {choose}\n");
        clap::Error::raw(ErrorKind::InvalidValue, message).into()
    })
}

/// The page of one command. The examples of `--help` keep their layout.
fn page(command: &Command) -> Result<String> {
    let examples = command.get_after_help().map(ToString::to_string);
    let mut page = Vec::new();
    Man::new(command.clone().after_help(Resettable::Reset))
        .source(format!("{NAME} {}", env!("CARGO_PKG_VERSION")))
        // An empty argument would be omitted, and the next one would take its place.
        .date(" ")
        .manual("Evenkeel")
        .render(&mut page)?;
    let mut rest = Roff::new();
    rest.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in EXIT_STATUS {
        rest.control("TP", []);
        rest.text([bold(status)]);
        rest.text([roman(meaning)]);
    }
    if let Some(examples) = examples {
        rest.control("SH", ["EXAMPLES"]);
        rest.control("nf", []);
        for line in examples
            .trim_start_matches("Examples:")
            .trim_start_matches('\n')
            .lines()
        {
            rest.text([roman(line)]);
        }
        rest.control("fi", []);
    }
    Ok(String::from_utf8(page)? + &rest.to_roff())
}
