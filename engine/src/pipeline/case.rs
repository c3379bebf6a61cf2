//! A channel that does not end politely: who is honest in it, what each is due, and what a cheater
//! will post. Made on the shard, where both ends are; decided by the court on Layer 1's thread.

use super::attack::{Attack, Cheat};
use super::slot::Channel;
use super::workload::{AccountIndex, Session};
use duet_channels::crypto::{Digest, KeyPairs, Signature};
use duet_channels::legs::{Ends, Legs};
use duet_channels::protocol::{
    Amount, Balance, ChannelId, CoSigned, Endpoint, Entry, HalfSigned, Message, NewState,
    PackedPayments, Pair, Party, Payment, Post, Rejection, state_digest,
};

/// A channel on its way to court.
pub(super) struct Case {
    pub(super) session: u64,
    pub(super) accounts: Pair<AccountIndex>,
    pub(super) ends: Pair<Endpoint>,
    /// None: nobody cheats, but the link or the machine damaged a message.
    pub(super) attack: Option<Attack>,
    pub(super) honest: Pair<bool>,
    /// What each has in the newest state that it has signed or, as payee, counted.
    pub(super) due: Pair<u64>,
    /// The honest parties that close without waiting for a post.
    pub(super) closes: Pair<bool>,
    /// What cheaters post.
    pub(super) moves: Vec<Move>,
    /// Why an honest party stopped, by name.
    pub(super) rejection: Option<&'static str>,
    /// The cheater who has to be punished, if answers come in time.
    pub(super) to_punish: Option<Party>,
}

/// One post of a cheater.
pub(super) struct Move {
    pub(super) when: When,
    pub(super) by: Party,
    pub(super) post: Post,
}

/// When a cheater posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    AtOnce,
    AfterFirstPost,
    LastBlock,
}

/// What the parties of one channel still say to each other, one thing at a time.
pub(super) struct Parley<'p> {
    pub(super) pairs: &'p KeyPairs,
    /// The places of both parties' among them.
    pub(super) places: Pair<u32>,
    pub(super) legs: &'p mut Legs<()>,
}

/// One end, and the key that it signs with.
struct Alone<'e>(&'e mut Endpoint, u32);

impl Ends for Alone<'_> {
    type At = ();

    fn end(&mut self, (): ()) -> &mut Endpoint {
        self.0
    }

    fn secret(&self, (): ()) -> u32 {
        self.1
    }
}

impl Case {
    /// A channel that stopped although both parties are honest: each closes.
    pub(super) fn stopped(channel: Channel, plan: &Session) -> Case {
        let ends = channel.ends;
        let limits = ends.a.limits();
        let due = |party| ends[party].signed().balance.of(party, limits).units();
        Case {
            session: channel.session,
            accounts: plan.accounts,
            attack: None,
            honest: Pair { a: true, b: true },
            due: Pair::each(due),
            closes: Pair { a: true, b: true },
            moves: Vec::new(),
            rejection: None,
            to_punish: None,
            ends,
        }
    }

    /// Whether these payouts are what the rules make of this case, given that answers come in time:
    /// a cheater that showed an old state forfeits all; else each party gets exactly its due, or,
    /// where the link broke a channel of honest parties, at least that.
    pub(super) fn accords(&self, payouts: &Pair<u64>, forfeited: Option<Party>) -> bool {
        let capacity = self.ends.a.limits().capacity.units();
        let punished = |party: Party| (payouts[party], payouts[party.other()]) == (0, capacity);
        if forfeited != self.to_punish || payouts.a + payouts.b != capacity {
            return false;
        }
        match (self.to_punish, self.attack) {
            (Some(party), _) => punished(party),
            (None, Some(_)) => *payouts == self.due,
            (None, None) => payouts.a >= self.due.a && payouts.b >= self.due.b,
        }
    }

    /// A channel that the payee stopped because of a signature that does not verify, which its
    /// payer had spoilt.
    pub(super) fn poisoned(channel: Channel, plan: &Session, rejection: &'static str) -> Case {
        let cheat = channel.cheat.as_ref().expect("somebody cheats");
        let (attack, units) = (cheat.attack, cheat.poisoned_units);
        let cheater = channel.ends.a.turn_holder();
        let due = dues(&channel, plan);
        let mut case = Case::stopped(channel, plan);
        case.attack = Some(attack);
        case.due = due;
        case.due[cheater] += units;
        case.due[cheater.other()] -= units;
        case.honest[cheater] = false;
        case.closes[cheater] = false;
        case.rejection = Some(rejection);
        case
    }

