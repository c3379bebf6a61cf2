//! A party that keeps to no rule: what it hoards, what it sends instead, what it posts.
//!
//! It runs a real endpoint, so that its lies come from deep inside of a session, and keeps every
//! state that it could ever show.

use duet_engine::crypto::{Digest, Signature, link};
use duet_engine::l1::{Chain, Transaction};
use duet_engine::protocol::{
    Amount, ChannelId, CoSigned, Entry, EntryBytes, HalfSigned, Message, PackedPayments, Pair,
    Party, Post, state_digest,
};

use super::keys::{Keys, POOR, THIRD, Who};
use super::log::Log;
use super::node::{Ground, Side, encoded};
use super::rng::Rng;

/// How it behaves in one channel, off chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// As an honest party would: it saves its malice for Layer 1.
    Polite,
    /// Takes proposals, completes them for itself, and does not answer some.
    Withholds,
    /// Sends bytes with a few bits flipped.
    Lies,
    /// Sends messages twice, late, or again much later.
    Parrots,
    /// Signs two states at one version, or states that no payments lead to.
    Forges,
    /// Falls silent.
    Mutes,
}

/// All that it knows, of every channel.
pub(crate) struct Rogue(Vec<Hoard>);

struct Hoard {
    mood: Mood,
    mute_from: u64,
    /// Closes unilaterally whenever it likes.
    posts: bool,
    log: Log,
    states: Vec<CoSigned>,
    halves: Vec<HalfSigned>,
    sent: Vec<Vec<u8>>,
    kept_back: Option<Vec<u8>>,
}

impl Rogue {
    pub(crate) fn new(ground: &Ground) -> Rogue {
        let mut rng = Rng::new(ground.plan.seed ^ 0x0A06_0E06);
        let moods = [
            Mood::Polite,
            Mood::Polite,
            Mood::Withholds,
            Mood::Withholds,
            Mood::Lies,
            Mood::Parrots,
            Mood::Forges,
            Mood::Mutes,
        ];
        let hoard = |id: &ChannelId| Hoard {
            mood: moods[rng.below(moods.len() as u64) as usize],
            mute_from: rng.below(150),
            posts: rng.once_in(2),
            log: Log::new(*id),
            states: Vec::new(),
            halves: Vec::new(),
            sent: Vec::new(),
            kept_back: None,
        };
        Rogue(ground.ids.iter().map(hoard).collect())
    }

    // What it learns.

    pub(crate) fn proposed(
        &mut self,
        channel: usize,
        entries: &[EntryBytes],
        signature: Signature,
    ) {
        let hoard = &mut self.0[channel];
        hoard.log.extend(entries);
        let version = hoard.log.version();
        let (Some(entry), Some(previous)) = (entries.last(), hoard.log.head_at(version - 1)) else {
            return;
        };
        hoard.halves.push(HalfSigned {
            previous: *previous,
            entry: *entry,
            signature,
        });
    }

    pub(crate) fn accepted(&mut self, channel: usize, entries: &[EntryBytes]) {
        self.0[channel].log.extend(entries);
    }

    pub(crate) fn holds(&mut self, channel: usize, held: Option<CoSigned>) {
        let states = &mut self.0[channel].states;
        if let Some(held) = held
            && states.last() != Some(&held)
        {
            states.push(held);
        }
    }

    /// An answer to something that its endpoint knows nothing of.
    pub(crate) fn hears(
        &mut self,
        channel: usize,
        me: Party,
        bytes: &[u8],
        ground: &Ground,
        keys: &Keys,
    ) {
        let Ok((Message::Acknowledgement { signature, .. }, _)) = Message::decode_first(bytes)
        else {
            return;
        };
        let hoard = &mut self.0[channel];
        let peer = ground.who(channel, me.other());
        for half in &hoard.halves {
            let digest = state_digest(&ground.ids[channel], &link(&half.previous, &half.entry));
            if keys.made(peer, &digest) == Some(&signature) {
                hoard.states.push(CoSigned {
                    previous: half.previous,
                    entry: half.entry,
                    signatures: Pair::of(me, half.signature, signature),
                });
            }
        }
    }

