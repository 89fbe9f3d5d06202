//! h2load, the load generator of nghttp2, where it comes from.

use std::path::PathBuf;

use anyhow::Result;

use evenkeel_test_tools::debian;

const PACKAGE: &str = "nghttp2-client";
const NAME: &str = "h2load";

pub(crate) fn missing() -> Option<String> {
    debian::missing(PACKAGE, NAME)
}

pub(crate) fn binary() -> Result<PathBuf> {
    debian::binary(PACKAGE, NAME)
}
