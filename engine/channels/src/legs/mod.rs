//! One party's work on the messages of many channels, leg by leg: payers propose ([`Legs::order`]),
//! payees check and co-sign ([`Legs::receive`]), payers complete ([`Legs::find`]), and at the end
//! both sign the last state ([`Legs::finish`]).
//!
//! A leg is a few steps, each over all channels of a batch, so that whoever takes them can time and
//! count each. Nothing here knows of waves, sockets or logs: the pipeline's shards and the
//! [`driver`](crate::driver) are built on it, and they alone decide what is said when.

mod answer;
mod complete;
mod finish;
mod propose;

use crate::crypto::{Backend, Forged, Secrets, SignJob, Signature, Signer, Verified, Verifier};
use crate::protocol::{
    AcknowledgementClaim, Burst, CoSignOrder, Endpoint, FinalClaim, ProposalClaim, Rejection,
    SignOrder, WindowPool,
};

/// One party's ends of channels, by what names one of them.
pub trait Ends {
    /// A name.
    type At: Copy + PartialEq;

    /// The end of this name.
    fn end(&mut self, at: Self::At) -> &mut Endpoint;

    /// The secret key that it signs with, by its place among those that [`Legs::sign`] is given.
    fn secret(&self, at: Self::At) -> u32;
}

/// What one party works with, reused from leg to leg.
pub struct Legs<At> {
    /// Signs.
    pub signer: Signer,
    /// Verifies.
    pub verifier: Verifier,
    /// Where payments become states: those to propose, or those that were received.
    pub burst: Burst,
    /// Where endpoints keep what is in flight.
    pub windows: WindowPool,
    /// What is to be signed: first payments, then finals.
    jobs: Vec<SignJob>,
    signatures: Vec<Signature>,
    /// One for each state of the burst.
    proposed: Vec<SignOrder>,
    /// What was received, one for each state of the burst, until that is hashed.
    received: Vec<Received<At>>,
    proposals: Vec<ProposalClaim>,
    proposals_judged: Judged<ProposalClaim>,
    accepted: Vec<(At, CoSignOrder)>,
    answerers: Vec<At>,
    answers: Vec<AcknowledgementClaim>,
    answers_judged: Judged<AcknowledgementClaim>,
    finals: Finals<At>,
}

/// The scratch memory of channels that end.
struct Finals<At> {
    /// Whom this party ends.
    begun: Vec<(At, SignOrder)>,
    /// Whose peer has signed the last state, and whether that answers this party's own.
    heard: Vec<(At, bool)>,
    claims: Vec<FinalClaim>,
    judged: Judged<FinalClaim>,
    /// Whose peer is to be answered.
    accepted: Vec<(At, SignOrder, Verified<FinalClaim>)>,
}

type Judged<T> = Vec<Result<Verified<T>, Forged<T>>>;

/// What a payee keeps of a proposal until its own burst is hashed.
struct Received<At> {
    at: At,
    signature: Signature,
    pass: bool,
}

/// What came of reading one channel's messages of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Messages whose signature is to be verified.
    pub new: u32,
    /// Whether there are some that were answered before, and are to be answered again
    /// ([`Endpoint::answer_again`]).
    pub again: bool,
    /// Why the next one is refused. Those before it count.
    pub refused: Option<Rejection>,
}

impl<At: Copy + PartialEq> Legs<At> {
    /// With room for a burst of so many entries: what grows by doubling leaves as much behind.
    #[must_use]
    pub fn with_room(backend: Backend, entries: usize) -> Legs<At> {
        Legs {
            signer: Signer::new(backend),
            verifier: Verifier::new(backend),
            burst: Burst::with_room(entries),
            windows: WindowPool::new(),
            jobs: Vec::new(),
            signatures: Vec::new(),
            proposed: Vec::new(),
            received: Vec::new(),
            proposals: Vec::new(),
            proposals_judged: Vec::new(),
            accepted: Vec::new(),
            answerers: Vec::new(),
            answers: Vec::new(),
            answers_judged: Vec::new(),
            finals: Finals {
                begun: Vec::new(),
                heard: Vec::new(),
                claims: Vec::new(),
                judged: Vec::new(),
                accepted: Vec::new(),
            },
        }
    }

    /// Begins a batch: nothing of the one before is known any more.
    pub fn begin(&mut self) {
        self.burst.clear();
        self.jobs.clear();
        self.proposed.clear();
        self.received.clear();
        self.proposals.clear();
        self.accepted.clear();
        self.answerers.clear();
        self.answers.clear();
        self.finals.begun.clear();
        self.finals.heard.clear();
        self.finals.claims.clear();
        self.finals.accepted.clear();
    }

    /// Makes all signatures that were ordered, in one batch; gives how many.
    pub fn sign(&mut self, secrets: &(impl Secrets + ?Sized)) -> usize {
        self.signatures.clear();
        self.signer.sign(secrets, &self.jobs, &mut self.signatures);
        self.jobs.len()
    }
}

/// What the peer has really signed.
fn genuine<T>(
    judged: Result<Verified<T>, Forged<T>>,
    version: impl Fn(&T) -> u64,
) -> Result<Verified<T>, Rejection> {
    judged.map_err(|Forged(claim)| Rejection::BadSignature {
        version: version(&claim),
    })
}

/// Decides on claims in their order. Those of one channel follow each other; once it was refused
/// one, none of the others is looked at.
struct Decisions<At> {
    refused: Option<At>,
}

impl<At: Copy + PartialEq> Decisions<At> {
    fn new() -> Decisions<At> {
        Decisions { refused: None }
    }

    fn on<T>(
        &mut self,
        at: At,
        decide: impl FnOnce() -> Result<T, Rejection>,
    ) -> Option<Result<T, Rejection>> {
        if self.refused == Some(at) {
            return None;
        }
        let decided = decide();
        if decided.is_err() {
            self.refused = Some(at);
        }
        Some(decided)
    }
}
