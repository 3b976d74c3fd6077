//! audit
pub mod disguise;
pub mod search;
pub mod value;
pub mod views;
