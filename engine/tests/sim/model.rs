//! What must hold of honest parties, judged from the messages and transactions that they let out
//! and from nothing inside of them.
//!
//! | rule | here |
//! | --- | --- |
//! | S1, S2 | every signature that leaves is over the one log that the party's earlier ones are over |
//! | S4 | what is counted was signed by its payer and by the payee, once, before any post |
//! | S6 | nothing is signed after a final |
//! | guarantee | no payout below the balance in the newest state signed or counted |
//! | L4 to L6 | `oracle.rs` |

use duet_engine::crypto::{Digest, Signature};
use duet_engine::protocol::{
    Amount, Entry, EntryBytes, HalfSigned, Message, Pair, Party, Payment, Payments, Post,
    Rejection, final_digest, state_digest,
};

use super::keys::Keys;
use super::log::Log;
use super::node::Ground;
use super::oracle::Oracle;

/// What the model found wrong, with what it expected.
pub(crate) type Objection = String;

/// The books of all honest parties, and the posts of all channels.
pub(crate) struct Model {
    /// Of each channel: A's and B's. None for a rogue.
    books: Vec<[Option<Book>; 2]>,
    oracles: Vec<Oracle>,
    pub(crate) settled: u64,
    pub(crate) counted: u64,
}

/// What one honest party has let out of itself in one channel.
struct Book {
    me: Party,
    deposit_a: u64,
    capacity: u64,
    reserve: u64,
    /// All that it has signed, as far as its signatures left or were counted.
    log: Log,
    /// The newest version of which a signature has left.
    released: u64,
    /// The newest version up to which it has counted.
    counted_to: u64,
    counted: u64,
    finished: bool,
    /// Its newest proposal, if that is known from a post only.
    offered: Option<Entry>,
    /// It has posted, or seen a post; so many signatures had been made by then.
    posted: Option<u64>,
    ended: bool,
    /// Proposals that were delivered to it.
    heard: Vec<(Vec<Payment>, Signature)>,
}

impl Model {
    pub(crate) fn new(ground: &Ground) -> Model {
        let book = |channel: usize, me: Party| {
            let planned = &ground.plan.channels[channel];
            let honest = ground.plan.honest(planned.parties[me as usize]);
            honest.then(|| Book {
                me,
                deposit_a: planned.deposits[0],
                capacity: planned.deposits.iter().sum(),
                reserve: planned.reserve,
                log: Log::new(ground.ids[channel]),
                released: 0,
                counted_to: 0,
                counted: 0,
                finished: false,
                offered: None,
                posted: None,
                ended: false,
                heard: Vec::new(),
            })
        };
        let channels = 0..ground.plan.channels.len();
        Model {
            books: channels
                .clone()
                .map(|channel| Party::BOTH.map(|me| book(channel, me)))
                .collect(),
            oracles: channels
                .map(|channel| Oracle::new(channel, ground))
                .collect(),
            settled: 0,
            counted: 0,
        }
    }

    fn book(&mut self, channel: usize, me: Party) -> Option<&mut Book> {
        self.books[channel][me as usize].as_mut()
    }

    /// Bytes reach a party.
    pub(crate) fn hears(&mut self, channel: usize, me: Party, bytes: &[u8]) {
        if let Some(book) = self.book(channel, me)
            && let Ok((
                Message::Proposal {
                    payments,
                    signature,
                    ..
                },
                _,
            )) = Message::decode_first(bytes)
            && let Some(payments) = payments_by(me.other(), &payments)
        {
            book.heard.push((payments, signature));
        }
    }