    // What it sends.

    /// What leaves instead of a message.
    pub(crate) fn distorts(
        &mut self,
        (channel, who, now): (usize, Who, u64),
        bytes: Vec<u8>,
        ground: &Ground,
        keys: &mut Keys,
        rng: &mut Rng,
    ) -> Vec<Vec<u8>> {
        let hoard = &mut self.0[channel];
        hoard.sent.push(bytes.clone());
        match hoard.mood {
            Mood::Polite => vec![bytes],
            Mood::Mutes if now >= hoard.mute_from => vec![],
            Mood::Mutes => vec![bytes],
            Mood::Withholds => {
                let answer = matches!(
                    Message::decode_first(&bytes),
                    Ok((
                        Message::Acknowledgement { .. } | Message::FinalAcknowledgement { .. },
                        _
                    ))
                );
                if answer && rng.once_in(3) {
                    vec![]
                } else {
                    vec![bytes]
                }
            }
            Mood::Lies => {
                let mut bytes = bytes;
                if rng.once_in(4) {
                    for _ in 0..rng.within(1, 3) {
                        let bit = rng.below(8 * bytes.len() as u64);
                        bytes[bit as usize / 8] ^= 1 << (bit % 8);
                    }
                }
                vec![bytes]
            }
            Mood::Parrots => match rng.below(6) {
                0 => vec![bytes.clone(), bytes],
                1 => {
                    let again = rng.pick(&hoard.sent).cloned();
                    [bytes].into_iter().chain(again).collect()
                }
                2 => {
                    let before = hoard.kept_back.replace(bytes);
                    before.into_iter().collect()
                }
                _ => {
                    let before = hoard.kept_back.take();
                    [bytes].into_iter().chain(before).collect()
                }
            },
            Mood::Forges => hoard.forge(channel, who, bytes, ground, keys, rng),
        }
    }

    // What it asks of Layer 1.

    /// Its transactions for the next block, each with the account that signs it.
    pub(crate) fn moves(
        &mut self,
        side: &Side,
        who: Who,
        chain: &Chain,
        ground: &Ground,
        keys: &mut Keys,
        rng: &mut Rng,
    ) -> Vec<(Who, Transaction)> {
        let channel = side.channel;
        let id = ground.ids[channel];
        let hoard = &mut self.0[channel];
        let Some(record) = chain.channel(&id) else {
            return vec![];
        };
        let mut moves = Vec::new();
        let end = side.end.as_ref();
        let proof = end.and_then(|end| end.final_proof(|order| keys.again(who, order)));
        if let Some(proof) = proof
            && rng.once_in(8)
        {
            let submitter = keys.public(who);
            moves.push((who, Transaction::CooperativeClose { submitter, proof }));
        }
        let Some(dispute) = record.dispute() else {
            if hoard.posts && rng.once_in(10) {
                let shown = if rng.once_in(4) {
                    None
                } else {
                    rng.pick(&hoard.states).copied()
                };
                let post = hoard.post((channel, side.me, who), shown, ground, keys, rng);
                let submitter = keys.public(who);
                moves.push((who, Transaction::Post { submitter, post }));
            }
            return moves;
        };
        let next = chain.height() + 1;
        if next > dispute.until() {
            if rng.once_in(2) {
                let submitter = keys.public(THIRD);
                let channel = id;
                moves.push((THIRD, Transaction::Payout { submitter, channel }));
            }
            return moves;
        }
        let last = next == dispute.until();
        let higher = |state: &&CoSigned| state.version() > dispute.highest();
        let higher: Vec<CoSigned> = hoard.states.iter().filter(higher).copied().collect();
        if rng.once_in(if last || ground.plan.spam { 2 } else { 6 })
            && let Some(shown) = rng.pick(&higher).copied()
        {
            let by = [who, who, THIRD, POOR][rng.below(4) as usize];
            let mut post = hoard.post((channel, side.me, who), Some(shown), ground, keys, rng);
            if by != who && !rng.once_in(8) {
                post.offer = None;
            }
            let submitter = keys.public(by);
            moves.push((by, Transaction::Post { submitter, post }));
        }
        moves
    }
}

