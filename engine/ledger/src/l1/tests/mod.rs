//! Layer 1 from outside: what every transaction leads to, however the queue is cut into blocks.

mod batches;
mod blocks;
mod bytes;
mod disputes;
mod durable;
mod loads;
mod market;
mod model;
mod noise;
mod outcomes;
mod refusals;
mod roll_overs;
mod room;
mod roots;
mod scenario;
mod vain;

use std::cell::{Cell, RefCell};

use super::*;
use duet_channels::crypto::{Backend, Digest, PublicKey, SecretKey, SignJob, Signature, Signer};
use duet_channels::protocol::{
    Amount, ChannelId, CoSigned, Entry, FinalProof, HalfSigned, Pair, Party, Post, State, Terms,
    final_digest, state_digest,
};

/// Somebody with a key: a place in [`World::secrets`].
type Who = usize;

/// At genesis, Alice, Bob and Carol have 1,000 each, Dan 5, Erin and Frank no account.
const ALICE: Who = 0;
const BOB: Who = 1;
const CAROL: Who = 2;
const DAN: Who = 3;
const ERIN: Who = 4;
const FRANK: Who = 5;
const EVERYONE: [Who; 6] = [ALICE, BOB, CAROL, DAN, ERIN, FRANK];
const FUNDS: [u64; 4] = [1000, 1000, 1000, 5];
const FEE: u64 = 10;

type Bytes = Vec<u8>;
type Outcome = Result<Executed, Refusal>;

/// A chain, and people who can sign for it.
struct World {
    chain: Chain,
    supply: u64,
    secrets: Vec<SecretKey>,
    signer: RefCell<Signer>,
    next_ticket: Cell<u64>,
    log: durable::Log,
    /// Whether each block in which nothing is left waiting is followed by a restart.
    restarts: bool,
}

fn config() -> Config {
    Config {
        fee: Amount::new(FEE),
        keep_bodies: true,
        ..Config::default()
    }
}

impl World {
    fn new(config: Config) -> World {
        World::labelled("channels", config)
    }

    fn labelled(label: &str, config: Config) -> World {
        World::funded(label, config, &FUNDS)
    }

    fn funded(label: &str, config: Config, funds: &[u64]) -> World {
        let secrets: Vec<SecretKey> = EVERYONE
            .iter()
            .map(|&who| SecretKey::from_seed(&[1 + who as u8; 32]))
            .collect();
        let funded = funds.iter().zip(&secrets);
        let genesis: Genesis = Genesis {
            label: label.to_owned(),
            allocations: funded
                .map(|(&funds, secret)| (secret.public(), Amount::new(funds)))
                .collect(),
        };
        World {
            chain: Chain::new(config, &genesis, Backend::Dalek).unwrap(),
            supply: funds.iter().sum(),
            secrets,
            signer: RefCell::new(Signer::new(Backend::Dalek)),
            next_ticket: Cell::new(0),
            log: durable::Log::default(),
            restarts: false,
        }
    }

    fn key(&self, who: Who) -> PublicKey {
        self.secrets[who].public()
    }

    fn balance(&self, who: Who) -> u64 {
        let account = self.chain.account(&self.key(who));
        account.map_or(0, |account| account.balance.units())
    }

    fn sign(&self, who: Who, digest: Digest) -> Signature {
        let job = SignJob {
            secret: who as u32,
            digest,
        };
        let mut signatures = Vec::new();
        let mut signer = self.signer.borrow_mut();
        signer.sign(&self.secrets, &[job], &mut signatures);
        signatures[0]
    }

    /// Signs by whoever should, or should not.
    fn signed(
        &self,
        transaction: Transaction,
        signer: Who,
        consenters: impl IntoIterator<Item = Who>,
    ) -> Bytes {
        let digest = transaction.digest(self.chain.genesis());
        let consents = consenters.into_iter().map(|who| self.sign(who, digest));
        encoded(transaction, self.sign(signer, digest), consents)
    }

