//! Original and masked capture -> residue and fidelity, by other means than masking's.
pub mod disguise;
pub mod search;
pub mod value;
pub mod views;
