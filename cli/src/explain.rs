//! `evenkeel explain`: a policy in plain sentences, or what it makes of one request or connection.

mod asked;
mod choice;
mod options;
mod policy;
mod rule;
mod settings;
mod table;
mod values;

use std::io;
use std::process::ExitCode;

use anyhow::Result;

use crate::diagnose::{self, Document, Source};
use crate::term;
use asked::Asked;
pub use options::Args;
use options::Format;

/// Ends with 0, with 1 when the policy is wrong, with 2 when it cannot be read.
///
/// # Errors
/// A usage error, when the request is not understood.
pub fn run(args: &Args) -> Result<ExitCode> {
    let asked = args.asked()?;
    let source = match Source::read(&args.file) {
        Ok(source) => source,
        Err(error) => {
            term::fail(&error);
            return Ok(ExitCode::from(2));
        }
    };
    let policy = match diagnose::policy(&source, term::colours(&io::stderr())) {
        Ok(policy) => policy,
        Err(refused) => {
            term::note(&refused);
            return Ok(ExitCode::FAILURE);
        }
    };
    let document = Document::of(&source);
    let (text, json) = match asked {
        Some(asked) => {
            let choice = choice::of(&source, &document, &policy, &asked);
            (choice.to_text(), choice.to_json())
        }
        None => {
            let explained = policy::of(&source, &document, &policy, args.load());
            (explained.to_text(), explained.to_json())
        }
    };
    match args.format {
        Format::Text => term::line(text.trim_end()),
        Format::Json => term::line(&serde_json::to_string_pretty(&json)?),
    }
    Ok(ExitCode::SUCCESS)
}
