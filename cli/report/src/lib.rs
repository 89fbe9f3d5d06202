//! Output for people: numbers, tables, charts, HTML pages and terminal lines.
//!
//! `evenkeel`, `cargo xtask` and the client tests share this crate, so that they format alike.

pub mod chart;
pub mod html;
pub mod number;
mod spread;
mod table;
pub mod terminal;

pub use spread::Spread;
pub use table::align;
