//! A trace as a workload: one channel per pair of names, each payment in its direction, in order.

use std::collections::HashMap;

use duet_engine::pipeline::{AccountIndex, Next, Session, Workload};
use duet_engine::protocol::{Amount, Pair, Party, Payment};

use crate::trace::{Deposits, Trace, TracePayment};

/// A trace with the deposits that its channels are opened with.
pub struct Replay {
    trace: Trace,
    deposits: Vec<Deposits>,
    /// For each session: how many earlier ones its opener opens.
    nonces: Vec<u64>,
    /// For each account: what it deposits in all, and how many channels it opens.
    totals: HashMap<AccountIndex, (u64, u64)>,
}

impl Replay {
    /// Joins a trace and one pair of deposits per session, whose sum fits an amount.
    #[must_use]
    pub fn new(trace: Trace, deposits: Vec<Deposits>) -> Replay {
        let mut totals: HashMap<AccountIndex, (u64, u64)> = HashMap::new();
        let nonces = trace
            .iter()
            .zip(&deposits)
            .map(|(session, deposits)| {
                totals.entry(session.peer).or_default().0 += deposits.peer;
                let opener = totals.entry(session.opener).or_default();
                opener.0 += deposits.opener;
                opener.1 += 1;
                opener.1 - 1
            })
            .collect();
        Replay {
            trace,
            deposits,
            nonces,
            totals,
        }
    }

    /// The trace.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    fn payments(&self, session: u64) -> &[TracePayment] {
        self.trace.session(session as usize).payments
    }
}

fn payer(payment: TracePayment) -> Party {
    if payment.from_opener() {
        Party::A
    } else {
        Party::B
    }
}

impl Workload for Replay {
    fn sessions(&self) -> u64 {
        self.trace.sessions() as u64
    }

    fn accounts(&self) -> AccountIndex {
        self.trace.accounts().len() as AccountIndex
    }

    fn allocation(&self, account: AccountIndex) -> Amount {
        Amount::new(self.totals.get(&account).map_or(0, |totals| totals.0))
    }

    fn opens(&self, account: AccountIndex) -> u64 {
        self.totals.get(&account).map_or(0, |totals| totals.1)
    }

    fn session(&self, session: u64) -> Session {
        let at = session as usize;
        let view = self.trace.session(at);
        let Deposits { opener, peer } = self.deposits[at];
        Session {
            accounts: Pair {
                a: view.opener,
                b: view.peer,
            },
            deposits: Pair {
                a: Amount::new(opener),
                b: Amount::new(peer),
            },
            payments: view.payments.len() as u64,
            nonce: self.nonces[at],
        }
    }

    fn payer(&self, session: u64, payment: u64) -> Party {
        payer(self.payments(session)[payment as usize])
    }

    fn draw(&self, session: u64, first: u64, most: usize, payments: &mut Vec<Payment>) -> Next {
        let rest = &self.payments(session)[first as usize..];
        let from = payer(rest[0]);
        let run = rest
            .iter()
            .take(most)
            .take_while(|payment| payer(**payment) == from);
        let before = payments.len();
        payments.extend(run.zip(first..).map(|(payment, tag)| Payment {
            payer: from,
            amount: Amount::new(payment.amount()),
            tag,
        }));
        match rest.get(payments.len() - before) {
            None => Next::End,
            Some(payment) if payer(*payment) == from => Next::Same,
            Some(_) => Next::Other,
        }
    }

    fn due_ns(&self, session: u64, payment: u64) -> Option<u64> {
        self.payments(session)
            .get(payment as usize)
            .map(|payment| payment.due_ns())
    }
}