    /// The attack begins: whatever the parties still say to each other is said here.
    #[expect(clippy::too_many_lines, reason = "an arm for each attack")]
    pub(super) fn begin(
        channel: Channel,
        plan: &Session,
        cheat: &Cheat,
        parley: &mut Parley<'_>,
    ) -> Case {
        let deposits = plan.deposits;
        let holder = channel.ends.a.turn_holder();
        let due = dues(&channel, plan);
        let mut case = Case {
            attack: Some(cheat.attack),
            due,
            closes: Pair { a: false, b: false },
            ..Case::stopped(channel, plan)
        };
        let cheater = match cheat.attack {
            Attack::StaleClose | Attack::FakeOffer | Attack::Replay | Attack::LastBlock => {
                case.gains_by(cheat.old(), deposits.a)
            }
            Attack::Silent | Attack::HalfSigned => holder.other(),
            Attack::Equivocate | Attack::BadSignature => holder,
            Attack::BothMalicious => Party::A,
        };
        case.honest[cheater] = false;
        let id = *case.ends.a.channel();
        // A session whose payments were all refused has no old state.
        let is_old = cheat.old().map_or(0, CoSigned::version) < case.ends.a.held_version();
        let shows_old = matches!(
            cheat.attack,
            Attack::StaleClose | Attack::FakeOffer | Attack::Replay | Attack::LastBlock
        );
        // Of two that are proven stale neither forfeits: the other one has to show something newer,
        // which is not the newest.
        let version = |state: Option<&CoSigned>| state.map_or(0, CoSigned::version);
        let less_old = version(cheat.less_old());
        let one_of_two = cheat.attack == Attack::BothMalicious
            && (less_old == version(cheat.old()) || less_old == case.ends.a.held_version());
        // An offer that leaves the cheater no more than it has covers the newest state: it cheats
        // nobody.
        let covers =
            cheat.attack == Attack::FakeOffer && !case.gains(cheater, cheat.old(), deposits.a);
        case.to_punish = Some(cheater).filter(|_| is_old && !covers && (shows_old || one_of_two));
        let first = |by| Move::showing(When::AtOnce, by, id, cheat.old().copied());
        match cheat.attack {
            Attack::StaleClose | Attack::Replay => case.moves.push(first(cheater)),
            Attack::FakeOffer => {
                let mut fake = first(cheater);
                let shown = balance(cheat.old(), deposits.a);
                fake.post.offer = Some(parley.made_up_offer(cheater, id, shown));
                case.moves.push(fake);
            }
            Attack::LastBlock => {
                case.moves.push(first(cheater));
                let less_old = cheat.less_old().copied();
                let last = Move::showing(When::LastBlock, cheater, id, less_old);
                case.moves.push(last);
            }
            Attack::BothMalicious => {
                case.honest.b = false;
                case.moves.push(first(Party::A));
                let less_old = cheat.less_old().copied();
                let newest = case
                    .ends
                    .a
                    .held(|order| parley.sign(Party::A, order.digest()));
                for (when, by, shown) in [
                    (When::AfterFirstPost, Party::B, less_old),
                    (When::LastBlock, Party::A, newest),
                ] {
                    case.moves.push(Move::showing(when, by, id, shown));
                }
            }
            Attack::Silent => {
                case.proposes_one(holder, parley);
                case.closes[holder] = true;
            }
            Attack::HalfSigned => {
                if let Some(wire) = case.proposes_one(holder, parley) {
                    let co_signed = parley.receive(&mut case.ends[cheater], &wire);
                    assert_eq!(co_signed, Ok(()), "an honest proposal");
                    let end = &mut case.ends[cheater];
                    let post = end.close(|order| parley.sign(cheater, order.digest()));
                    case.moves.push(Move {
                        when: When::AfterFirstPost,
                        by: cheater,
                        post,
                    });
                }
                case.closes[holder] = true;
            }
            // Its wave had nothing to spoil: all of its payments were refused.
            Attack::BadSignature => case.closes[cheater.other()] = true,
            Attack::Equivocate => case.equivocates(cheater, parley),
        }
        case
    }

    /// The party that had more in an old state than it has now; A if neither had.
    fn gains_by(&self, old: Option<&CoSigned>, deposit_a: Amount) -> Party {
        if balance(old, deposit_a).a.units() >= self.due.a {
            Party::A
        } else {
            Party::B
        }
    }

    /// Whether it had more in an old state than it has now.
    fn gains(&self, party: Party, old: Option<&CoSigned>, deposit_a: Amount) -> bool {
        let shown = balance(old, deposit_a).of(party, self.ends.a.limits());
        shown.units() > self.due[party]
    }

    /// An honest party proposes one more unit, if it has one: that is what it then is due.
    fn proposes_one(&mut self, by: Party, parley: &mut Parley<'_>) -> Option<Vec<u8>> {
        let wire = parley.propose(&mut self.ends[by], 1)?;
        self.due[by] -= 1;
        self.due[by.other()] += 1;
        Some(wire)
    }

    /// An honest party hears a message, and stops if it has to refuse it.
    fn hears(&mut self, by: Party, wire: &[u8], parley: &mut Parley<'_>) {
        let end = &mut self.ends[by];
        if let Err(rejection) = parley.receive(end, wire) {
            end.stop(rejection);
            self.rejection = Some(rejection.name());
        }
    }

