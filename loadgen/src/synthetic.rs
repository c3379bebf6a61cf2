//! Synthetic sessions: equal in length, amounts drawn by place, the same two accounts per slot.

use duet_engine::pipeline::{AccountIndex, Next, Session, Workload};
use duet_engine::protocol::{Amount, Pair, Party, Payment};

use crate::amount::AmountDistribution;
use crate::part::Part;

/// A synthetic workload. Every payment is a pure function of the seed and its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synthetic {
    /// How many sessions.
    pub sessions: u64,
    /// How many at once: the slots.
    pub concurrent: u64,
    /// Payments in each.
    pub payments: u64,
    /// Payments in a row before the other side pays; `None`: the opener always pays.
    pub turn_length: Option<u64>,
    /// What is paid.
    pub amount: AmountDistribution,
    /// Where amounts come from.
    pub seed: u64,
    /// What each side locks.
    pub deposits: Pair<u64>,
    /// Which part of a whole run this is, of how many channels at once, if it is one: its payments
    /// are then those that the whole would make.
    pub part: Option<(Part, u64)>,
}

impl Synthetic {
    fn opens_per_slot(&self) -> u64 {
        self.sessions.div_ceil(self.concurrent)
    }

    /// The number that a session has in the whole run.
    fn number(&self, session: u64) -> u64 {
        match self.part {
            None => session,
            Some((part, concurrent)) => {
                let (generation, slot) = (session / self.concurrent, session % self.concurrent);
                generation * concurrent + part.number(slot)
            }
        }
    }

    /// Payments from this one on that have the same payer, and what follows them.
    fn run_from(&self, first: u64) -> (u64, Next) {
        let left = self.payments - first;
        match self.turn_length {
            Some(turn) if turn - first % turn < left => (turn - first % turn, Next::Other),
            _ => (left, Next::End),
        }
    }
}

impl Workload for Synthetic {
    fn sessions(&self) -> u64 {
        self.sessions
    }

    fn accounts(&self) -> AccountIndex {
        (2 * self.concurrent) as AccountIndex
    }

    fn allocation(&self, account: AccountIndex) -> Amount {
        let deposit = if account.is_multiple_of(2) {
            self.deposits.a
        } else {
            self.deposits.b
        };
        Amount::new(self.opens_per_slot().saturating_mul(deposit))
    }

    fn opens(&self, account: AccountIndex) -> u64 {
        if account.is_multiple_of(2) {
            self.opens_per_slot()
        } else {
            0
        }
    }

    fn session(&self, session: u64) -> Session {
        let slot = (session % self.concurrent) as AccountIndex;
        Session {
            accounts: Pair {
                a: 2 * slot,
                b: 2 * slot + 1,
            },
            deposits: Pair {
                a: Amount::new(self.deposits.a),
                b: Amount::new(self.deposits.b),
            },
            payments: self.payments,
            nonce: session / self.concurrent,
        }
    }

    fn payer(&self, _session: u64, payment: u64) -> Party {
        match self.turn_length {
            Some(turn) if (payment / turn) % 2 == 1 => Party::B,
            _ => Party::A,
        }
    }

    fn draw(&self, session: u64, first: u64, most: usize, payments: &mut Vec<Payment>) -> Next {
        const CHUNK: usize = 256;
        let payer = self.payer(session, first);
        let number = self.number(session);
        let (run, next) = self.run_from(first);
        let count = run.min(most as u64);
        let mut amounts = [0; CHUNK];
        let mut at = first;
        while at < first + count {
            let amounts = &mut amounts[..CHUNK.min((first + count - at) as usize)];
            self.amount.fill(self.seed, number, at, amounts);
            payments.extend(amounts.iter().zip(at..).map(|(&amount, tag)| Payment {
                payer,
                amount: Amount::new(amount),
                tag,
            }));
            at += amounts.len() as u64;
        }
        if count < run { Next::Same } else { next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_in_any_pieces_gives_the_same_payments() {
        for turn_length in [None, Some(1), Some(7), Some(1000)] {
            let workload = Synthetic {
                sessions: 3,
                concurrent: 2,
                payments: 600,
                turn_length,
                amount: AmountDistribution::Uniform { low: 1, high: 1000 },
                seed: 9,
                deposits: Pair { a: 1, b: 1 },
                part: None,
            };
            for most in [1, 3, 256, 600, usize::MAX >> 1] {
                let mut payments = Vec::new();
                loop {
                    let first = payments.len() as u64;
                    let next = workload.draw(2, first, most, &mut payments);
                    let drawn = payments.len() as u64;
                    assert!(drawn > first);
                    assert_eq!(next == Next::End, drawn == 600);
                    if drawn == 600 {
                        break;
                    }
                    let same = workload.payer(2, drawn) == workload.payer(2, drawn - 1);
                    assert_eq!(next, if same { Next::Same } else { Next::Other });
                }
                for (at, payment) in payments.iter().enumerate() {
                    let amount = workload.amount.amount(9, 2, at as u64);
                    assert_eq!(payment.amount.units(), amount);
                    assert_eq!(payment.payer, workload.payer(2, at as u64));
                    assert_eq!(payment.tag, at as u64);
                }
            }
        }
    }
}
