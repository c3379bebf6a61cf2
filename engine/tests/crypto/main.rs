//! Keys, signatures and the acceptance rule, from outside.

#![forbid(unsafe_code)]

mod keys;
mod signing;
mod wycheproof;