    /// Bytes leave a party.
    pub(crate) fn sends(
        &mut self,
        channel: usize,
        me: Party,
        bytes: &[u8],
        ground: &Ground,
        keys: &Keys,
    ) -> Result<(), Objection> {
        let who = [me, me.other()].map(|party| ground.who(channel, party));
        let Some(book) = self.book(channel, me) else {
            return Ok(());
        };
        let Ok((message, [])) = Message::decode_first(bytes) else {
            return Err("an honest party sends bytes that are no message".into());
        };
        match message {
            Message::Proposal {
                payments,
                signature,
                ..
            } => {
                let payments = payments_by(me, &payments);
                let payments = payments.ok_or("an honest party sends malformed payments")?;
                book.proposes(&payments, &signature, who[0], keys)?;
            }
            Message::Acknowledgement { version, signature } => {
                book.reaches(version, who, keys)?;
                let digest = book.log.digest_at(version);
                made(keys, who[0], digest, &signature, "S1: a co-signature")?;
                book.releases(version, who[0], keys)?;
            }
            Message::Final { version, signature }
            | Message::FinalAcknowledgement { version, signature } => {
                if version != book.log.version() {
                    let newest = book.log.version();
                    return Err(format!("S6: a final at {version}, the newest is {newest}"));
                }
                let digest = final_digest(&ground.ids[channel], book.log.head());
                made(keys, who[0], Some(digest), &signature, "S6: a final")?;
                book.finished = true;
            }
            Message::TurnAsked { .. } | Message::TurnPassed { .. } | Message::Resume { .. } => {}
        }
        Ok(())
    }

    /// A party tells whoever waits for the money.
    pub(crate) fn counts(
        &mut self,
        channel: usize,
        me: Party,
        payments: u64,
        version: u64,
        ground: &Ground,
        keys: &Keys,
    ) -> Result<(), Objection> {
        let who = [me, me.other()].map(|party| ground.who(channel, party));
        let Some(book) = self.book(channel, me) else {
            return Ok(());
        };
        if book.posted.is_some() || book.ended {
            return Err("S4: counts after a post".into());
        }
        book.reaches(version, who, keys)?;
        book.counted += payments;
        book.counted_to = book.counted_to.max(version);
        let due = book.log.paid_by(me.other(), book.counted_to);
        if book.counted != due {
            let counted = book.counted;
            return Err(format!("S4: {counted} payments counted, {due} received"));
        }
        self.counted += payments;
        Ok(())
    }

    /// A party's post leaves it.
    pub(crate) fn posts(
        &mut self,
        channel: usize,
        me: Party,
        post: &Post,
        ground: &Ground,
        keys: &Keys,
    ) -> Result<(), Objection> {
        let who = ground.who(channel, me);
        let Some(book) = self.book(channel, me) else {
            return Ok(());
        };
        book.posted.get_or_insert(keys.made_so_far());
        let Some(offer) = &post.offer else {
            return Ok(());
        };
        let HalfSigned {
            previous,
            entry,
            signature,
        } = offer;
        let head = duet_engine::crypto::link(previous, entry);
        let digest = state_digest(&ground.ids[channel], &head);
        let entry = Entry::decode(entry);
        made(keys, who, Some(digest), signature, "S1: an offer")?;
        if entry.version <= book.log.version() && book.log.head_at(entry.version) != Some(&head) {
            let version = entry.version;
            return Err(format!(
                "S1: an offer of another state at version {version}"
            ));
        }
        if entry.version > book.log.version() {
            book.offered = Some(entry);
        }
        Ok(())
    }

    /// A party knows of a post: from now on it must not count.
    pub(crate) fn sees_post(&mut self, channel: usize, me: Party, keys: &Keys) {
        if let Some(book) = self.book(channel, me) {
            book.posted.get_or_insert(keys.made_so_far());
        }
    }

    /// A party refuses what another one sent: never among the honest, but for messages that
    /// crossed with an end.
    pub(crate) fn refuses(
        &self,
        channel: usize,
        me: Party,
        rejection: Rejection,
        closing: bool,
    ) -> Result<(), Objection> {
        let [Some(_), Some(_)] = &self.books[channel] else {
            return Ok(());
        };
        if rejection == Rejection::Ended && closing {
            return Ok(());
        }
        Err(format!("{me:?} refuses an honest peer: {rejection}"))
    }

    /// A post is in a block.
    pub(crate) fn included(
        &mut self,
        channel: usize,
        by: Option<Party>,
        post: &Post,
        height: u64,
    ) -> Result<(), Objection> {
        let stale = self.oracles[channel].included(by, post, height)?;
        for party in stale {
            if self.books[channel][party as usize].is_some() {
                return Err(format!("L6: honest {party:?} is proven stale"));
            }
        }
        Ok(())
    }

