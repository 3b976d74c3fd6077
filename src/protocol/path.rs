//! The path of a field, grown and cut back as a parser goes down and up. One allocation for many fields.

use crate::limits::PATH_BYTES_MAX;

/// A path and its last name.
#[derive(Clone, Debug, Default)]
pub struct Path {
    text: String,
    name: (usize, usize),
}

/// A place to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    len: usize,
    name: (usize, usize),
}

impl Path {
    /// A path without a last name, such as `http.request.body.json`.
    pub fn new(root: &str) -> Self {
        Path { text: root.into(), name: (0, 0) }
    }

    /// The whole path.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its last name, or "".
    pub fn name(&self) -> &str {
        self.text.get(self.name.0..self.name.1).unwrap_or("")
    }

    /// Where it is now.
    pub fn level(&self) -> Level {
        Level { len: self.text.len(), name: self.name }
    }

    /// Goes back up.
    pub fn back(&mut self, level: Level) {
        self.text.truncate(level.len);
        self.name = level.name;
    }

    /// Begins again from `root`.
    pub fn restart(&mut self, root: &str) {
        self.text.clear();
        self.text.push_str(root);
        self.name = (0, 0);
    }

    /// Goes down to `name`, which becomes the last name.
    pub fn push(&mut self, name: &str) {
        if self.text.len() + name.len() < PATH_BYTES_MAX {
            self.text.push('.');
            let start = self.text.len();
            self.text.push_str(name);
            self.name = (start, self.text.len());
        }
    }

    /// Goes down to a name in lower case; bytes that are not ASCII are left out.
    pub fn push_lower(&mut self, name: &[u8]) {
        if self.text.len() + name.len() < PATH_BYTES_MAX {
            self.text.push('.');
            let start = self.text.len();
            self.text.extend(name.iter().filter(|b| b.is_ascii()).map(|b| char::from(b.to_ascii_lowercase())));
            self.name = (start, self.text.len());
        }
    }

    /// Goes down to something that has no name of its own: `[]`, `.{}`, `.path`. The last name stays.
    pub fn push_unnamed(&mut self, text: &str) {
        if self.text.len() + text.len() < PATH_BYTES_MAX {
            self.text.push_str(text);
        }
    }

    /// Goes down to something whose name is not to be told: there is no last name from here.
    pub fn push_secret(&mut self) {
        self.push_unnamed(".{}");
        self.name = (0, 0);
    }
}