impl Hoard {
    /// A post of this state, with no offer, a true one or a made-up one.
    fn post(
        &self,
        (channel, me, who): (usize, Party, Who),
        shown: Option<CoSigned>,
        ground: &Ground,
        keys: &mut Keys,
        rng: &mut Rng,
    ) -> Post {
        let id = ground.ids[channel];
        let deposits = ground.plan.channels[channel].deposits;
        let balance = shown.map_or(
            duet_engine::protocol::Balance {
                version: 0,
                a: Amount::new(deposits[0]),
            },
            |shown| shown.state().balance(Amount::ZERO),
        );
        let offer = match rng.below(3) {
            0 => None,
            1 => rng.pick(&self.halves).copied(),
            _ => {
                let capacity = deposits.iter().sum::<u64>();
                let a = balance.a.units();
                // Mostly what Layer 1 lets through: the poster's balance no higher.
                let balance_a = match (rng.once_in(8), me) {
                    (true, _) => rng.within(0, capacity + 1),
                    (false, Party::A) => rng.within(0, a),
                    (false, Party::B) => rng.within(a, capacity),
                };
                let entry = Entry {
                    version: balance.version + rng.below(10),
                    amount: Amount::new(1),
                    balance_a: Amount::new(balance_a),
                    payer: me,
                    tag: 0,
                }
                .encode();
                let previous = Digest([rng.below(256) as u8; 32]);
                let digest = state_digest(&id, &link(&previous, &entry));
                let signature = keys.sign(who, digest);
                Some(HalfSigned {
                    previous,
                    entry,
                    signature,
                })
            }
        };
        Post {
            channel: id,
            shown,
            offer,
        }
    }

    /// A second state at the version of its proposal, with a true signature; or one that breaks
    /// rule S2.
    fn forge(
        &mut self,
        channel: usize,
        who: Who,
        bytes: Vec<u8>,
        ground: &Ground,
        keys: &mut Keys,
        rng: &mut Rng,
    ) -> Vec<Vec<u8>> {
        let Ok((
            Message::Proposal {
                payments,
                signature,
                pass,
            },
            _,
        )) = Message::decode_first(&bytes)
        else {
            return vec![bytes];
        };
        if !rng.once_in(2) {
            return vec![bytes];
        }
        // Of which log it was is known by its signature.
        let own = self.halves.iter().rfind(|half| half.signature == signature);
        let version = own.map(|half| Entry::decode(&half.entry).version);
        let from = version.and_then(|version| version.checked_sub(payments.len() as u64));
        let Some(from) = from.filter(|from| self.log.version() >= from + payments.len() as u64)
        else {
            return vec![bytes];
        };
        let mut entries = self.log.entries_after(from)[..payments.len()].to_vec();
        let Some((last, earlier)) = entries.split_last_mut() else {
            return vec![bytes];
        };
        let mut entry = Entry::decode(last);
        let by = match rng.below(5) {
            0 => 0,
            _ => 1,
        };
        let (amount, a) = (entry.amount.units(), entry.balance_a.units());
        // One unit less than it proposed; without the balances that belong to it if by is 0.
        entry.amount = Amount::new(amount.saturating_sub(1));
        entry.balance_a = Amount::new(match entry.payer {
            Party::A => a + by,
            Party::B => a.saturating_sub(by),
        });
        *last = entry.encode();
        let Some(start) = self.log.head_at(from) else {
            return vec![bytes];
        };
        let previous = earlier
            .iter()
            .fold(*start, |head, entry| link(&head, entry));
        let entry = *last;
        let digest = state_digest(&ground.ids[channel], &link(&previous, &entry));
        let signature = keys.sign(who, digest);
        self.halves.push(HalfSigned {
            previous,
            entry,
            signature,
        });
        let packed = PackedPayments::of(&entries);
        let other = encoded(&Message::Proposal {
            payments: packed.payments(),
            signature,
            pass,
        });
        match rng.below(3) {
            0 => vec![bytes, other],
            1 => vec![other, bytes],
            _ => vec![other],
        }
    }
}
