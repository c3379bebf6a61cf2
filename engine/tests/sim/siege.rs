//! Rule L8 under siege: an answer comes into the next block, whatever waits and whoever pushes.
//!
//! Chance finds these only by luck, because they need a mempool filled to the right place, and an
//! account emptied at the right time. Each row is a siege of one window's length.

use duet_engine::crypto::{Digest, link};
use duet_engine::l1::{
    Chain, Config, Executed, Genesis, Opening, SignedTransaction, SubmitError, Transaction,
};
use duet_engine::protocol::{
    Amount, ChannelId, CoSigned, Entry, Pair, Party, Post, Terms, state_digest,
};

use super::keys::{EVERYONE, Keys, POOR, THIRD, Who};

const VICTIM: Who = 0;
const ROGUE: Who = 1;
const WINDOW: u32 = 4;
const BLOCK: u32 = 8;

/// What the rogues do before each block.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Siege {
    /// Nothing.
    None,
    /// The queue is short of full by so many places, and many blocks long.
    AllBut(u32),
    /// The queue is full, and an account that can pay for one answer makes two. The second takes
    /// the victim's place, as high as the victim's and before it, or higher, and is worth nothing.
    TwoAnswersForOneFee { higher: u64 },
}

struct Field {
    chain: Chain,
    keys: Keys,
    ids: Vec<ChannelId>,
    next_ticket: u64,
    next_nonce: u64,
}

impl Field {
    fn new(mempool: u32) -> Field {
        let keys = Keys::new();
        let funds = |who: Who| if who == POOR { 1 } else { 10_000 };
        let genesis: Genesis = Genesis {
            label: "siege".to_owned(),
            allocations: (0..EVERYONE)
                .map(|who| (keys.public(who), Amount::new(funds(who))))
                .collect(),
        };
        let config = Config {
            mempool_transactions: mempool,
            block_transactions: BLOCK,
            ..Config::default()
        };
        let chain = Chain::new(config, &genesis, keys.backend()).expect("a sound configuration");
        let mut field = Field {
            chain,
            keys,
            ids: Vec::new(),
            next_ticket: 0,
            next_nonce: 0,
        };
        let deposits = Pair {
            a: Amount::new(10),
            b: Amount::ZERO,
        };
        let opening = Opening {
            peer: field.keys.public(ROGUE),
            deposits,
            challenge_window_blocks: WINDOW,
            reserve: Amount::ZERO,
        };
        let opener = field.keys.public(VICTIM);
        let terms = |index| Terms {
            genesis: *field.chain.genesis(),
            nonce: 0,
            index,
            keys: Pair {
                a: opener,
                b: opening.peer,
            },
            deposits,
            challenge_window_blocks: WINDOW,
            reserve: Amount::ZERO,
        };
        field.ids = [0, 1].map(|index| terms(index).channel_id()).to_vec();
        let open = Transaction::OpenBatch {
            opener,
            nonce: 0,
            channels: vec![opening; 2],
        };
        field.submit(VICTIM, open).expect("room");
        field.seal();
        field
    }

    fn submit(&mut self, who: Who, transaction: Transaction) -> Result<u64, SubmitError> {
        let digest = transaction.digest(self.chain.genesis());
        let signature = self.keys.sign(who, digest);
        let mut bytes = Vec::new();
        SignedTransaction::new(transaction, signature, []).encode(&mut bytes);
        self.next_ticket += 1;
        self.chain.submit(self.next_ticket, &bytes)?;
        Ok(self.next_ticket)
    }

    /// The tickets of those that were executed.
    fn seal(&mut self) -> Vec<u64> {
        let mut receipts = Vec::new();
        self.chain.seal_even_empty(&mut receipts);
        let posted = receipts
            .iter()
            .filter(|receipt| matches!(receipt.outcome, Ok(Executed::Posted { .. })));
        posted.map(|receipt| receipt.ticket).collect()
    }

