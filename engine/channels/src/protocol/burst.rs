//! Log entries of many channels, checked one by one and hashed together.
//!
//! Payer and payee each have a burst of their own and make the entries of it themselves, the one of
//! its payments, the other of those that arrived. Both then hash what they hold; neither sees the
//! other's.

use super::amount::Amount;
use super::endpoint::Endpoint;
use super::entry::{Balance, EntryBytes, Limits, Payment, Steps};
use super::new_state::{NewState, Tip};
use super::payments::{Payments, Tags, pack};
use super::rejection::Rejection;
use super::terms::{ChannelId, Party};
use crate::crypto::{ChainJob, Digest, Domain, block, chain, hash_blocks};

/// Entries of many channels on their way to be hashed. Reused: it allocates only while it grows.
#[derive(Default)]
pub struct Burst {
    entries: Vec<EntryBytes>,
    jobs: Vec<ChainJob>,
    channels: Vec<ChannelId>,
    states: Vec<NewState>,
    /// The payments of states of this party's own, packed, back to back; of each state where they
    /// end, and what is said of their tags.
    packed: Vec<u8>,
    packs: Vec<(u32, Tags)>,
    /// The channel of each state, as an index into `jobs`.
    owners: Vec<u32>,
    /// The entries whose heads are wanted, and these.
    wanted: Vec<u32>,
    heads: Vec<Digest>,
    blocks: Vec<[u8; 64]>,
    digests: Vec<Digest>,
    /// The channel that is being appended to.
    open: Option<Open>,
}

/// The run of entries that is being appended to.
#[derive(Clone, Copy)]
struct Open {
    me: Party,
    limits: Limits,
    start: Tip,
    /// After the last cut.
    cut: Balance,
    /// After the last entry.
    balance: Balance,
    first_uncut: usize,
    value: u64,
    states: u32,
    /// The log as far as this party pays.
    own: Steps,
    /// Whether the payments since the last cut are this party's own.
    pays: bool,
}