    /// Signed by whoever should.
    fn properly(&self, transaction: Transaction) -> Bytes {
        let signer = self.who(transaction.signer());
        let consenters: Vec<Who> = transaction.consenters().map(|key| self.who(key)).collect();
        self.signed(transaction, signer, consenters)
    }

    fn transfer(&self, from: Who, nonce: u64, to: Who, amount: u64) -> Bytes {
        let transaction = Transaction::Transfer {
            from: self.key(from),
            nonce,
            to: self.key(to),
            amount: Amount::new(amount),
        };
        self.signed(transaction, from, None)
    }

    fn terms(&self, a: Who, nonce: u64, b: Who, deposit_a: u64, deposit_b: u64) -> Terms {
        Terms {
            genesis: *self.chain.genesis(),
            nonce,
            index: 0,
            keys: Pair {
                a: self.key(a),
                b: self.key(b),
            },
            deposits: Pair {
                a: Amount::new(deposit_a),
                b: Amount::new(deposit_b),
            },
            challenge_window_blocks: 144,
            reserve: Amount::ZERO,
        }
    }

    fn who(&self, key: &PublicKey) -> Who {
        EVERYONE
            .into_iter()
            .find(|&who| self.key(who) == *key)
            .unwrap()
    }

    /// An open, signed by whoever its terms name.
    fn open(&self, terms: &Terms) -> Bytes {
        self.properly(Transaction::open(terms))
    }

    /// Both parties' final signatures over a state.
    fn proof(&self, terms: &Terms, state: State) -> FinalProof {
        let channel = terms.channel_id();
        let digest = final_digest(&channel, &state.head(&channel));
        FinalProof {
            channel,
            state,
            signatures: Pair {
                a: self.sign(self.who(&terms.keys.a), digest),
                b: self.sign(self.who(&terms.keys.b), digest),
            },
        }
    }

    fn submit_proof(&self, submitter: Who, proof: FinalProof) -> Bytes {
        let transaction = Transaction::CooperativeClose {
            submitter: self.key(submitter),
            proof,
        };
        self.signed(transaction, submitter, None)
    }

    /// A close as it should be.
    fn close(&self, submitter: Who, terms: &Terms, state: State) -> Bytes {
        self.submit_proof(submitter, self.proof(terms, state))
    }

    /// Both parties' signatures over a state; none over the opening.
    fn cosigned(&self, terms: &Terms, state: State) -> Option<CoSigned> {
        let State::After { previous, entry } = state else {
            return None;
        };
        let channel = terms.channel_id();
        let digest = state_digest(&channel, &state.head(&channel));
        let signatures = Pair {
            a: self.sign(self.who(&terms.keys.a), digest),
            b: self.sign(self.who(&terms.keys.b), digest),
        };
        Some(CoSigned {
            previous,
            entry,
            signatures,
        })
    }

    /// One signature over a state.
    fn half_signed(&self, who: Who, terms: &Terms, state: State) -> HalfSigned {
        let State::After { previous, entry } = state else {
            panic!("nobody proposes the opening");
        };
        let channel = terms.channel_id();
        HalfSigned {
            previous,
            entry,
            signature: self.sign(who, state_digest(&channel, &state.head(&channel))),
        }
    }

    fn submit_post(&self, submitter: Who, post: Post) -> Bytes {
        let submitter = self.key(submitter);
        self.properly(Transaction::Post { submitter, post })
    }

    /// A post as it should be.
    fn post(&self, submitter: Who, terms: &Terms, shown: State, offer: Option<State>) -> Bytes {
        let post = Post {
            channel: terms.channel_id(),
            shown: self.cosigned(terms, shown),
            offer: offer.map(|offer| self.half_signed(submitter, terms, offer)),
        };
        self.submit_post(submitter, post)
    }

    fn payout(&self, submitter: Who, channel: ChannelId) -> Bytes {
        let submitter = self.key(submitter);
        self.properly(Transaction::Payout { submitter, channel })
    }

