//! The one door to the YAML library.

use serde::de::DeserializeOwned;

/// What is wrong with a file, and where.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {what}")]
pub struct YamlError {
    file: String,
    what: String,
}

/// Reads `text`; `file` is its name for messages.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, YamlError> {
    serde_yaml::from_str(text).map_err(|error| YamlError { file: file.into(), what: error.to_string() })
}
