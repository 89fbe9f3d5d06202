//! Places in a policy, such as `routes[1].match.path_prefix`.
use std::fmt;

use crate::quoted::Quoted;

/// A place in a policy, from the outside in; the whole policy where it is empty. Its `Display` is one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place(Vec<Step>);

/// One step inwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the value of a key.
    Key(String),
    /// To an entry of a list, from 0.
    Index(usize),
}

impl Place {
    /// The steps, from the outside in.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The value of `key` in this place.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(Step::Key(key.to_owned()));
        self
    }

    /// The entry at `index` in this place.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }
}

/// Quotes a key that is not a plain word, so that a place is one line for any policy.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The longest key that is not shortened; known keys are shorter.
        const SHOWN: usize = 48;
        let mut dot = "";
        for step in &self.0 {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte);
                    if key.is_empty() || key.len() > SHOWN || !key.bytes().all(plain) {
                        let (text, shown) = (key, SHOWN);
                        write!(f, "[{}]", Quoted { text, shown })?;
                    } else {
                        write!(f, "{dot}{key}")?;
                    }
                }
            }
            dot = ".";
        }
        Ok(())
    }
}

/// A place, linked to the place around it: nothing is allocated until there is an error.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    pub(crate) fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }

    pub(crate) fn index(&'a self, index: usize) -> Path<'a> {
        Path::Index(self, index)
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Path::Root => Place::default(),
            Path::Key(object, key) => object.place().key(key),
            Path::Index(list, index) => list.place().index(*index),
        }
    }
}
