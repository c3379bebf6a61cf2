//! Plays games of the search again on the real chain: real bytes, real signatures, real blocks.
//! What the search takes a post or a payout to do is what the chain does.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::super::chain::Chain;
use super::super::config::{Config, Genesis};
use super::super::dispute::Posting;
use super::super::receipt::{Executed, Receipt};
use super::super::transaction::{SignedTransaction, Transaction};
use super::honest::{Point, secret};
use super::play::{Move, Next, Play, Position};
use super::reach::Reach;
use duet_channels::crypto::{Backend, Digest, PublicKey, SignJob, Signature, Signer};
use duet_channels::protocol::{
    Amount, Balance, CoSigned, Entry, FinalProof, HalfSigned, Pair, Party, Post, State, Status,
    final_digest, state_digest,
};

/// A chain with the channel open.
struct Replay<'r> {
    reach: &'r Reach,
    chain: Chain,
    signer: Signer,
    /// Whether each transaction that waits for the next block should be in it.
    expected: Vec<bool>,
}

const STRANGER: u8 = 2;

fn config() -> Config {
    Config {
        fee: Amount::ZERO,
        ..Config::default()
    }
}

fn genesis() -> Genesis {
    let funded = |who: u8| (secret(who).public(), Amount::new(1000));
    Genesis {
        label: "games".to_owned(),
        allocations: [0, 1, STRANGER].map(funded).to_vec(),
    }
}

/// The Layer 1 that a channel must be bound to for its games to be replayed.
pub(super) fn genesis_id() -> Digest {
    genesis().id(&config())
}

/// Plays a game from this view with moves drawn at random, in the search and on the chain; gives
/// how many moves it had.
pub(super) fn game(play: &mut Play<'_>, view: u16, seed: u64) -> usize {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let mut replay = Replay::open(play.reach);
    let mut now = Position::at(view);
    for count in 1.. {
        let mut moves = Vec::new();
        play.moves(now, &mut moves);
        let drawn = rng.next_u64() as usize % moves.len();
        let (one, next) = moves.swap_remove(drawn);
        let point = &play.reach.points[usize::from(now.view)];
        match next {
            Next::Play(next) => {
                let posting = match one {
                    Move::Other(at) => Some(play.posts(&now)[usize::from(at)]),
                    _ => None,
                };
                replay.take(point, one, posting, now.case != next.case);
                now = next;
            }
            Next::End(end) => {
                let executed = replay.end(point, one);
                let (Executed::Closed { payouts, .. } | Executed::PaidOut { payouts, .. }) =
                    executed
                else {
                    panic!("an end, not {executed:?}");
                };
                assert_eq!(payouts, end.payouts);
                return count;
            }
        }
    }
    unreachable!("every game ends")
}

impl<'r> Replay<'r> {
    fn open(reach: &'r Reach) -> Replay<'r> {
        let mut replay = Replay {
            reach,
            chain: Chain::new(config(), &genesis(), Backend::Dalek).expect("a sound genesis"),
            signer: Signer::new(Backend::Dalek),
            expected: Vec::new(),
        };
        replay.submit(&Transaction::open(&reach.bench.terms), true);
        replay.seal();
        replay
    }

    fn sign(&mut self, who: u8, digest: Digest) -> Signature {
        let mut signatures = Vec::new();
        let job = SignJob { secret: 0, digest };
        self.signer.sign(&[secret(who)], &[job], &mut signatures);
        signatures[0]
    }

    fn submit(&mut self, transaction: &Transaction, included: bool) {
        let digest = transaction.digest(self.chain.genesis());
        let who = |key: &PublicKey| {
            let of_key = |who: &u8| secret(*who).public() == *key;
            (0..=STRANGER).find(of_key).expect("a key of ours")
        };
        let consent = transaction
            .consenters()
            .next()
            .map(|key| self.sign(who(key), digest));
        let signature = self.sign(who(transaction.signer()), digest);
        let mut bytes = Vec::new();
        SignedTransaction::new(transaction.clone(), signature, consent).encode(&mut bytes);
        self.chain.submit(0, &bytes).expect("room in the queue");
        self.expected.push(included);
    }

    fn seal(&mut self) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        self.chain.seal_even_empty(&mut receipts);
        let included = receipts.iter().map(|receipt| receipt.outcome.is_ok());
        assert!(included.eq(self.expected.drain(..)), "{receipts:?}");
        receipts
    }

    fn take(&mut self, point: &Point, one: Move, posting: Option<Posting>, included: bool) {
        match one {
            Move::OffChain(_) | Move::Closes | Move::Sees | Move::Evicted => {}
            Move::Honest => {
                let bench = &self.reach.bench;
                let post = point.end.clone().close(|order| bench.again(order));
                let submitter = secret(self.reach.bench.me as u8).public();
                self.submit(&Transaction::Post { submitter, post }, included);
            }
            Move::Other(_) => {
                let posting = posting.expect("what is posted");
                let transaction = self.post_of(point, &posting);
                self.submit(&transaction, included);
            }
            Move::NextBlock => {
                self.seal();
            }
            Move::Final | Move::PayOut => unreachable!("these end the game"),
        }
    }

    fn end(&mut self, point: &Point, last: Move) -> Executed {
        let submitter = secret(STRANGER).public();
        let transaction = match last {
            Move::Final => Transaction::CooperativeClose {
                submitter,
                proof: self.final_proof(point),
            },
            Move::PayOut => Transaction::Payout {
                submitter,
                channel: *point.end.channel(),
            },
            _ => unreachable!("this ends no game"),
        };
        self.submit(&transaction, true);
        let receipt = self.seal().pop().expect("the last one's");
        receipt.outcome.expect("it was included")
    }

    /// A post of the peer or a stranger, of what the point gives the peer to show.
    fn post_of(&mut self, point: &Point, posting: &Posting) -> Transaction {
        let channel = *point.end.channel();
        let shown = point.shown.iter();
        let mut shown = shown.filter(|shown| shown.version() == posting.shown.version);
        let who = posting.poster.map_or(STRANGER, |party| party as u8);
        let offer = posting.offer.map(|offer| self.offer(point, who, offer));
        Transaction::Post {
            submitter: secret(who).public(),
            post: Post {
                channel,
                shown: shown.next().copied(),
                offer,
            },
        }
    }

    /// A state that the peer makes up: nothing but its signature has to be right.
    fn offer(&mut self, point: &Point, who: u8, offer: Balance) -> HalfSigned {
        let entry = Entry {
            version: offer.version,
            amount: Amount::ZERO,
            balance_a: offer.a,
            payer: Party::A,
            tag: 0,
        };
        let (previous, entry) = (Digest::default(), entry.encode());
        let channel = point.end.channel();
        let head = State::After { previous, entry }.head(channel);
        HalfSigned {
            previous,
            entry,
            signature: self.sign(who, state_digest(channel, &head)),
        }
    }

    /// Both finals: the honest party's as its endpoint would have it made again, the peer's as it
    /// can sign it.
    fn final_proof(&mut self, point: &Point) -> FinalProof {
        let (end, me) = (&point.end, self.reach.bench.me);
        let status = end.status();
        assert!(
            matches!(status, Status::Finishing | Status::Finished),
            "no final: {status:?}"
        );
        let digest = final_digest(end.channel(), &end.signed().head);
        let mine = self.sign(me as u8, digest);
        let theirs = self.sign(me.other() as u8, digest);
        let newest = point.shown.last();
        FinalProof {
            channel: *end.channel(),
            state: newest.map_or(State::Opening, CoSigned::state),
            signatures: Pair::of(me, mine, theirs),
        }
    }
}
