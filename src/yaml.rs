//! The one door to the YAML library.
