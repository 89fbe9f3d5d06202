//! The commands of the command line, all but `check`. In one binary, so that it is linked once.

mod explain;
mod manual;
mod render;
mod seen;
mod simulate;
mod status;
#[path = "../support/mod.rs"]
mod support;
