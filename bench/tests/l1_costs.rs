//! What each kind of transaction, and each way of a channel's life, costs Layer 1: counted on the
//! real one, and held against `bench/l1-costs.json` to the last digit. These figures depend on no
//! machine: any change of theirs is a change of the protocol or of the bytes, and is meant or a
//! mistake.

use std::collections::BTreeMap;
use std::path::PathBuf;

use duet_engine::crypto::{Backend, Digest, PublicKey, SecretKey, SignJob, Signature, Signer};
use duet_engine::l1::{Chain, Config, Genesis, Header, Opening, SignedTransaction, Transaction};
use duet_engine::protocol::{
    Amount, ChannelId, CoSigned, Entry, FinalProof, HalfSigned, Pair, Party, Post, State, Terms,
    final_digest, state_digest,
};
use serde_json::{Value, json};

const WINDOW_BLOCKS: u32 = 3;
const BATCH: usize = 100;
const A: usize = 0;
const B: usize = 1;
const RENEW: &str = "DUET_RENEW_L1_COSTS";

/// A Layer 1, two parties, and a count of what they had it do.
struct Ledger {
    chain: Chain,
    signer: Signer,
    secrets: Vec<SecretKey>,
    nonce: u64,
}

impl Ledger {
    fn new() -> Self {
        let secrets: Vec<SecretKey> = [[1; 32], [2; 32]]
            .iter()
            .map(SecretKey::from_seed)
            .collect();
        let allocations = secrets
            .iter()
            .map(|secret| (secret.public(), Amount::new(1 << 40)));
        let genesis: Genesis = Genesis {
            label: "costs".to_owned(),
            allocations: allocations.collect(),
        };
        Self {
            chain: Chain::new(Config::default(), &genesis, Backend::Dalek).expect("a sound set-up"),
            signer: Signer::new(Backend::Dalek),
            secrets,
            nonce: 0,
        }
    }

    fn key(&self, party: usize) -> PublicKey {
        self.secrets[party].public()
    }

    fn sign(&mut self, party: usize, digest: Digest) -> Signature {
        let mut signatures = Vec::new();
        let secret = party as u32;
        let job = SignJob { secret, digest };
        self.signer.sign(&self.secrets, &[job], &mut signatures);
        signatures[0]
    }

    fn both(&mut self, digest: Digest) -> Pair<Signature> {
        Pair {
            a: self.sign(A, digest),
            b: self.sign(B, digest),
        }
    }

    fn terms(&mut self, deposit_b: u64) -> Terms {
        self.nonce += 1;
        Terms {
            genesis: *self.chain.genesis(),
            nonce: self.nonce - 1,
            index: 0,
            keys: Pair {
                a: self.key(A),
                b: self.key(B),
            },
            deposits: Pair {
                a: Amount::new(20_000),
                b: Amount::new(deposit_b),
            },
            challenge_window_blocks: WINDOW_BLOCKS,
            reserve: Amount::ZERO,
        }
    }

    /// Has a block made of this one transaction, and gives what that cost without the block's
    /// header.
    fn execute(&mut self, transaction: Transaction) -> Costs {
        let digest = transaction.digest(self.chain.genesis());
        let party_of = |key: &PublicKey| {
            let found = self
                .secrets
                .iter()
                .position(|secret| secret.public() == *key);
            found.expect("one of the two")
        };
        let signer = party_of(transaction.signer());
        let consenters: Vec<usize> = transaction.consenters().map(party_of).collect();
        let signature = self.sign(signer, digest);
        let consents: Vec<Signature> = consenters
            .into_iter()
            .map(|party| self.sign(party, digest))
            .collect();
        let mut bytes = Vec::new();
        SignedTransaction::new(transaction, signature, consents).encode(&mut bytes);

        let (before, fees_before) = (*self.chain.load(), self.chain.totals().fees);
        self.chain.submit(1, &bytes).expect("a sound transaction");
        let mut receipts = Vec::new();
        let header = self.chain.seal(&mut receipts).expect("a block");
        assert_eq!(header.transactions, 1);
        let (after, fees) = (*self.chain.load(), self.chain.totals().fees);
        assert_eq!((after.failed, after.refused), (0, 0), "{receipts:?}");
        let costs = Costs {
            transactions: after.transactions - before.transactions,
            bytes: after.bytes - before.bytes - Header::BYTES as u64,
            signature_verifications: after.signature_verifications - before.signature_verifications,
            state_reads: after.state_reads - before.state_reads,
            state_writes: after.state_writes - before.state_writes,
            fee_units: fees.units() - fees_before.units(),
        };
        assert_eq!(costs.bytes, bytes.len() as u64);
        costs
    }

    fn open(&mut self, deposit_b: u64) -> (ChannelId, Costs) {
        let terms = self.terms(deposit_b);
        (terms.channel_id(), self.execute(Transaction::open(&terms)))
    }

