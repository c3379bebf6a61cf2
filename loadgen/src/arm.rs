//! Reads by which other means payments are made on Layer 1: `multi-send=10,tab=100`.

use std::fmt;
use std::str::FromStr;

use duet_engine::l1::{self, Bid, Transaction};
use duet_engine::pipeline::Means;
use duet_terminal::units::parse_positive_count;

/// Payments of a tab at most: those of the longest session.
const TAB_MOST: u64 = 1 << 50;

/// Means to make payments on Layer 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// So many of one payer's in one transaction; none: as many as fit.
    MultiSend(Option<u64>),
    /// What so many payments of a session come to, by one transfer.
    Tab(u64),
}

impl FromStr for Arm {
    type Err = String;

    fn from_str(text: &str) -> Result<Arm, String> {
        let count = |count: &str| parse_positive_count(count);
        match text.split_once('=') {
            Some(("multi-send", "most")) => Ok(Arm::MultiSend(None)),
            Some(("multi-send", many)) => match count(many)? {
                1 => Err(format!("'{text}': expected 2 or more; one is the baseline")),
                many => Ok(Arm::MultiSend(Some(many))),
            },
            Some(("tab", every)) => match count(every)? {
                1 => Err(format!("'{text}': expected 2 or more; one is the baseline")),
                every if every > TAB_MOST => {
                    Err(format!("'{text}': expected at most {TAB_MOST} payments"))
                }
                every => Ok(Arm::Tab(every)),
            },
            _ => Err(format!(
                "'{text}' is no arm: expected multi-send=N, multi-send=most or tab=N"
            )),
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arm::MultiSend(None) => write!(f, "multi-send=most"),
            Arm::MultiSend(Some(many)) => write!(f, "multi-send={many}"),
            Arm::Tab(every) => write!(f, "tab={every}"),
        }
    }
}

impl Arm {
    /// The means, on this Layer 1, where a chain puts at most so many payments in a transaction.
    ///
    /// # Errors
    /// Its transactions fit into no block: what was asked for, and what fits.
    pub fn means(self, l1: &l1::Config, most: Option<u64>) -> Result<Means, String> {
        let fits = largest(l1, most);
        match self {
            Arm::Tab(every) => Ok(Means::Tab(every)),
            Arm::MultiSend(None) if fits > 1 => Ok(Means::MultiSend(fits)),
            Arm::MultiSend(Some(many)) if many <= fits => Ok(Means::MultiSend(many)),
            Arm::MultiSend(_) => Err(format!(
                "--arms {self}: expected at most {fits} payments in a transaction, as many as fit"
            )),
        }
    }
}

/// The most payments that one transaction makes: by a chain's own bound, and a block's limits.
fn largest(l1: &l1::Config, most: Option<u64>) -> u64 {
    let bid = match l1.order.takes_bids() {
        true => Bid::BYTES as u64,
        false => 0,
    };
    let fits = |count: &u64| {
        let units = l1.units.as_ref();
        let units = units.is_none_or(|units| units.prices.multi_send(*count) <= units.block);
        let bytes = Transaction::multi_send_bytes(*count) + bid <= l1.block_bytes;
        units && bytes && *count <= u64::from(l1.block_transactions)
    };
    let bound = (Transaction::MOST_ITEMS as u64).min(most.unwrap_or(u64::MAX));
    (1..=bound).rev().find(fits).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_are_read_and_told() {
        for text in ["multi-send=10", "multi-send=most", "tab=100"] {
            assert_eq!(text.parse::<Arm>().unwrap().to_string(), text);
        }
        for text in [
            "multi-send=1",
            "tab=0",
            "tab",
            "multi-send=x",
            "each=3",
            "tab=1e16",
        ] {
            assert!(text.parse::<Arm>().is_err(), "{text}");
        }
    }
}
