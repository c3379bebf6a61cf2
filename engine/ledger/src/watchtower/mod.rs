//! A watchtower: answers posts in its clients' channels while they are offline.
//!
//! A client hands over its newest settlement proof; the tower reads blocks and answers every post
//! that this proof beats, from its own account. Such an answer is evidence only (rule L4): however
//! old the proof is, it is never proven stale, and can cost the client nothing. The tower holds no
//! key of a client's and can move no funds. It signs and submits; it has no clock, no network and
//! no storage: after a restart its clients hand over again.

mod clients;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use crate::l1::{
    ChannelRecord, Executed, Notice, Receipt, Refusal, SignedTransaction, SubmitError, Transaction,
};
use clients::Clients;
use duet_channels::crypto::{
    Backend, Digest, KeyError, KeyId, KeyRing, SecretKey, SignJob, Signature, Signed, Signer,
    Verifier,
};
use duet_channels::protocol::{ChannelId, CoSigned, Party, Post, state_digest};

/// A watchtower with an account of its own on one Layer 1.
pub struct Watchtower {
    genesis: Digest,
    backend: Backend,
    secret: [SecretKey; 1],
    signer: Signer,
    verifier: Verifier,
    clients: Clients,
    /// Answers that Layer 1 has not taken in yet.
    queue: VecDeque<Answer>,
    report: Report,
}

struct Answer {
    channel: ChannelId,
    bytes: Vec<u8>,
}

/// What a tower did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Proofs taken in.
    pub handed_over: u64,
    /// Posts seen in clients' channels, the tower's own answers among them.
    pub posts_seen: u64,
    /// Of these, posts that the client's proof beat: answers made.
    pub answers: u64,
    /// Answers that are in a block.
    pub included: u64,
    /// Answers that Layer 1 refused, by the refusal's name.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Why a proof is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandOverError {
    /// No such channel on this Layer 1.
    #[error("no channel {}", .channel.0)]
    UnknownChannel {
        /// The channel named.
        channel: ChannelId,
    },
    /// The tower has this version, or a higher one.
    #[error("version {got}, expected more than the {have} held")]
    NotNewer {
        /// What it has.
        have: u64,
        /// What came.
        got: u64,
    },
    /// The tower's account is a party of the channel: its answer would be that party's own post,
    /// and could be proven stale.
    #[error("the tower's account is {party:?} of the channel, expected another account")]
    OwnChannel {
        /// Which party.
        party: Party,
    },
    /// A state after an entry, and the entry's version is 0.
    #[error("a state after an entry of version 0, expected at least 1")]
    VersionZero,
    /// A party's key is none: the channel cannot have opened.
    #[error("{0}")]
    Key(KeyError),
    /// A party's signature does not verify.
    #[error("the signature of {party:?} does not verify")]
    BadSignature {
        /// Whose.
        party: Party,
    },
}

/// One party's signature over a state that was handed over.
struct Claim {
    item: usize,
    party: Party,
    signer: KeyId,
    digest: Digest,
    signature: Signature,
}

impl Signed for Claim {
    fn signed(&self) -> (KeyId, &Digest, &Signature) {
        (self.signer, &self.digest, &self.signature)
    }
}

impl Watchtower {
    /// A tower on the Layer 1 of this genesis that pays its fees from this key's account.
    ///
    /// # Panics
    /// If the operating system gives no randomness to verify with.
    #[must_use]
    pub fn new(backend: Backend, genesis: Digest, secret: SecretKey) -> Watchtower {
        Watchtower {
            genesis,
            backend,
            secret: [secret],
            signer: Signer::new(backend),
            verifier: Verifier::new(backend),
            clients: Clients::new(),
            queue: VecDeque::new(),
            report: Report::default(),
        }
    }

    /// Takes in proofs, in place of older ones of the same channels; verifies all their signatures
    /// in one batch. One verdict each, in order. `channel_of` looks a channel up on Layer 1; if it
    /// is disputed already, and the proof beats what was posted, an answer is made at once.
    pub fn hand_over(
        &mut self,
        proofs: &[(ChannelId, CoSigned)],
        channel_of: impl Fn(&ChannelId) -> Option<ChannelRecord>,
    ) -> Vec<Result<(), HandOverError>> {
        let mut ring = KeyRing::new(self.backend);
        let mut claims = Vec::with_capacity(2 * proofs.len());
        let mut verdicts: Vec<Result<(), HandOverError>> = Vec::with_capacity(proofs.len());
        for (item, (channel, proof)) in proofs.iter().enumerate() {
            let record = channel_of(channel);
            verdicts.push(self.claims_of(item, channel, proof, record, &mut ring, &mut claims));
        }
        let mut judged = Vec::with_capacity(claims.len());
        self.verifier.verify(&ring, &mut claims, &mut judged);
        for forged in judged.into_iter().filter_map(Result::err) {
            let verdict = &mut verdicts[forged.0.item];
            *verdict = verdict.and(Err(HandOverError::BadSignature {
                party: forged.0.party,
            }));
        }
        let (mut overdue, mut seen) = (Vec::new(), HashSet::new());
        for ((channel, proof), verdict) in proofs.iter().zip(&mut verdicts) {
            // An earlier proof of the same batch may be as new.
            *verdict = verdict.and_then(|()| self.newer(channel, proof));
            if verdict.is_ok() {
                self.clients.insert(*channel, *proof);
                self.report.handed_over += 1;
                let dispute = channel_of(channel).and_then(|record| record.dispute());
                let beaten = dispute.is_some_and(|dispute| dispute.highest() < proof.version());
                if beaten && seen.insert(*channel) {
                    overdue.push(*channel);
                }
            }
        }
        self.answer(&overdue);
        verdicts
    }

