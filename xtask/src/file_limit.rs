//! The limit of open files, usually 1,024 at first: each connection needs one at both ends.

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of this process and its children to the hard limit, which it returns.
///
/// # Errors
/// When the system does not allow it.
pub fn raise() -> Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")?;
    }
    Ok(maximum.unwrap_or(u64::MAX))
}
