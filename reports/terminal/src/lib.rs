//! What Duet's programs share towards whoever runs them. Knows neither runs nor channels.
//!
//! There are the one table of exit codes ([`Exit`]), what `-h` shows ([`help`]), numbers as people
//! write them ([`units`]) and show them ([`human`]), figures as rows ([`dataset`]), text in columns
//! ([`layout`]), what is printed and said ([`say`]) and how far it is ([`progress`]), files that are
//! read up to a bound ([`input`]), appended to ([`lines`]) and that appear whole or not at all
//! ([`output`]), which of them may be one ([`paths`]), child processes ([`process`]), and how
//! [`threads`] are started and [`signals`] heeded.

#![cfg_attr(not(test), warn(clippy::too_many_lines))]
#![forbid(unsafe_code)]

pub mod dataset;
pub mod exit;
pub mod help;
pub mod human;
pub mod input;
pub mod layout;
pub mod lines;
pub mod output;
pub mod paths;
pub mod process;
pub mod progress;
pub mod say;
pub mod signals;
pub mod threads;
pub mod units;

pub use exit::Exit;
