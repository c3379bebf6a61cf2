//! The channel's rules under test: honest pairs, broken links, and every kind of dishonest peer.

use proptest::test_runner::Config;

mod batches;
mod breaks;
mod byzantine;
mod closes;
mod duo;
mod flips;
mod forge;
mod fuzz;
mod honest;
mod offences;
mod script;
mod side;

/// So many cases, unless `PROPTEST_CASES` says otherwise.
fn cases(cases: u32) -> Config {
    let default = Config::default();
    Config {
        cases: match std::env::var_os("PROPTEST_CASES") {
            Some(_) => default.cases,
            None => cases,
        },
        failure_persistence: None,
        ..default
    }
}
