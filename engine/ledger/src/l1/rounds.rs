//! Rounds in line: judged in any order, on other threads if that is wanted, and given back in
//! their own. While one executes, the next ones are being judged.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};

use crossbeam::channel::{Receiver, Sender, unbounded};

use super::asks::Market;
use super::block::Room;
use super::claim::Claim;
use super::config::Verification;
use super::ledger::Ledger;
use super::mempool::Next;
use super::refusal::Refusal;
use super::round::{Claimed, Opened, Round};
use super::transaction::SignedTransaction;
use super::witness::Checked;
use duet_base::clock::thread_cpu_ns;
use duet_channels::crypto::{Backend, Digest, PublicKey, Signature};

/// The line, and the rounds that wait to be filled.
pub(super) struct Rounds {
    backend: Backend,
    verification: Verification,
    /// The keys of channels that the rounds in line open.
    opened: Opened,
    #[expect(clippy::vec_box, reason = "a round moves to another thread and back")]
    idle: Vec<Box<Round>>,
    /// In their order; nothing while a round is away.
    line: VecDeque<Option<Judged>>,
    /// How many rounds have left the line: the number of its first.
    left: u64,
    returning: (Sender<Return>, Receiver<Return>),
    others_cpu_ns: u64,
}

/// A round with its verdicts, and how many signatures it took.
pub(super) struct Judged {
    pub(super) round: Box<Round>,
    pub(super) signatures: u64,
}

/// What comes back from another thread: which round it was, what it took, or why it panicked.
type Return = (u64, Result<(Judged, u64), Box<dyn Any + Send>>);

impl Rounds {
    /// Channels and transfers in line, from which on nothing is added: bounds the memory.
    pub(super) const LARGEST: u32 = 4096;

    /// Channels and transfers of a round at least, where there is more than one thread: with fewer,
    /// a batch's advantage goes faster than the threads can make up for.
    const SMALLEST: u32 = 256;

    pub(super) fn new(backend: Backend, verification: Verification) -> Rounds {
        Rounds {
            backend,
            verification,
            opened: Opened::new(),
            idle: Vec::new(),
            line: VecDeque::new(),
            left: 0,
            returning: unbounded(),
            others_cpu_ns: 0,
        }
    }

    /// As these are while no block is made, with the CPU time so far.
    pub(super) fn fork(&self) -> Rounds {
        assert!(self.line.is_empty(), "no block is being made");
        Rounds {
            others_cpu_ns: self.others_cpu_ns,
            ..Rounds::new(self.backend, self.verification)
        }
    }

    /// As these, on no thread but the caller's.
    pub(super) fn sequential(&self) -> Rounds {
        Rounds::new(self.backend, Verification::Sequential)
    }