    fn open_batch(&mut self, deposit_b: u64) -> (Vec<ChannelId>, Costs) {
        let terms = self.terms(deposit_b);
        let ids = (0..BATCH as u32).map(|index| Terms { index, ..terms }.channel_id());
        let costs = self.execute(Transaction::OpenBatch {
            opener: self.key(A),
            nonce: terms.nonce,
            channels: vec![Opening::of(&terms); BATCH],
        });
        (ids.collect(), costs)
    }

    fn final_proof(&mut self, channel: ChannelId) -> FinalProof {
        let state = after(10_000);
        let digest = final_digest(&channel, &state.head(&channel));
        FinalProof {
            channel,
            state,
            signatures: self.both(digest),
        }
    }

    fn close(&mut self, channel: ChannelId) -> Costs {
        let proof = self.final_proof(channel);
        let submitter = self.key(A);
        self.execute(Transaction::CooperativeClose { submitter, proof })
    }

    fn close_batch(&mut self, channels: &[ChannelId]) -> Costs {
        let proofs = channels.iter().map(|channel| self.final_proof(*channel));
        let proofs = proofs.collect();
        let submitter = self.key(A);
        self.execute(Transaction::CloseBatch { submitter, proofs })
    }

    /// A party shows the state of a version, and offers that of another.
    fn post(
        &mut self,
        party: usize,
        channel: ChannelId,
        version: u64,
        offer: Option<u64>,
    ) -> Costs {
        let shown = (version > 0).then(|| {
            let state = after(version);
            let State::After { previous, entry } = state else {
                unreachable!("an entry makes a version")
            };
            let digest = state_digest(&channel, &state.head(&channel));
            CoSigned {
                previous,
                entry,
                signatures: self.both(digest),
            }
        });
        let offer = offer.map(|version| {
            let state = after(version);
            let State::After { previous, entry } = state else {
                unreachable!("an entry makes a version")
            };
            let digest = state_digest(&channel, &state.head(&channel));
            HalfSigned {
                previous,
                entry,
                signature: self.sign(party, digest),
            }
        });
        let submitter = self.key(party);
        self.execute(Transaction::Post {
            submitter,
            post: Post {
                channel,
                shown,
                offer,
            },
        })
    }

    /// Lets the challenge window pass, and has the channel paid out.
    fn payout(&mut self, channel: ChannelId) -> Costs {
        for _ in 0..=WINDOW_BLOCKS {
            self.chain.seal_even_empty(&mut Vec::new());
        }
        let submitter = self.key(A);
        self.execute(Transaction::Payout { submitter, channel })
    }

    fn transfer(&mut self) -> Costs {
        self.nonce += 1;
        self.execute(Transaction::Transfer {
            from: self.key(A),
            nonce: self.nonce - 1,
            to: self.key(B),
            amount: Amount::new(1),
        })
    }

    fn roll_over(&mut self, channel: ChannelId) -> Costs {
        let proof = self.final_proof(channel);
        let terms = self.terms(0);
        self.execute(Transaction::RollOver {
            proof,
            opener: self.key(A),
            nonce: terms.nonce,
            successor: Opening::of(&terms),
        })
    }
}

/// The state after this many payments of one unit by A.
fn after(version: u64) -> State {
    let entry = Entry {
        version,
        amount: Amount::new(1),
        balance_a: Amount::new(20_000 - version),
        payer: Party::A,
        tag: 0,
    };
    State::After {
        previous: Digest([7; 32]),
        entry: entry.encode(),
    }
}

/// What Layer 1 counts, and the fee that it takes.
#[derive(Clone, Copy, Debug, Default)]
struct Costs {
    transactions: u64,
    bytes: u64,
    signature_verifications: u64,
    state_reads: u64,
    state_writes: u64,
    fee_units: u64,
}

impl std::iter::Sum for Costs {
    fn sum<I: Iterator<Item = Costs>>(costs: I) -> Costs {
        costs.fold(Costs::default(), |sum, costs| Costs {
            transactions: sum.transactions + costs.transactions,
            bytes: sum.bytes + costs.bytes,
            signature_verifications: sum.signature_verifications + costs.signature_verifications,
            state_reads: sum.state_reads + costs.state_reads,
            state_writes: sum.state_writes + costs.state_writes,
            fee_units: sum.fee_units + costs.fee_units,
        })
    }
}

impl Costs {
    fn json(self) -> Value {
        json!({
            "transactions": self.transactions,
            "bytes": self.bytes,
            "signature_verifications": self.signature_verifications,
            "state_reads": self.state_reads,
            "state_writes": self.state_writes,
            "fee_units": self.fee_units,
        })
    }
}

