//! One honest endpoint, the real one, and a peer that sends it whatever it likes: every step that
//! either can take, with real signatures. Knows nothing of Layer 1.

use std::collections::HashMap;

use super::Bounds;
use super::step::{Offence, Step};
use duet_channels::crypto::{
    Backend, Digest, Forged, KeyId, KeyRing, SecretKey, SignJob, Signature, Signed, Signer,
    Verified, Verifier, link,
};
use duet_channels::protocol::{
    AcknowledgementClaim, Amount, Answer, Burst, CoSigned, Endpoint, Entry, EntryBytes, FinalClaim,
    Incoming, Message, PackedPayments, Pair, Party, Payment, ProposalClaim, RecoveredClaim,
    Rejection, SignOrder, Status, Terms, WindowPool, final_digest, state_digest,
};

/// Where a channel stands off chain: the honest endpoint, and what its peer can show for it.
#[derive(Clone)]
pub(super) struct Point {
    pub(super) end: Endpoint,
    /// Every state that the honest party has signed, oldest first, completed by the peer. The peer
    /// can complete a proposal whenever it likes, whether it has answered it or not.
    pub(super) shown: Vec<CoSigned>,
}

/// The keys of both parties, and everything that was signed and verified so far: points share most
/// of their signatures, so that each is made and verified once.
pub(super) struct Bench {
    pub(super) bounds: Bounds,
    pub(super) terms: Terms,
    pub(super) me: Party,
    secrets: [SecretKey; 2],
    ring: KeyRing,
    ids: Pair<KeyId>,
    signer: Signer,
    verifier: Verifier,
    windows: WindowPool,
    signatures: HashMap<(Party, Digest), Signature>,
    proposals: Verdicts<ProposalClaim>,
    answers: Verdicts<AcknowledgementClaim>,
    finals: Verdicts<FinalClaim>,
    recovered: Verdicts<RecoveredClaim>,
}

type Verdicts<T> = HashMap<Digest, Vec<Result<Verified<T>, Forged<T>>>>;

const TAG: u64 = 7;

/// Index 0 is A's key, 1 is B's, 2 a stranger's.
pub(super) fn secret(index: u8) -> SecretKey {
    SecretKey::from_seed(&[index + 1; 32])
}

impl Bench {
    /// A channel in which `me` is honest, on the Layer 1 of this genesis.
    pub(super) fn new(bounds: Bounds, me: Party, genesis: Digest) -> Bench {
        let secrets = [secret(0), secret(1)];
        let [a, b] = [&secrets[0], &secrets[1]].map(SecretKey::public);
        let mut ring = KeyRing::new(Backend::Dalek);
        let ids = Pair {
            a: ring.insert(a).expect("a sound key"),
            b: ring.insert(b).expect("a sound key"),
        };
        Bench {
            bounds,
            terms: bounds.terms(genesis, Pair { a, b }),
            me,
            secrets,
            ring,
            ids,
            signer: Signer::new(Backend::Dalek),
            verifier: Verifier::new(Backend::Dalek),
            windows: WindowPool::new(),
            signatures: HashMap::new(),
            proposals: HashMap::new(),
            answers: HashMap::new(),
            finals: HashMap::new(),
            recovered: HashMap::new(),
        }
    }

    /// The channel as it opened.
    pub(super) fn opening(&self) -> Point {
        let peer = self.ids[self.me.other()];
        let end = Endpoint::new(self.me, &self.terms, peer, self.bounds.rules());
        Point {
            end: end.expect("sound terms"),
            shown: Vec::new(),
        }
    }

    /// A party's signature over a digest.
    pub(super) fn sign(&mut self, by: Party, digest: Digest) -> Signature {
        let (signer, secrets) = (&mut self.signer, &self.secrets);
        *self.signatures.entry((by, digest)).or_insert_with(|| {
            let job = SignJob {
                secret: by as u32,
                digest,
            };
            let mut signatures = Vec::new();
            signer.sign(secrets, &[job], &mut signatures);
            signatures[0]
        })
    }