    /// A channel paid out after its window.
    pub(crate) fn pays_out(
        &mut self,
        channel: usize,
        (payouts, forfeited): (&Pair<u64>, Option<Party>),
        height: u64,
        late: [bool; 2],
    ) -> Result<u64, Objection> {
        self.oracles[channel].settles(payouts, forfeited, height)?;
        let honest = |party: Party| self.books[channel][party as usize].is_some();
        if let Some(party) = forfeited.filter(|party| honest(*party)) {
            return Err(format!("L6: honest {party:?} forfeits"));
        }
        self.ends(channel, payouts, late)
    }

    /// The highest version posted in a channel, and the last block of its window.
    pub(crate) fn posted(&self, channel: usize) -> Option<(u64, u64)> {
        self.oracles[channel].posted()
    }

    /// A channel ended, however it did: the honest party's guarantee. Of a party whose answer came
    /// too late because no block took it: no less than in the worst state that it has signed. Gives
    /// what such parties lost.
    pub(crate) fn ends(
        &mut self,
        channel: usize,
        payouts: &Pair<u64>,
        late: [bool; 2],
    ) -> Result<u64, Objection> {
        self.settled += 1;
        let mut lost = 0;
        for book in self.books[channel].iter_mut().flatten() {
            book.ended = true;
            let least = book.least();
            let got = i128::from(payouts[book.me]);
            if got < least && late[book.me as usize] && got >= book.worst() {
                lost += (least - got) as u64;
            } else if got < least {
                let (me, version) = (book.me, book.log.version());
                return Err(format!(
                    "guarantee: honest {me:?} gets {got}, has {least} at version {version}"
                ));
            }
        }
        Ok(lost)
    }
}

impl Book {
    /// Its smallest balance in all states that it has itself signed, or counted.
    fn worst(&self) -> i128 {
        let of = |a: i128| match self.me {
            Party::A => a,
            Party::B => i128::from(self.capacity) - a,
        };
        let versions = 0..=self.log.version();
        let signed = versions.map(|version| of(self.log.balance_a(version, self.deposit_a)));
        signed.fold(self.least(), i128::min)
    }

    /// Its balance in the newest state that it has itself signed, or counted.
    fn least(&self) -> i128 {
        let of = |a: i128| match self.me {
            Party::A => a,
            Party::B => i128::from(self.capacity) - a,
        };
        match &self.offered {
            Some(entry) => of(i128::from(entry.balance_a.units())),
            None => of(self.log.balance_a(self.log.version(), self.deposit_a)),
        }
    }

    /// The entries that payments make after this version of its log, whatever comes of them.
    fn entries(&self, from: u64, payments: &[Payment]) -> Vec<EntryBytes> {
        let mut a = self.log.balance_a(from, self.deposit_a);
        let entries = payments.iter().zip(from + 1..).map(|(payment, version)| {
            let amount = i128::from(payment.amount.units());
            a += match payment.payer {
                Party::A => -amount,
                Party::B => amount,
            };
            let entry = Entry {
                version,
                amount: payment.amount,
                balance_a: Amount::new(a as u64),
                payer: payment.payer,
                tag: payment.tag,
            };
            entry.encode()
        });
        entries.collect()
    }