impl Burst {
    /// An empty burst, with room for this many entries.
    #[must_use]
    pub fn with_room(entries: usize) -> Burst {
        Burst {
            entries: Vec::with_capacity(entries),
            ..Burst::default()
        }
    }

    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.jobs.clear();
        self.channels.clear();
        self.states.clear();
        self.packed.clear();
        self.packs.clear();
        self.owners.clear();
        self.digests.clear();
        self.open = None;
    }

    /// Starts the next channel's run, from the newest state that its endpoint has signed.
    pub fn begin(&mut self, endpoint: &Endpoint) {
        self.end();
        let start = endpoint.signed();
        self.jobs.push(ChainJob {
            start: start.head,
            first: self.entries.len(),
            count: 0,
        });
        self.channels.push(*endpoint.channel());
        self.open = Some(Open {
            me: endpoint.me(),
            limits: *endpoint.limits(),
            start,
            cut: start.balance,
            balance: start.balance,
            first_uncut: self.entries.len(),
            value: 0,
            states: 0,
            own: start.balance.steps(endpoint.me(), endpoint.limits()),
            pays: false,
        });
    }

    /// Appends the entry that this party's payment makes (rule S2).
    ///
    /// # Errors
    /// As [`Balance::step`], or [`Rejection::NotThePayer`]; the run is as before.
    ///
    /// # Panics
    /// If no channel was begun.
    #[inline]
    pub fn pay(&mut self, payment: &Payment) -> Result<(), Rejection> {
        let open = self.open.as_mut().expect("a channel was begun");
        if payment.payer != open.me {
            return Err(Rejection::NotThePayer { proposer: open.me });
        }
        let entry = open.own.step(payment.amount, payment.tag)?;
        open.pays = true;
        open.value = open.value.saturating_add(payment.amount.units());
        self.entries.push(entry.encode());
        Ok(())
    }

    /// As [`Burst::pay`] for each of these payments, if all of them can be made; else nothing is
    /// done. Gives whether they were.
    ///
    /// # Panics
    /// If no channel was begun.
    #[must_use]
    pub fn pay_all(&mut self, payments: &[Payment]) -> bool {
        let open = self.open.as_mut().expect("a channel was begun");
        let group = payments.iter().map(|payment| (payment.amount, payment.tag));
        let are_own = payments.iter().all(|payment| payment.payer == open.me);
        let are_made = are_own && open.own.step_all(group, &mut self.entries);
        if are_made {
            open.pays = true;
            let values = payments.iter().map(|payment| payment.amount.units());
            open.value = values.fold(open.value, u64::saturating_add);
        }
        are_made
    }

    /// Makes the entries of payments that the peer proposes as one state, and appends them (rule
    /// S2). All or none.
    ///
    /// # Errors
    /// The first payment's rejection, or that it is malformed; the run is as before.
    ///
    /// # Panics
    /// If no channel was begun, or this party's own payments wait to be cut.
    pub(super) fn receive(&mut self, payments: &Payments<'_>) -> Result<(), Rejection> {
        let open = self.open.as_mut().expect("a channel was begun");
        assert_eq!(self.entries.len(), open.first_uncut, "one proposer a state");
        let (mut steps, mut value) = (open.balance.steps(open.me.other(), &open.limits), 0_u64);
        self.entries.reserve(payments.len());
        let entries = &mut self.entries;
        let received = payments.groups(|amounts, tags| {
            let group = amounts.iter().enumerate();
            let group = group.map(|(at, amount)| (Amount::new(*amount), tags.of(at as u64)));
            if !steps.step_all(group.clone(), entries) {
                for (amount, tag) in group {
                    entries.push(steps.step(amount, tag)?.encode());
                }
            }
            value = amounts
                .iter()
                .fold(value, |value, amount| value.saturating_add(*amount));
            Ok(())
        });
        if let Err(rejection) = received {
            self.entries.truncate(open.first_uncut);
            return Err(rejection);
        }
        (open.balance, open.value) = (steps.balance(), value);
        Ok(())
    }

    /// Entries since the last cut of the channel that was begun last.
    #[must_use]
    pub fn uncut(&self) -> usize {
        self.open
            .map_or(0, |open| self.entries.len() - open.first_uncut)
    }

    /// Makes the entries since the last cut one state to sign; without any, does nothing.
    ///
    /// # Panics
    /// If no channel was begun, or after 2^32 entries.
    pub fn cut(&mut self) {
        let open = self.open.as_mut().expect("a channel was begun");
        let Some(entry) = self.entries[open.first_uncut..].last() else {
            return;
        };
        let from = (open.cut.version, open.start.head);
        let end = u32::try_from(self.entries.len()).expect("fewer than 2^32 entries");
        let first = open.first_uncut as u32;
        let mut tags = Tags::None;
        if open.pays {
            // While they are in the cache.
            tags = pack(&self.entries[open.first_uncut..], &mut self.packed);
            open.balance = open.own.balance();
        } else {
            open.own = open.balance.steps(open.me, &open.limits);
        }
        open.pays = false;
        let packed = u32::try_from(self.packed.len()).expect("fewer than 2^32 bytes");
        self.packs.push((packed, tags));
        let tip = Tip {
            balance: open.balance,
            head: Digest::default(),
        };
        self.states.push(NewState {
            from,
            tip,
            previous: Digest::default(),
            entry: *entry,
            digest: Digest::default(),
            value: open.value,
            first,
            count: end - first,
        });
        self.owners.push((self.jobs.len() - 1) as u32);
        open.cut = open.balance;
        open.first_uncut = self.entries.len();
        open.value = 0;
        open.states += 1;
    }

    /// States of the channel that was begun last.
    #[must_use]
    pub fn states_of_channel(&self) -> u32 {
        self.open.map_or(0, |open| open.states)
    }

    /// States so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether there is no state.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Entries so far.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Hashes all logs and states, in lanes. Entries after a channel's last cut are dropped.
    pub fn hash(&mut self) {
        self.end();
        // Of each state the last two heads, or the last of one entry: the one before is known.
        self.wanted.clear();
        for state in &self.states {
            let end = state.first + state.count;
            let first = state.first.max(end.saturating_sub(2));
            self.wanted.extend(first..end);
        }
        chain(&self.jobs, &self.entries, &self.wanted, &mut self.heads);
        self.blocks.clear();
        let mut heads = self.heads.iter();
        let mut before = (u32::MAX, Digest::default());
        for (state, &owner) in self.states.iter_mut().zip(&self.owners) {
            let job = &self.jobs[owner as usize];
            // A channel's states follow each other.
            let from = match before {
                (same, head) if same == owner => head,
                _ => job.start,
            };
            let mut next = || *heads.next().expect("as many as were wanted");
            state.from.1 = from;
            state.previous = match state.count {
                1 => from,
                _ => next(),
            };
            state.tip.head = next();
            before = (owner, state.tip.head);
            let channel = &self.channels[owner as usize];
            self.blocks.push(block(&channel.0, &state.tip.head.0));
        }
        self.digests.clear();
        hash_blocks(Domain::State, &self.blocks, &mut self.digests);
        for (state, digest) in self.states.iter_mut().zip(&self.digests) {
            state.digest = *digest;
        }
    }

    /// The states, in the order in which they were cut.
    ///
    /// # Panics
    /// If [`Burst::hash`] has not hashed them all: nobody may sign what has no digest yet.
    #[must_use]
    pub fn states(&self) -> &[NewState] {
        assert_eq!(self.digests.len(), self.states.len(), "hashed states");
        &self.states
    }

    /// The entries of a state of this burst.
    #[must_use]
    pub fn entries_of(&self, state: &NewState) -> &[EntryBytes] {
        &self.entries[state.first as usize..][..state.count as usize]
    }

    /// The payments of a state of this burst, which this party makes.
    ///
    /// # Panics
    /// If it is another burst's, or the peer's.
    pub(super) fn payments_of(&self, state: &NewState) -> Payments<'_> {
        let at = self
            .states
            .partition_point(|other| other.first < state.first);
        let (end, tags) = self.packs[at];
        let start = at.checked_sub(1).map_or(0, |before| self.packs[before].0);
        assert!(start < end, "payments of this party's own");
        Payments::of_state(
            state.count,
            tags,
            &self.packed[start as usize..end as usize],
        )
    }

    /// Ends the run of the channel that was begun last.
    fn end(&mut self) {
        if let Some(open) = self.open.take() {
            self.entries.truncate(open.first_uncut);
            let job = self.jobs.last_mut().expect("a channel was begun");
            job.count = self.entries.len() - job.first;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::amount::Amount;
    use super::super::endpoint::Rules;
    use super::super::entry::Entry;
    use super::super::fixture::{channel as channel_under, pays};
    use super::super::payments::PackedPayments;
    use super::super::proof::state_digest;
    use super::*;
    use crate::crypto::link;

    /// Both ends of the channel of this index.
    fn channel(index: u32) -> [Endpoint; 2] {
        let rules = Rules {
            cosign_every: 10_000,
            in_flight: 1000,
        };
        channel_under(index, rules).ends
    }

    /// One channel's part of a burst: runs of amounts, each but the last followed by a cut.
    type Part = Vec<Vec<u64>>;

    /// A log, one entry at a time.
    struct Naive {
        entries: Vec<EntryBytes>,
        balance: Balance,
        head: Digest,
    }

    impl Naive {
        /// Pays what the balance covers; gives how many it did.
        fn pay(&mut self, amounts: &[u64], limits: &Limits) -> usize {
            let before = self.entries.len();
            for &amount in amounts {
                if let Ok((entry, after)) = self.balance.step(&pays(amount), limits) {
                    self.entries.push(entry.encode());
                    self.balance = after;
                    self.head = link(&self.head, &entry.encode());
                }
            }
            self.entries.len() - before
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Several bursts in a row over many channels, each continuing what the ones before
        /// proposed, against one entry at a time; the payee's burst against the payer's.
        #[test]
        fn bursts_equal_one_entry_at_a_time(
            bursts in prop::collection::vec(
                prop::collection::vec((0_usize..30, part()), 0..40),
                1..4,
            ),
        ) {
            let mut ends: Vec<[Endpoint; 2]> = (0..30).map(channel).collect();
            let mut logs: Vec<Naive> = ends
                .iter()
                .map(|[a, _]| Naive {
                    entries: Vec::new(),
                    balance: a.signed().balance,
                    head: a.channel().0,
                })
                .collect();
            let (mut payers, mut payees) = (Burst::default(), Burst::default());
            for parts in bursts {
                // A channel takes part once.
                let mut seen = [false; 30];
                let parts: Vec<(usize, Part)> = parts
                    .into_iter()
                    .filter(|(channel, _)| !std::mem::replace(&mut seen[*channel], true))
                    .collect();
                payers.clear();
                let mut expected = Vec::new();
                for (channel, part) in &parts {
                    let [payer, _] = &ends[*channel];
                    let log = &mut logs[*channel];
                    payers.begin(payer);
                    let (last, cut) = part.split_last().expect("at least one run");
                    for run in cut {
                        let (version, head) = (log.balance.version, log.head);
                        let paid = log.pay(run, payer.limits());
                        // All of what is left at once, where that can be, or one by one.
                        let run: Vec<Payment> = run.iter().map(|amount| pays(*amount)).collect();
                        let mut rest = &run[..];
                        while let [one, more @ ..] = rest {
                            if run.len().is_multiple_of(2) && payers.pay_all(rest) {
                                break;
                            }
                            let _ = payers.pay(one);
                            rest = more;
                        }
                        prop_assert_eq!(payers.uncut(), paid);
                        payers.cut();
                        if paid > 0 {
                            let digest = state_digest(payer.channel(), &log.head);
                            let tip = Tip { balance: log.balance, head: log.head };
                            expected.push((*channel, (version, head), tip, digest, paid));
                        }
                    }
                    // What is not cut is not part of any state.
                    for &amount in last {
                        let _ = payers.pay(&pays(amount));
                    }
                }
                payers.hash();
                prop_assert_eq!(payers.len(), expected.len());
                let states = payers.states().to_vec();
                for (state, (channel, from, tip, digest, paid)) in states.iter().zip(&expected) {
                    let log = &logs[*channel];
                    let before = from.0 as usize;
                    let entries = &log.entries[before..before + paid];
                    prop_assert_eq!(payers.entries_of(state), entries);
                    prop_assert_eq!((state.from, state.tip), (*from, *tip));
                    prop_assert_eq!((state.version(), state.payments()), (tip.version(), *paid as u32));
                    prop_assert_eq!((&state.digest, state.digest()), (digest, digest));
                    prop_assert_eq!(Some(&state.entry), entries.last());
                    prop_assert_eq!(link(&state.previous, &state.entry), tip.head);
                    let value: u64 = entries.iter().map(|e| Entry::decode(e).amount.units()).sum();
                    prop_assert_eq!(state.value(), value);
                }

                // The payee makes the entries of what was sent and computes the same states.
                payees.clear();
                for (channel, _) in &parts {
                    let [_, payee] = &ends[*channel];
                    payees.begin(payee);
                    for (state, (of, ..)) in states.iter().zip(&expected) {
                        if of == channel {
                            let payments = payers.payments_of(state);
                            let packed = PackedPayments::of(payers.entries_of(state));
                            prop_assert_eq!(payments, packed.payments());
                            prop_assert_eq!(payees.receive(&payments), Ok(()));
                            payees.cut();
                        }
                    }
                    // A wrong run leaves no trace.
                    let nothing = PackedPayments::of(&[[0; 32]]);
                    prop_assert!(payees.receive(&nothing.payments()).is_err());
                }
                payees.hash();
                prop_assert_eq!(payees.states(), &states[..]);

                for (state, (channel, ..)) in states.iter().zip(&expected) {
                    let [payer, _] = &mut ends[*channel];
                    prop_assert!(payer.propose(state, false).is_ok());
                }
                // Both ends of a channel go on from what was proposed.
                for (end, log) in ends.iter_mut().zip(&logs) {
                    let Tip { balance, head } = end[0].signed();
                    prop_assert_eq!((balance, head), (log.balance, log.head));
                    end[1].stand_at(end[0].signed());
                }
            }
        }
    }

    fn part() -> impl Strategy<Value = Part> {
        prop::collection::vec(prop::collection::vec(0_u64..40, 0..6), 1..5)
    }

    #[test]
    fn a_refused_payment_leaves_the_run_as_it_was() {
        let [payer, _] = channel(0);
        let mut burst = Burst::default();
        burst.begin(&payer);
        for (payment, expected) in [
            (pays(500), Ok(())),
            (pays(0), Err(Rejection::ZeroAmount)),
            (
                pays(1),
                Err(Rejection::InsufficientBalance {
                    have: Amount::ZERO,
                    reserve: Amount::ZERO,
                    got: Amount::new(1),
                }),
            ),
            (
                Payment {
                    payer: Party::B,
                    ..pays(1)
                },
                Err(Rejection::NotThePayer { proposer: Party::A }),
            ),
        ] {
            assert_eq!(burst.pay(&payment), expected);
            assert_eq!((burst.uncut(), burst.entries()), (1, 1));
        }
    }

    #[test]
    fn a_cut_without_entries_makes_no_state() {
        let [payer, _] = channel(0);
        let mut burst = Burst::default();
        burst.begin(&payer);
        burst.cut();
        burst.cut();
        assert!(burst.is_empty());
        burst.hash();
        assert_eq!(burst.states(), []);
        assert_eq!(burst.states_of_channel(), 0);
    }

    #[test]
    #[should_panic(expected = "hashed states")]
    fn a_state_without_a_digest_is_not_to_be_had() {
        let [payer, _] = channel(0);
        let mut burst = Burst::default();
        burst.begin(&payer);
        assert_eq!(burst.pay(&pays(1)), Ok(()));
        burst.cut();
        let _ = burst.states();
    }

    #[test]
    #[should_panic(expected = "one proposer a state")]
    fn no_state_has_two_proposers() {
        let [payer, _] = channel(0);
        let mut burst = Burst::default();
        burst.begin(&payer);
        assert_eq!(burst.pay(&pays(1)), Ok(()));
        let _ = burst.receive(&PackedPayments::of(&[[0; 32]]).payments());
    }
}
