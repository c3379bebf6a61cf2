//! A small workload for tests: every session alike, amounts from a counter-based mix.

use duet_engine::pipeline::{AccountIndex, Next, Session, Workload};
use duet_engine::protocol::{Amount, Pair, Party, Payment};

/// Sessions of equal length in slots; in `two_way` ones the payer changes every `turn` payments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uniform {
    pub(crate) sessions: u64,
    pub(crate) concurrent: u64,
    pub(crate) payments: u64,
    pub(crate) two_way: Option<u64>,
    /// Capacity as a share of what is needed: below 1, payments are refused.
    pub(crate) funded: f64,
}

impl Uniform {
    pub(crate) const LARGEST: u64 = 100;

    pub(crate) fn new(sessions: u64, concurrent: u64, payments: u64) -> Uniform {
        Uniform {
            sessions,
            concurrent,
            payments,
            two_way: None,
            funded: 1.0,
        }
    }

    fn slots(&self) -> u64 {
        self.concurrent.min(self.sessions)
    }

    pub(crate) fn amount(&self, session: u64, payment: u64) -> u64 {
        let mixed = (session << 32 ^ payment).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        1 + (mixed >> 33) % Self::LARGEST
    }

    fn deposit(&self) -> u64 {
        ((self.payments * Self::LARGEST) as f64 * self.funded) as u64
    }
}

impl Workload for Uniform {
    fn sessions(&self) -> u64 {
        self.sessions
    }

    fn accounts(&self) -> AccountIndex {
        2 * self.slots() as u32
    }

    fn allocation(&self, _: AccountIndex) -> Amount {
        Amount::new(self.sessions.div_ceil(self.slots()) * self.deposit())
    }

    fn opens(&self, account: AccountIndex) -> u64 {
        if account.is_multiple_of(2) {
            self.sessions.div_ceil(self.slots())
        } else {
            0
        }
    }

    fn session(&self, session: u64) -> Session {
        let slot = (session % self.slots()) as u32;
        let deposit_b = if self.two_way.is_some() {
            self.deposit()
        } else {
            0
        };
        Session {
            accounts: Pair {
                a: 2 * slot,
                b: 2 * slot + 1,
            },
            deposits: Pair {
                a: Amount::new(self.deposit()),
                b: Amount::new(deposit_b),
            },
            payments: self.payments,
            nonce: session / self.slots(),
        }
    }

    fn payer(&self, _: u64, payment: u64) -> Party {
        match self.two_way {
            Some(turn) if (payment / turn).is_multiple_of(2) => Party::B,
            _ => Party::A,
        }
    }

    fn draw(&self, session: u64, first: u64, most: usize, payments: &mut Vec<Payment>) -> Next {
        let payer = self.payer(session, first);
        for payment in first.. {
            if payment == self.payments {
                return Next::End;
            }
            if self.payer(session, payment) != payer {
                return Next::Other;
            }
            if (payment - first) as usize == most {
                return Next::Same;
            }
            payments.push(Payment {
                payer,
                amount: Amount::new(self.amount(session, payment)),
                tag: payment,
            });
        }
        unreachable!("the session ends")
    }
}