    /// A signature that the honest party has made before: none is made that its endpoint does not
    /// keep.
    pub(super) fn again(&self, order: &SignOrder) -> Signature {
        self.signatures[&(self.me, *order.digest())]
    }

    /// The point after a step; none if the honest party would not take it. A message that it
    /// refuses stops the channel.
    pub(super) fn take(&mut self, point: &Point, step: &Step) -> Option<Point> {
        let mut after = point.clone();
        let refused = match step {
            Step::Proposes { amounts, pass } => return self.propose(after, amounts, *pass),
            Step::Passes => {
                after.end.pass_turn().ok()?;
                return Some(after);
            }
            Step::Finishes => {
                let order = after.end.finish().ok()?;
                let signature = self.sign(self.me, *order.digest());
                let _ = after.end.finish_signed(&order, signature);
                return Some(after);
            }
            Step::Answered { version } => self.answered(&mut after, *version, false),
            Step::Proposed {
                states,
                pass,
                last_only,
            } => self.proposed(&mut after, states, *pass, *last_only)?,
            Step::Passed => {
                let Some(Message::TurnAsked { turn }) = after.end.ask_for_turn() else {
                    return None;
                };
                after.end.receive_pass(turn)
            }
            Step::Final { answer } => {
                let version = after.end.signed().version();
                self.final_of(&mut after, version, *answer)
            }
            Step::Resumed { at, crashed } => self.resumed(&mut after, *at, *crashed),
            Step::Broke(offence) => {
                let refused = self.broke(&mut after, *offence)?;
                assert!(refused.is_err(), "{offence:?} was let through");
                refused
            }
        };
        if let Err(rejection) = refused {
            after.end.stop(rejection);
        }
        Some(after)
    }

    fn propose(&mut self, mut point: Point, amounts: &[u64], pass: bool) -> Option<Point> {
        let mut burst = Burst::default();
        burst.begin(&point.end);
        for &amount in amounts {
            burst.pay(&self.payment(self.me, amount)).ok()?;
        }
        burst.cut();
        burst.hash();
        let state = burst.states()[0];
        let order = point.end.propose(&state, pass).ok()?;
        let signature = self.sign(self.me, *order.digest());
        let peers = self.sign(self.me.other(), *order.digest());
        let mut wire = Vec::new();
        let windows = &mut self.windows;
        point
            .end
            .proposed(&order, &state, &burst, signature, windows, &mut wire);
        let post = point.end.clone().close(|order| self.again(order));
        let offer = post.offer.expect("it is in flight");
        point.shown.push(CoSigned {
            previous: offer.previous,
            entry: offer.entry,
            signatures: Pair::of(self.me, offer.signature, peers),
        });
        Some(point)
    }

    fn payment(&self, payer: Party, amount: u64) -> Payment {
        Payment {
            payer,
            amount: Amount::new(amount),
            tag: TAG,
        }
    }

    fn answered(&mut self, to: &mut Point, version: u64, forged: bool) -> Result<(), Rejection> {
        let peer = self.me.other();
        let digest = match to.shown.iter().find(|shown| shown.version() == version) {
            Some(shown) if !forged => {
                let channel = to.end.channel();
                state_digest(channel, &shown.state().head(channel))
            }
            _ => Digest([1; 32]),
        };
        let signature = self.sign(peer, digest);
        match to.end.receive_acknowledgement(version, signature)? {
            Answer::Duplicate => Ok(()),
            Answer::New(claim) => {
                let (ring, verifier) = (&self.ring, &mut self.verifier);
                let claim = judge(&mut self.answers, ring, verifier, claim)
                    .map_err(|_| Rejection::BadSignature { version })?;
                to.end.acknowledged(claim, &mut self.windows).map(|_| ())
            }
        }
    }