    /// A roll-over as it should be: the successor has the same parties.
    fn roll_over(&self, terms: &Terms, state: State, successor: &Terms) -> Bytes {
        self.submit_roll_over(self.proof(terms, state), successor)
    }

    fn submit_roll_over(&self, proof: FinalProof, successor: &Terms) -> Bytes {
        self.properly(Transaction::RollOver {
            proof,
            opener: successor.keys.a,
            nonce: successor.nonce,
            successor: Opening::of(successor),
        })
    }

    fn multi_send(&self, from: Who, nonce: u64, outputs: &[(Who, u64)]) -> Bytes {
        let output = |&(to, amount): &(Who, u64)| Output {
            to: self.key(to),
            amount: Amount::new(amount),
        };
        self.properly(Transaction::MultiSend {
            from: self.key(from),
            nonce,
            outputs: outputs.iter().map(output).collect(),
        })
    }

    fn open_batch(&self, opener: Who, nonce: u64, channels: Vec<Opening>) -> Bytes {
        let opener = self.key(opener);
        self.properly(Transaction::OpenBatch {
            opener,
            nonce,
            channels,
        })
    }

    fn close_batch(&self, submitter: Who, proofs: Vec<FinalProof>) -> Bytes {
        let submitter = self.key(submitter);
        self.properly(Transaction::CloseBatch { submitter, proofs })
    }

    fn submit(&mut self, bytes: &[u8]) -> Result<u64, SubmitError> {
        let ticket = self.next_ticket.get();
        self.chain.submit(ticket, bytes)?;
        self.next_ticket.set(ticket + 1);
        Ok(ticket)
    }

    /// Submits; gives the refusal, if it is refused at once.
    fn submit_any(&mut self, bytes: &[u8]) -> Option<Refusal> {
        match self.submit(bytes) {
            Ok(_) => None,
            Err(SubmitError::Refused(refusal)) => Some(refusal),
            Err(error) => panic!("{error}"),
        }
    }

    /// Seals until nothing waits.
    fn seal_all(&mut self) -> (Vec<Header>, Vec<Outcome>) {
        let (mut headers, mut outcomes) = (Vec::new(), Vec::new());
        while self.chain.pending() > 0 {
            let (header, receipts) = self.seal();
            headers.extend(header);
            outcomes.extend(receipts.into_iter().map(|receipt| receipt.outcome));
        }
        (headers, outcomes)
    }

    fn seal(&mut self) -> (Option<Header>, Vec<Receipt>) {
        let (header, receipts) = self.seal_block(false);
        assert!(receipts.is_sorted_by_key(|receipt| receipt.ticket));
        (header, receipts)
    }

    /// As time passes: there is a block whatever waits.
    fn pass(&mut self) -> Vec<Receipt> {
        self.seal_block(true).1
    }

    /// Checks everything that holds of any block.
    fn seal_block(&mut self, even_empty: bool) -> (Option<Header>, Vec<Receipt>) {
        let (height, parent) = (self.chain.height(), *self.chain.tip());
        let load = *self.chain.load();
        let mut receipts = Vec::new();
        let header = if even_empty {
            Some(self.chain.seal_even_empty(&mut receipts))
        } else {
            self.chain.seal(&mut receipts)
        };

        let totals = self.chain.recount().unwrap();
        assert_eq!(&totals, self.chain.totals());
        assert_eq!(self.chain.supply(), Amount::new(self.supply));
        let included = receipts.iter().filter(|receipt| receipt.outcome.is_ok());
        let included = included.count() as u64;
        let refused = receipts.len() as u64 - included;
        assert_eq!(self.chain.load().transactions, load.transactions + included);
        assert_eq!(self.chain.load().refused, load.refused + refused);
        assert!(receipts.iter().all(|receipt| receipt.height == height + 1));
        let blocks = load.blocks + u64::from(included > 0);
        assert_eq!(self.chain.load().blocks, blocks, "empty ones are no load");
        if let Some(header) = header {
            assert_eq!((header.height, header.parent), (height + 1, parent));
            assert_eq!(u64::from(header.transactions), included);
            assert_eq!(header.hash, header.digest());
            assert_eq!(self.chain.tip(), &header.hash);
        } else {
            assert_eq!(included, 0);
            assert_eq!((self.chain.height(), *self.chain.tip()), (height, parent));
        }
        self.check_root(header.as_ref());
        self.restore();
        (header, receipts)
    }
}