    fn claims_of(
        &self,
        item: usize,
        channel: &ChannelId,
        proof: &CoSigned,
        record: Option<ChannelRecord>,
        ring: &mut KeyRing,
        claims: &mut Vec<Claim>,
    ) -> Result<(), HandOverError> {
        let Some(record) = record else {
            return Err(HandOverError::UnknownChannel { channel: *channel });
        };
        if let Some(party) = record.party(&self.secret[0].public()) {
            return Err(HandOverError::OwnChannel { party });
        }
        if proof.version() == 0 {
            return Err(HandOverError::VersionZero);
        }
        self.newer(channel, proof)?;
        let digest = state_digest(channel, &proof.state().head(channel));
        for party in Party::BOTH {
            let signer = ring.insert(record.keys[party]);
            claims.push(Claim {
                item,
                party,
                signer: signer.map_err(HandOverError::Key)?,
                digest,
                signature: proof.signatures[party],
            });
        }
        Ok(())
    }

    fn newer(&self, channel: &ChannelId, proof: &CoSigned) -> Result<(), HandOverError> {
        match self.clients.get(channel).map(CoSigned::version) {
            Some(have) if have >= proof.version() => Err(HandOverError::NotNewer {
                have,
                got: proof.version(),
            }),
            _ => Ok(()),
        }
    }

    /// Reads what a block did: answers the posts that its clients' proofs beat, and forgets the
    /// channels that ended. The answers wait for [`Watchtower::submit`].
    pub fn read(&mut self, notices: &[Notice]) {
        let mut newest: HashMap<ChannelId, u64> = HashMap::new();
        for notice in notices {
            match notice {
                Notice::Posted {
                    channel, version, ..
                } => {
                    if self.clients.get(channel).is_some() {
                        self.report.posts_seen += 1;
                        newest.insert(*channel, *version);
                    }
                }
                Notice::Ended { channel } => {
                    newest.remove(channel);
                    self.clients.remove(channel);
                }
            }
        }
        // In the block's order, and each channel once: by what was posted in it last.
        let mut beaten = Vec::new();
        for notice in notices {
            if let Notice::Posted { channel, .. } = notice
                && let Some(version) = newest.remove(channel)
                && let Some(proof) = self.clients.get(channel)
                && proof.version() > version
            {
                beaten.push(*channel);
            }
        }
        self.answer(&beaten);
    }

    /// Makes an answer for each of these clients' channels.
    fn answer(&mut self, channels: &[ChannelId]) {
        let submitter = self.secret[0].public();
        let transactions: Vec<Transaction> = channels
            .iter()
            .map(|channel| Transaction::Post {
                submitter,
                post: Post {
                    channel: *channel,
                    shown: Some(*self.clients.get(channel).expect("a client's channel")),
                    offer: None,
                },
            })
            .collect();
        let jobs: Vec<SignJob> = transactions
            .iter()
            .map(|transaction| SignJob {
                secret: 0,
                digest: transaction.digest(&self.genesis),
            })
            .collect();
        let mut signatures = Vec::with_capacity(jobs.len());
        self.signer.sign(&self.secret, &jobs, &mut signatures);
        self.report.answers += channels.len() as u64;
        for ((channel, transaction), signature) in channels.iter().zip(transactions).zip(signatures)
        {
            let mut bytes = Vec::with_capacity(transaction.encoded_bytes());
            SignedTransaction::new(transaction, signature, None).encode(&mut bytes);
            let channel = *channel;
            self.queue.push_back(Answer { channel, bytes });
        }
    }

    /// Submits the answers that wait, oldest first, until Layer 1 pushes back; gives how many it
    /// took. Call it again after every block until [`Watchtower::waiting`] is 0.
    pub fn submit(&mut self, mut to_l1: impl FnMut(&[u8]) -> Result<(), SubmitError>) -> usize {
        let mut taken = 0;
        // One push-back is not the end: another channel's answer may have reserved room.
        for _ in 0..self.queue.len() {
            let answer = self.queue.pop_front().expect("one waits");
            match to_l1(&answer.bytes) {
                Ok(()) => taken += 1,
                Err(
                    SubmitError::MempoolFull { .. }
                    | SubmitError::MempoolBytesFull { .. }
                    | SubmitError::Outbid { .. }
                    | SubmitError::AlreadyWaits
                    | SubmitError::NotInTurn
                    | SubmitError::AnswersInVain { .. },
                ) => self.queue.push_back(answer),
                Err(SubmitError::Refused(refusal)) => self.refused(&refusal),
                Err(
                    SubmitError::Malformed(_)
                    | SubmitError::TooLarge { .. }
                    | SubmitError::TooManyUnits { .. }
                    | SubmitError::TooManyItems { .. },
                ) => unreachable!("every Layer 1 takes a post of channel {:?}", answer.channel),
            }
        }
        taken
    }

    /// Reads what became of an answer.
    pub fn receipt(&mut self, receipt: &Receipt) {
        match &receipt.outcome {
            Ok(Executed::Posted { .. }) => self.report.included += 1,
            Ok(_) => unreachable!("a tower only posts"),
            Err(refusal) => self.refused(refusal),
        }
    }

    fn refused(&mut self, refusal: &Refusal) {
        *self.report.refused.entry(refusal.name()).or_default() += 1;
    }

    /// Answers that Layer 1 has not taken in yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Channels watched.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Memory that the clients take, in bytes, slack included.
    #[must_use]
    pub fn client_bytes(&self) -> usize {
        self.clients.bytes()
    }

    /// What it did so far.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }
}