fn kinds() -> BTreeMap<&'static str, Costs> {
    let mut kinds = BTreeMap::new();
    let mut l1 = Ledger::new();
    kinds.insert("transfer", l1.transfer());
    let (one_sided, costs) = l1.open(0);
    kinds.insert("open, one-sided", costs);
    let (two_sided, costs) = l1.open(20_000);
    kinds.insert("open, two-sided", costs);
    let (batch, costs) = l1.open_batch(0);
    kinds.insert("open 100 in a batch, one-sided", costs);
    let (both, costs) = l1.open_batch(20_000);
    kinds.insert("open 100 in a batch, two-sided", costs);
    kinds.insert("close, cooperative", l1.close(one_sided));
    kinds.insert("close 100 in a batch", l1.close_batch(&batch));
    kinds.insert("roll-over", l1.roll_over(two_sided));
    kinds.insert("post the opening", l1.post(A, both[0], 0, None));
    kinds.insert("post a state", l1.post(A, both[1], 5, None));
    kinds.insert(
        "post a state with an offer",
        l1.post(A, both[2], 5, Some(6)),
    );
    kinds.insert("answer a post", l1.post(B, both[1], 9, None));
    kinds.insert("pay out", l1.payout(both[1]));
    kinds.insert("pay out with an offer", l1.payout(both[2]));
    kinds
}

/// Whole lives, by what happens at their end.
fn lives() -> BTreeMap<&'static str, Costs> {
    let mut lives = BTreeMap::new();
    let mut l1 = Ledger::new();
    let (id, open) = l1.open(0);
    lives.insert(
        "one-sided, cooperative",
        [open, l1.close(id)].into_iter().sum(),
    );
    let (id, open) = l1.open(20_000);
    lives.insert(
        "two-sided, cooperative",
        [open, l1.close(id)].into_iter().sum(),
    );
    let (id, open) = l1.open(20_000);
    let (post, payout) = (l1.post(A, id, 5, None), l1.payout(id));
    lives.insert(
        "two-sided, silent peer",
        [open, post, payout].into_iter().sum(),
    );
    let (id, open) = l1.open(20_000);
    let (post, answer) = (l1.post(A, id, 5, None), l1.post(B, id, 9, None));
    let payout = l1.payout(id);
    lives.insert(
        "two-sided, answered",
        [open, post, answer, payout].into_iter().sum(),
    );
    lives
}

fn counted() -> Value {
    let rows = |costs: BTreeMap<&'static str, Costs>| -> Value {
        let rows = costs.into_iter();
        rows.map(|(name, costs)| (name.to_owned(), costs.json()))
            .collect()
    };
    let config = Config::default();
    json!({
        "schema": 1,
        "limits": {
            "block_transactions": config.block_transactions,
            "block_bytes": config.block_bytes,
            "block_header_bytes": Header::BYTES,
            "fee_units": config.fee.units(),
        },
        "kinds": rows(kinds()),
        "lives": rows(lives()),
    })
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("l1-costs.json")
}

/// Every leaf under a path of names.
fn leaves(value: &Value, path: &str, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                leaves(member, &format!("{path}/{name}"), out);
            }
        }
        leaf => {
            out.insert(path.to_owned(), leaf.clone());
        }
    }
}

/// Each figure that is not the same in both, with its two values.
fn differences(written: &Value, counted: &Value) -> Vec<String> {
    let [mut old, mut new] = [BTreeMap::new(), BTreeMap::new()];
    leaves(written, "", &mut old);
    leaves(counted, "", &mut new);
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    let differ = names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name));
    differ
        .map(|name| {
            let (was, is) = (shown(old.get(name)), shown(new.get(name)));
            format!("  {name}: {was} in the file, {is} counted")
        })
        .collect()
}

#[test]
fn layer_1s_costs_are_those_of_the_file() {
    let counted = counted();
    let text = format!("{counted:#}\n");
    if std::env::var_os(RENEW).is_some() {
        std::fs::write(file(), text).expect("the file can be written");
        return;
    }
    let found = std::fs::read_to_string(file()).expect("bench/l1-costs.json is there");
    let written: Value = serde_json::from_str(&found).expect("JSON");
    let differences = differences(&written, &counted);
    assert!(
        differences.is_empty() && found == text,
        "Layer 1's costs have changed:\n{}\nIf that is meant, say why in the commit and renew the \
         file:\n  {RENEW}=1 cargo test -p duet-bench --test l1_costs",
        differences.join("\n"),
    );
}

#[test]
fn a_change_is_named_with_both_figures() {
    let mut changed = counted();
    changed["kinds"]["transfer"]["bytes"] = json!(1);
    changed["lives"]["new"] = json!({"bytes": 2});
    let said = differences(&changed, &counted());
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(
        said[0].starts_with("  /kinds/transfer/bytes: 1 in the file, "),
        "{said:#?}"
    );
    assert_eq!(
        said[1],
        "  /lives/new/bytes: 2 in the file, nothing counted"
    );
}