/// The state after so many payments. The log before the last one is nobody's business here.
fn after(version: u64, balance_a: u64) -> State {
    let entry = Entry {
        version,
        amount: Amount::new(1),
        balance_a: Amount::new(balance_a),
        payer: Party::A,
        tag: 7,
    };
    State::After {
        previous: Digest([9; 32]),
        entry: entry.encode(),
    }
}

fn encoded(
    transaction: Transaction,
    signature: Signature,
    consents: impl IntoIterator<Item = Signature>,
) -> Bytes {
    let mut bytes = Vec::new();
    let encoded_bytes = transaction.encoded_bytes();
    SignedTransaction::new(transaction, signature, consents).encode(&mut bytes);
    assert_eq!(bytes.len(), encoded_bytes);
    bytes
}

/// The terms of a batch's channels, as they follow from it.
fn terms_of_batch(world: &World, opener: Who, nonce: u64, channels: &[Opening]) -> Vec<Terms> {
    let terms = (0..).zip(channels).map(|(index, opening)| Terms {
        genesis: *world.chain.genesis(),
        nonce,
        index,
        keys: Pair {
            a: world.key(opener),
            b: opening.peer,
        },
        deposits: opening.deposits,
        challenge_window_blocks: opening.challenge_window_blocks,
        reserve: opening.reserve,
    });
    terms.collect()
}

/// A channel of a batch.
fn opening(peer: PublicKey, deposit_a: u64, deposit_b: u64) -> Opening {
    Opening {
        peer,
        deposits: Pair {
            a: Amount::new(deposit_a),
            b: Amount::new(deposit_b),
        },
        challenge_window_blocks: 144,
        reserve: Amount::ZERO,
    }
}

fn opened(terms: &Terms) -> Outcome {
    Ok(Executed::Opened {
        channel: terms.channel_id(),
    })
}

fn closed(version: u64, a: u64, b: u64) -> Outcome {
    let payouts = Pair {
        a: Amount::new(a),
        b: Amount::new(b),
    };
    Ok(Executed::Closed { payouts, version })
}

fn opened_batch(terms: &[Terms]) -> Outcome {
    Ok(Executed::OpenedBatch {
        channels: terms.iter().map(Terms::channel_id).collect(),
    })
}

fn paid_out(version: u64, a: u64, b: u64) -> PaidOut {
    let payouts = Pair {
        a: Amount::new(a),
        b: Amount::new(b),
    };
    PaidOut { payouts, version }
}

fn closed_batch(items: Vec<Result<PaidOut, Refusal>>) -> Outcome {
    Ok(Executed::ClosedBatch { items })
}

fn rolled_over(closed: PaidOut, successor: &Terms) -> Outcome {
    Ok(Executed::RolledOver {
        closed,
        successor: successor.channel_id(),
    })
}

fn unknown(channel: ChannelId) -> Outcome {
    Err(Refusal::UnknownChannel { channel })
}

fn forged(role: SignatureRole, key: PublicKey) -> Outcome {
    Err(Refusal::BadSignature { role, key })
}

fn deposit_above(party: Party, have: u64, got: u64) -> Outcome {
    Ok(Executed::Failed(Failure::DepositAboveBalance {
        party,
        have: Amount::new(have),
        got: Amount::new(got),
    }))
}

fn transfer_above(have: u64, got: u64) -> Outcome {
    Ok(Executed::Failed(Failure::TransferAboveBalance {
        have: Amount::new(have),
        got: Amount::new(got),
    }))
}