    /// A state that both have signed.
    fn state(&mut self, channel: usize, version: u64) -> Option<CoSigned> {
        let id = self.ids[channel];
        let entry = Entry {
            version,
            amount: Amount::new(1),
            balance_a: Amount::new(version.min(10)),
            payer: Party::B,
            tag: 0,
        };
        let (previous, entry) = (Digest([7; 32]), entry.encode());
        let digest = state_digest(&id, &link(&previous, &entry));
        let signatures = Pair {
            a: self.keys.sign(VICTIM, digest),
            b: self.keys.sign(ROGUE, digest),
        };
        (version > 0).then_some(CoSigned {
            previous,
            entry,
            signatures,
        })
    }

    fn post(&mut self, who: Who, channel: usize, version: u64) -> Result<u64, SubmitError> {
        let post = Post {
            channel: self.ids[channel],
            shown: self.state(channel, version),
            offer: None,
        };
        let submitter = self.keys.public(who);
        self.submit(who, Transaction::Post { submitter, post })
    }

    /// Fills the queue up to this many places, with transfers that all succeed.
    fn fill(&mut self, places: u32) {
        while self.chain.pending() < places as usize {
            let transfer = Transaction::Transfer {
                from: self.keys.public(THIRD),
                nonce: self.next_nonce,
                to: self.keys.public(THIRD),
                amount: Amount::new(1),
            };
            self.submit(THIRD, transfer).expect("room in the queue");
            self.next_nonce += 1;
        }
    }

    /// One unit for the poor account: the fee of one answer.
    fn feed_the_poor(&mut self) {
        let transfer = Transaction::Transfer {
            from: self.keys.public(THIRD),
            nonce: self.next_nonce,
            to: self.keys.public(POOR),
            amount: Amount::new(1),
        };
        self.next_nonce += u64::from(self.submit(THIRD, transfer).is_ok());
    }
}

/// Blocks until the victim's answer is in one, if it is in time. It submits it again whenever it
/// is refused or pushed back.
fn blocks_until_answered(siege: Siege, mempool: u32) -> Option<u32> {
    let mut field = Field::new(mempool);
    let versions = [3, 3];
    field.post(ROGUE, 0, 0).expect("room");
    field.post(ROGUE, 1, 0).expect("room");
    field.seal();
    let mut waiting = false;
    for block in 1..=WINDOW {
        if let Siege::AllBut(places) = siege {
            field.fill(mempool - places);
        }
        if let Siege::TwoAnswersForOneFee { .. } = siege {
            field.feed_the_poor();
            field.fill(mempool);
        }
        if let Siege::TwoAnswersForOneFee { higher } = siege {
            let _ = field.post(POOR, 0, u64::from(block));
            if higher == 0 {
                let _ = field.post(POOR, 1, versions[1]);
            }
        }
        if !waiting {
            waiting = field.post(VICTIM, 1, versions[1]).is_ok();
        }
        if let Siege::TwoAnswersForOneFee {
            higher: higher @ 1..,
        } = siege
        {
            let _ = field.post(POOR, 1, versions[1] + higher);
        }
        field.seal();
        let record = field.chain.channel(&field.ids[1]);
        let dispute = record.and_then(|record| record.dispute())?;
        if dispute.highest() >= versions[1] {
            return Some(block);
        }
        // Made way for, or refused: it may try again.
        if !matches!(siege, Siege::AllBut(_)) {
            waiting = false;
        }
    }
    None
}

#[test]
fn an_answer_is_in_the_next_block() {
    let table = [
        (Siege::None, 1000),
        (Siege::AllBut(0), 64),
        (Siege::AllBut(1), 64),
        (Siege::AllBut(20), 64),
        (Siege::TwoAnswersForOneFee { higher: 0 }, 64),
        (Siege::TwoAnswersForOneFee { higher: 1 }, 64),
    ];
    let found = table.map(|(siege, mempool)| (siege, blocks_until_answered(siege, mempool)));
    let expected = table.map(|(siege, _)| (siege, Some(1)));
    assert_eq!(found, expected);
}