    /// None if no such payments can be made.
    fn proposed(
        &mut self,
        to: &mut Point,
        states: &[Vec<u64>],
        pass: bool,
        last_only: bool,
    ) -> Option<Result<(), Rejection>> {
        let peer = self.me.other();
        let (mut balance, mut head) = (to.end.signed().balance, to.end.signed().head);
        let mut messages = Vec::new();
        for amounts in states {
            let mut entries: Vec<EntryBytes> = Vec::new();
            for &amount in amounts {
                let payment = self.payment(peer, amount);
                let (entry, after) = balance.step(&payment, to.end.limits()).ok()?;
                entries.push(entry.encode());
                head = link(&head, &entry.encode());
                balance = after;
            }
            let signature = self.sign(peer, state_digest(to.end.channel(), &head));
            messages.push((entries, signature));
        }
        Some(self.receive(to, &messages, pass, last_only))
    }

    /// Reads proposals that were delivered together. What came before an offence counts.
    fn receive(
        &mut self,
        to: &mut Point,
        messages: &[(Vec<EntryBytes>, Signature)],
        pass: bool,
        last_only: bool,
    ) -> Result<(), Rejection> {
        let mut burst = Burst::default();
        burst.begin(&to.end);
        let mut refused = Ok(());
        let mut arrived = Vec::new();
        for (entries, signature) in messages {
            let packed = PackedPayments::of(entries);
            match to
                .end
                .receive_proposal(&packed.payments(), signature, &mut burst)
            {
                Ok(Incoming::New) => arrived.push(*signature),
                Ok(Incoming::Answered) => {}
                Err(rejection) => {
                    refused = Err(rejection);
                    break;
                }
            }
        }
        burst.hash();
        let mut orders = Vec::new();
        for (place, (state, signature)) in burst.states().iter().zip(&arrived).enumerate() {
            let pass = pass && place + 1 == messages.len();
            let claim = to.end.claim(state, *signature, pass);
            let (ring, verifier) = (&self.ring, &mut self.verifier);
            let verdict = judge(&mut self.proposals, ring, verifier, claim);
            let accepted = verdict
                .map_err(|_| Rejection::BadSignature {
                    version: state.version(),
                })
                .and_then(|claim| to.end.accept(claim));
            match accepted {
                Ok(order) => orders.push(order),
                Err(rejection) => {
                    refused = refused.and(Err(rejection));
                    break;
                }
            }
        }
        let unused = if last_only {
            orders.len().saturating_sub(1)
        } else {
            0
        };
        for order in &orders[unused..] {
            let signature = self.sign(self.me, *order.digest());
            let _ = to.end.co_signed(order, signature);
            let held = to.end.held(|order| self.again(order));
            to.shown.push(held.expect("it has just co-signed"));
        }
        refused
    }

    fn final_of(&mut self, to: &mut Point, version: u64, answer: bool) -> Result<(), Rejection> {
        let digest = final_digest(to.end.channel(), &to.end.signed().head);
        let signature = self.sign(self.me.other(), digest);
        let bad = |_| Rejection::BadSignature { version };
        if answer {
            let claim = to.end.receive_final_acknowledgement(version, signature)?;
            let (ring, verifier) = (&self.ring, &mut self.verifier);
            let claim = judge(&mut self.finals, ring, verifier, claim).map_err(bad)?;
            return to.end.finish_acknowledged(&claim);
        }
        let claim = to.end.receive_final(version, signature)?;
        let (ring, verifier) = (&self.ring, &mut self.verifier);
        let claim = judge(&mut self.finals, ring, verifier, claim).map_err(bad)?;
        let order = to.end.accept_final(&claim)?;
        let signature = self.sign(self.me, *order.digest());
        let _ = to.end.final_signed(&order, &claim, signature);
        Ok(())
    }

