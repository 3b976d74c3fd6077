//! A value and a key -> a pseudonym of the same shape. One file per method.