    /// The cheater signs two states at the next version: one that pays 2, which the other party
    /// gets and answers, and one that pays 1, which it gets too, and which the cheater offers.
    fn equivocates(&mut self, cheater: Party, parley: &mut Parley<'_>) {
        let id = *self.ends.a.channel();
        let honest = cheater.other();
        let end = &mut self.ends[cheater];
        let shown = end.held(|order| parley.sign(cheater, order.digest()));
        let twice = [2, 1].map(|units| parley.signs(end, units));
        if let [Some((_, two)), Some((half, one))] = twice {
            self.hears(honest, &two, parley);
            assert_eq!(self.rejection, None, "the first is as good as any");
            self.due[honest] += 2;
            self.due[cheater] -= 2;
            self.hears(honest, &one, parley);
            self.to_punish = Some(cheater);
            let mut offers = Move::showing(When::AtOnce, cheater, id, shown);
            offers.post.offer = Some(half);
            self.moves.push(offers);
        }
        self.closes[honest] = true;
    }
}

impl Move {
    fn showing(when: When, by: Party, channel: ChannelId, shown: Option<CoSigned>) -> Move {
        let post = Post {
            channel,
            shown,
            offer: None,
        };
        Move { when, by, post }
    }
}

impl Parley<'_> {
    fn sign(&mut self, by: Party, digest: &Digest) -> Signature {
        let secret = self.places[by];
        self.legs.signer.sign_one(self.pairs, secret, *digest)
    }

    /// One payment of this party as a state; none if it cannot make it.
    fn pays(&mut self, end: &Endpoint, units: u64) -> Option<NewState> {
        self.legs.begin();
        let burst = &mut self.legs.burst;
        burst.begin(end);
        let payment = Payment {
            payer: end.me(),
            amount: Amount::new(units),
            tag: 0,
        };
        burst.pay(&payment).ok()?;
        burst.cut();
        burst.hash();
        burst.states().first().copied()
    }

    /// A party proposes a payment by the rules; none if it has not as much, or not the turn.
    fn propose(&mut self, end: &mut Endpoint, units: u64) -> Option<Vec<u8>> {
        end.proposals_left().ok().filter(|left| *left > 0)?;
        self.pays(end, units)?;
        let secret = self.places[end.me()];
        self.legs.order(end, secret, 0..1, false);
        self.legs.sign(self.pairs);
        let mut wire = Vec::new();
        self.legs.send(end, 0..1, &mut wire);
        Some(wire)
    }

    /// A party signs a proposal that its endpoint knows nothing of.
    fn signs(&mut self, end: &Endpoint, units: u64) -> Option<(HalfSigned, Vec<u8>)> {
        let state = self.pays(end, units)?;
        let signature = self.sign(end.me(), state.digest());
        let mut wire = Vec::new();
        let packed = PackedPayments::of(self.legs.burst.entries_of(&state));
        let message = Message::Proposal {
            payments: packed.payments(),
            signature,
            pass: false,
        };
        message.encode(&mut wire);
        Some((state.half_signed(signature), wire))
    }

    /// A state of a huge version in which the cheater has what it has in the state shown.
    fn made_up_offer(&mut self, by: Party, channel: ChannelId, shown: Balance) -> HalfSigned {
        let entry = Entry {
            version: 1 << 62,
            amount: Amount::new(1),
            balance_a: shown.a,
            payer: by,
            tag: 0,
        };
        let mut half = HalfSigned {
            previous: channel.0,
            entry: entry.encode(),
            signature: Signature([0; 64]),
        };
        let digest = state_digest(&channel, &half.state().head(&channel));
        half.signature = self.sign(by, &digest);
        half
    }

    /// A party receives one proposal, verifies it and co-signs; what it answers stays with it.
    fn receive(&mut self, end: &mut Endpoint, mut wire: &[u8]) -> Result<(), Rejection> {
        let (legs, secret) = (&mut *self.legs, self.places[end.me()]);
        legs.begin();
        let read = legs.receive((), end, &mut wire);
        read.refused.map_or(Ok(()), Err)?;
        assert_eq!(read.new, 1, "one proposal, and nothing is sent twice");
        legs.burst.hash();
        let mut end = Alone(end, secret);
        legs.verify_proposals(&mut end, self.pairs.ring());
        let mut refused = None;
        legs.accept(&mut end, |(), accepted| refused = accepted.err());
        legs.sign(self.pairs);
        legs.answer(&mut end, |(), _, _| {});
        refused.map_or(Ok(()), Err)
    }
}

/// What each party has by the workload's own sums, whatever the endpoints say.
fn dues(channel: &Channel, plan: &Session) -> Pair<u64> {
    let (deposits, paid) = (plan.deposits, channel.paid);
    Pair {
        a: deposits.a.units() + paid.b - paid.a,
        b: deposits.b.units() + paid.a - paid.b,
    }
}

fn balance(state: Option<&CoSigned>, deposit_a: Amount) -> Balance {
    match state {
        None => Balance {
            version: 0,
            a: deposit_a,
        },
        Some(state) => state.state().balance(deposit_a),
    }
}