    fn resumed(&mut self, to: &mut Point, at: u64, crashed: bool) -> Result<(), Rejection> {
        if crashed {
            let mut record = Vec::new();
            to.end.record(&[], &mut record);
            let peer = self.ids[self.me.other()];
            let (rules, windows) = (self.bounds.rules(), &mut self.windows);
            let read = Endpoint::from_record(&record, &self.terms, peer, rules, windows);
            let (recovered, _) = read.expect("its own record");
            let (ring, verifier) = (&self.ring, &mut self.verifier);
            let claims: Vec<_> = recovered.claims().collect();
            let verdicts = claims
                .into_iter()
                .map(|claim| judge(&mut self.recovered, ring, verifier, claim).expect("genuine"));
            to.end = recovered.verified(verdicts);
            let mut again = Vec::new();
            to.end.record(&[], &mut again);
            assert_eq!(again, record);
        }
        let _ = to.end.resume();
        to.end
            .receive_resume(at, &mut Vec::new(), |order| self.again(order))
    }

    /// None where the offence would be none.
    fn broke(&mut self, to: &mut Point, offence: Offence) -> Option<Result<(), Rejection>> {
        let peer = self.me.other();
        let tip = to.end.signed();
        let newest = tip.version();
        let entry = |version: u64, balance_a: Amount| Entry {
            version,
            amount: Amount::new(1),
            balance_a,
            payer: peer,
            tag: TAG,
        };
        let capacity = to.end.limits().capacity;
        let all_to_peer = match peer {
            Party::A => capacity,
            Party::B => Amount::ZERO,
        };
        let entry = match offence {
            Offence::RaisesItself => entry(newest + 1, all_to_peer),
            Offence::SkipsAVersion => entry(newest + 2, tip.balance.a),
            Offence::ForgedProposal => {
                let payment = self.payment(peer, 1);
                tip.balance.step(&payment, to.end.limits()).ok()?.0
            }
            Offence::ForgedAnswer => {
                let fresh = to.end.in_flight() > 0;
                return fresh.then(|| self.answered(to, newest, true));
            }
            Offence::FinalOfAnother => return Some(self.final_of(to, newest + 1, false)),
        };
        let entries = vec![entry.encode()];
        let digest = match offence {
            Offence::ForgedProposal => Digest([2; 32]),
            _ => state_digest(to.end.channel(), &link(&tip.head, &entries[0])),
        };
        let signature = self.sign(peer, digest);
        Some(self.receive(to, &[(entries, signature)], false, false))
    }
}

/// Verifies a claim, once for all claims that are equal to it.
fn judge<T: Signed + Copy + PartialEq>(
    known: &mut Verdicts<T>,
    ring: &KeyRing,
    verifier: &mut Verifier,
    claim: T,
) -> Result<Verified<T>, Forged<T>> {
    let of_digest = known.entry(*claim.signed().1).or_default();
    let same = |verdict: &&Result<Verified<T>, Forged<T>>| match verdict {
        Ok(verified) => *verified.get() == claim,
        Err(Forged(forged)) => *forged == claim,
    };
    if let Some(verdict) = of_digest.iter().find(same) {
        return *verdict;
    }
    let mut verdicts = Vec::new();
    verifier.verify(ring, &mut vec![claim], &mut verdicts);
    of_digest.extend(verdicts.iter().copied());
    verdicts[0]
}

impl Point {
    /// Everything that can make a difference to what comes next. That a crash and a broken link
    /// lead to equal points is tested by it.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = Vec::new();
        key.extend(self.end.signed().head.0);
        key.extend(self.end.answered_from().map_or([0; 32], |head| head.0));
        key.push(self.end.held_version() as u8);
        key.push(match self.end.status() {
            Status::Running => 0,
            Status::Finishing => 1,
            Status::Finished => 2,
            Status::Stopped(_) => 3,
            Status::Closing { .. } => 4,
        });
        // Whose turn it is means nothing to an endpoint that signs no more states.
        if let Status::Running = self.end.status() {
            key.push(self.end.turn_holder() as u8);
            key.push(u8::from(self.end.my_turn().is_ok()));
            key.push(u8::from(self.end.ask_for_turn().is_some()));
        }
        for (version, pass) in self.end.proposals_in_flight() {
            key.push(version as u8);
            key.push(u8::from(pass));
        }
        key.push(u8::MAX);
        key.extend(self.shown.iter().map(|shown| shown.version() as u8));
        key
    }
}