    /// Its own payments leave it. Which state they extend is known by the signature: the newest,
    /// or an earlier one if they leave once more.
    fn proposes(
        &mut self,
        payments: &[Payment],
        signature: &Signature,
        who: usize,
        keys: &Keys,
    ) -> Result<(), Objection> {
        if payments.is_empty() {
            return Err("an empty proposal".into());
        }
        let have = self.log.version();
        let signed = (0..=have).rev().find_map(|from| {
            let entries = self.entries(from, payments);
            let mut log = self.log.clone();
            log.truncate(from);
            log.extend(&entries);
            let digest = log.digest_at(log.version())?;
            (keys.made(who, &digest) == Some(signature)).then_some((from, entries))
        });
        let Some((from, entries)) = signed else {
            return Err("S1: a proposal is not over the log that was signed before".into());
        };
        let to = from + entries.len() as u64;
        let known = self.log.entries_after(from);
        let again = known.len().min(entries.len());
        if known[..again] != entries[..again] {
            return Err(format!("S1: two states at one version, after {from}"));
        }
        if to > have {
            if again > 0 {
                return Err(format!("S1: {to} signed over {have}, again from {from}"));
            }
            self.log.extend(&entries);
            self.valid(from, self.me)?;
            self.releases(to, who, keys)?;
        }
        Ok(())
    }

    /// Extends its log, if need be, by delivered proposals that this party and the payer have both
    /// signed, up to this version.
    fn reaches(&mut self, version: u64, who: [usize; 2], keys: &Keys) -> Result<(), Objection> {
        let have = self.log.version();
        if version <= have {
            return Ok(());
        }
        if !self.search(version, who, keys) {
            return Err(format!(
                "S4: counts or co-signs version {version} without both signatures, has {have}"
            ));
        }
        self.valid(have, self.me.other())
    }

    fn search(&mut self, version: u64, who: [usize; 2], keys: &Keys) -> bool {
        let have = self.log.version();
        if have >= version {
            return have == version;
        }
        // The newest first: an older one may have been signed, and the signature lost in a crash.
        for at in (0..self.heard.len()).rev() {
            let (payments, signature) = &self.heard[at];
            let entries = self.entries(have, payments);
            self.log.extend(&entries);
            let digest = self.log.digest_at(self.log.version());
            let signed = digest.is_some_and(|digest| {
                keys.made(who[1], &digest) == Some(signature)
                    && keys.made(who[0], &digest).is_some()
            });
            if signed && self.search(version, who, keys) {
                return true;
            }
            self.log.truncate(have);
        }
        false
    }

    /// Rule S2 for all entries after this version.
    fn valid(&self, from: u64, payer: Party) -> Result<(), Objection> {
        for (at, bytes) in (from..).zip(self.log.entries_after(from)) {
            let entry = Entry::decode(bytes);
            let a = self.log.balance_a(at + 1, self.deposit_a);
            let capacity = i128::from(self.capacity);
            let left = match payer {
                Party::A => a,
                Party::B => capacity - a,
            };
            let sound = entry.version == at + 1
                && entry.payer == payer
                && !entry.amount.is_zero()
                && i128::from(entry.balance_a.units()) == a
                && (i128::from(self.reserve)..=capacity).contains(&left);
            if !sound {
                return Err(format!(
                    "S2: signs {entry:?} after version {at}, A then has {a}"
                ));
            }
        }
        Ok(())
    }

    /// A signature over a new state leaves.
    fn releases(&mut self, version: u64, who: usize, keys: &Keys) -> Result<(), Objection> {
        if version <= self.released {
            return Ok(());
        }
        self.released = version;
        if self.finished {
            return Err(format!("S6: signs version {version} after a final"));
        }
        // What it had signed before may still leave.
        let digest = self.log.digest_at(version).unwrap_or_default();
        if self
            .posted
            .is_some_and(|posted| keys.made_after(who, &digest) >= posted)
        {
            return Err(format!("signs version {version} after a post"));
        }
        Ok(())
    }
}

/// None if they are malformed.
fn payments_by(payer: Party, payments: &Payments<'_>) -> Option<Vec<Payment>> {
    let mut made = Vec::new();
    let read = payments.each(|amount, tag| {
        made.push(Payment { payer, amount, tag });
        Ok(())
    });
    read.ok().map(|()| made).filter(|made| !made.is_empty())
}

fn made(
    keys: &Keys,
    who: usize,
    digest: Option<Digest>,
    signature: &Signature,
    what: &str,
) -> Result<(), Objection> {
    match digest.and_then(|digest| keys.made(who, &digest)) {
        Some(made) if made == signature => Ok(()),
        _ => Err(format!("{what} is not over the log that was signed before")),
    }
}