    /// Puts as many of those that wait in line as fit in a block's room if none is refused. Whether
    /// there is one.
    ///
    /// Decodes them a second time: kept as they were decoded when they were submitted, each would
    /// wait in 480 bytes more (a transfer's own are 145), to save the 0.1 µs that this takes.
    pub(super) fn gather<'m>(
        &mut self,
        waiting: impl Iterator<Item = Next<'m>>,
        mut room: Room,
        market: &Market<'_>,
        genesis: &Digest,
        ledger: &Ledger,
    ) -> bool {
        let (size, mut operations) = (self.size(), 0);
        let mut round = self.idle();
        self.opened.clear();
        for next in waiting {
            if operations >= Rounds::LARGEST || room.is_spent() {
                break;
            }
            let signed = SignedTransaction::decode(next.bytes);
            let signed = signed.expect("only what decodes is queued");
            let terms = market.terms(&signed, next.bytes.len(), ledger);
            if !room.take(&terms.0) {
                break;
            }
            if round.is_full(size) {
                ledger.fetch(round.keys());
                self.judge(round);
                round = self.idle();
            }
            operations += next.operations;
            let read = (&signed, next.bytes);
            round.add(read, next.checked, terms, genesis, ledger, &mut self.opened);
        }
        if round.is_empty() {
            self.done(round);
        } else {
            ledger.fetch(round.keys());
            self.judge(round);
        }
        operations > 0
    }

    /// One transaction's claim, if its signatures hold, and how many were verified: too few for
    /// another thread.
    pub(super) fn judge_alone(
        &mut self,
        signed: &SignedTransaction,
        bytes: &[u8],
        market: &Market<'_>,
        genesis: &Digest,
        ledger: &Ledger,
    ) -> (Result<Checked<Claim>, Refusal>, u64) {
        let mut round = self.idle();
        self.opened.clear();
        let terms = market.terms(signed, bytes.len(), ledger);
        let read = (signed, bytes);
        round.add(read, None, terms, genesis, ledger, &mut self.opened);
        let signatures = round.judge();
        let mut checked = None;
        round.each(|taken, ring, verdicts| {
            checked = Some(taken.claim.and_then(|claimed| match claimed {
                Claimed::With(unchecked) => unchecked.check(ring, verdicts),
                Claimed::Before(checked) => Ok(checked),
            }));
        });
        self.done(round);
        (checked.expect("one was added"), signatures)
    }

    /// Which of these signatures hold, with what each one is over.
    pub(super) fn hear(
        &mut self,
        said: &[(PublicKey, Digest, Signature)],
    ) -> Vec<(Digest, Signature)> {
        let mut round = self.idle();
        let heard = round.hear(said);
        self.done(round);
        heard
    }

    /// Channels and transfers from which on a round takes no more.
    fn size(&self) -> u32 {
        match self.verification {
            Verification::Sequential => Rounds::LARGEST,
            // A usual block is then three for each of two threads.
            Verification::Ahead => {
                let threads = rayon::current_num_threads() as u32;
                (Rounds::LARGEST / (4 * threads)).max(Rounds::SMALLEST)
            }
        }
    }

    /// An empty round.
    fn idle(&mut self) -> Box<Round> {
        let mut round = (self.idle.pop()).unwrap_or_else(|| Box::new(Round::new(self.backend)));
        round.clear();
        round
    }

    /// Takes back a round that has executed.
    pub(super) fn done(&mut self, round: Box<Round>) {
        self.idle.push(round);
    }

    /// Puts a round at the end of the line, and has it judged.
    fn judge(&mut self, mut round: Box<Round>) {
        // One of rayon's own threads must not wait for another one's work.
        let alone = self.verification == Verification::Sequential;
        if alone || rayon::current_thread_index().is_some() {
            let signatures = round.judge();
            self.line.push_back(Some(Judged { round, signatures }));
            return;
        }
        let number = self.left + self.line.len() as u64;
        let back = self.returning.0.clone();
        self.line.push_back(None);
        rayon::spawn(move || {
            let judged = panic::catch_unwind(AssertUnwindSafe(|| {
                let start = thread_cpu_ns();
                let signatures = round.judge();
                (Judged { round, signatures }, thread_cpu_ns() - start)
            }));
            // Nobody waits for it if the Layer 1 is gone.
            let _ = back.send((number, judged));
        });
    }

    /// The first in line, judged: waits for it. `None` if there is none.
    pub(super) fn next(&mut self) -> Option<Judged> {
        while self.line.front()?.is_none() {
            let returned = self.returning.1.recv();
            let (number, judged) = returned.expect("a sender of our own is alive");
            let (judged, cpu_ns) = judged.unwrap_or_else(|panic| panic::resume_unwind(panic));
            self.others_cpu_ns += cpu_ns;
            self.line[(number - self.left) as usize] = Some(judged);
        }
        self.left += 1;
        self.line.pop_front()?
    }

    /// CPU time that other threads have spent, in nanoseconds.
    pub(super) fn others_cpu_ns(&self) -> u64 {
        self.others_cpu_ns
    }
}
