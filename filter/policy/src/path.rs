//! Where in a policy something stands, written as people write it: `routes[1].match.path_prefix`.
use std::fmt;

/// A place, linked to the place around it, so that walking down costs nothing until there is an error.
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
}

/// A key that is not a plain word is quoted, so that whatever a policy holds, a path is one line.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The longest key that is shown whole; no known key comes near.
        const SHOWN: usize = 48;
        match self {
            Path::Root => Ok(()),
            Path::Index(list, index) => write!(f, "{list}[{index}]"),
            Path::Key(object, key) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "_-$".contains(c);
                if key.is_empty() || key.chars().nth(SHOWN).is_some() || !key.chars().all(plain) {
                    return write!(
                        f,
                        "{object}[{:?}]",
                        key.chars().take(SHOWN).collect::<String>()
                    );
                }
                match object {
                    Path::Root => f.write_str(key),
                    _ => write!(f, "{object}.{key}"),
                }
            }
        }
    }
}
