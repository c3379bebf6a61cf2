//! How much the parties of a trace's channels lock on L1: what a replay needs with perfect
//! foresight, or one capacity for all.

use std::{fmt, str::FromStr};

use super::{LARGEST_PAIR_TOTAL, SessionView, Trace};
use duet_terminal::units::parse_count;

/// What the two parties of a channel deposit on L1 when it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deposits {
    /// Party A's deposit.
    pub opener: u64,
    /// Party B's deposit.
    pub peer: u64,
}

impl Deposits {
    /// The channel's capacity: both deposits, at most 2^62.
    pub fn capacity(self) -> u64 {
        self.opener + self.peer
    }
}

/// How a trace's channels get their capacities. Written `from-trace`, `N` or `quantile:Q`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Capacity {
    /// Perfect foresight: each party's least deposit with which no payment is refused. An upper
    /// bound on what any real choice reaches.
    FromTrace,
    /// This capacity for every channel, 1 to 2^62: half from each party, the odd unit from the
    /// opener; all from the opener where only the opener ever pays. Payments may be refused.
    Fixed(u64),
    /// As `Fixed`, with the least capacity that reaches the perfect-foresight capacity of this part
    /// of the channels: above 0, at most 1.
    Quantile(f64),
}

impl Trace {
    /// The least deposits with which session `session`'s payments, in order, take no balance
    /// below zero. At least one of them is above zero.
    ///
    /// # Panics
    /// If there is no such session.
    pub fn foresight(&self, session: usize) -> Deposits {
        foresight(&self.session(session))
    }

    /// Every session's deposits, in order.
    pub fn deposits(&self, capacity: &Capacity) -> Vec<Deposits> {
        match *capacity {
            Capacity::FromTrace => self.iter().map(|session| foresight(&session)).collect(),
            Capacity::Fixed(capacity) => self
                .iter()
                .map(|session| split(capacity, &session))
                .collect(),
            Capacity::Quantile(part) => {
                self.deposits(&Capacity::Fixed(self.capacity_quantile(part)))
            }
        }
    }

    /// The least capacity that at least this part (0 to 1) of the sessions' perfect-foresight
    /// capacities do not exceed.
    pub fn capacity_quantile(&self, part: f64) -> u64 {
        let mut capacities: Vec<u64> = self
            .iter()
            .map(|session| foresight(&session).capacity())
            .collect();
        // Less a hair, so that 0.07 of 100 is 7 and not 8. A cast from f64 saturates: any part
        // gives an index within.
        let rank = (part * capacities.len() as f64 - 1e-6).ceil() as usize;
        let index = rank.clamp(1, capacities.len()) - 1;
        *capacities.select_nth_unstable(index).1
    }
}

/// The sum of all deposits, if below 2^64.
pub fn total_deposits(deposits: &[Deposits]) -> Option<u64> {
    deposits
        .iter()
        .try_fold(0_u64, |sum, deposits| sum.checked_add(deposits.capacity()))
}

fn foresight(session: &SessionView<'_>) -> Deposits {
    // What the opener has paid less what it has been paid: within ±2^62.
    let mut net_paid = 0_i64;
    let (mut most, mut least) = (0, 0);
    for payment in session.payments {
        let amount = payment.amount().cast_signed();
        net_paid += if payment.from_opener() {
            amount
        } else {
            -amount
        };
        most = net_paid.max(most);
        least = net_paid.min(least);
    }
    Deposits {
        opener: most.unsigned_abs(),
        peer: least.unsigned_abs(),
    }
}

fn split(capacity: u64, session: &SessionView<'_>) -> Deposits {
    // The opener is the one that pays first, so that if only one pays, it does.
    let peer_pays = session
        .payments
        .iter()
        .any(|payment| !payment.from_opener());
    let peer = if peer_pays { capacity / 2 } else { 0 };
    Deposits {
        opener: capacity - peer,
        peer,
    }
}

impl FromStr for Capacity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "from-trace" {
            return Ok(Self::FromTrace);
        }
        if let Some(part) = text.strip_prefix("quantile:") {
            return match part.parse::<f64>() {
                Ok(part) if part > 0.0 && part <= 1.0 => Ok(Self::Quantile(part)),
                _ => Err(format!(
                    "'{text}': expected a part above 0 and at most 1, as in quantile:0.9"
                )),
            };
        }
        match parse_count(text) {
            Ok(0) => Err("a capacity of 0 can pay nothing: expected 1 or more".to_owned()),
            Ok(capacity) if capacity <= LARGEST_PAIR_TOTAL => Ok(Self::Fixed(capacity)),
            Ok(_) => Err(format!(
                "capacity '{text}' is too large: the largest is {LARGEST_PAIR_TOTAL} (2^62)"
            )),
            Err(_) => Err(format!(
                "'{text}' is not a capacity: expected from-trace, an amount such as 10k, or \
                 quantile:Q such as quantile:0.9"
            )),
        }
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FromTrace => f.write_str("from-trace"),
            Self::Fixed(capacity) => write!(f, "{capacity}"),
            Self::Quantile(part) => write!(f, "quantile:{part}"),
        }
    }
}
