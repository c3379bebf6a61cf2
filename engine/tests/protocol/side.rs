//! One party of a channel: an endpoint with real keys, its wishes, and its own book of all that it
//! signs.
//!
//! Every signature is held against rules S1, S2 and S6 on the spot; [`Side::check`] recomputes the
//! rest from the side's own log.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};

use duet_engine::crypto::{
    Backend, Digest, Forged, KeyRing, PublicKey, SecretKey, SignJob, Signature, Signed, Signer,
    Verified, Verifier, accept, link,
};
use duet_engine::protocol::{
    Amount, Answer, Burst, ChannelId, CoSignOrder, Endpoint, Entry, EntryBytes, FinalClaim,
    FinalProof, Incoming, Limits, Message, Pair, Party, Payment, Post, Rejection, Rules, SignOrder,
    Status, Terms, Tip, WindowPool, final_digest, state_digest,
};

/// How a side behaves where the protocol leaves it the choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// Payments in one proposal; at most the co-sign interval.
    pub(crate) per_proposal: usize,
    /// Payments after which it passes a turn that the peer has asked for.
    pub(crate) per_turn: usize,
    /// Passes on its last proposal rather than without a payment.
    pub(crate) pass_on_proposal: bool,
    /// Passes after its last payment even if nobody has asked.
    pub(crate) pass_unasked: bool,
    /// Signs its answers only when everything delivered with their proposals has been read.
    pub(crate) sign_late: bool,
}

impl Habits {
    pub(crate) fn of(rules: Rules) -> Habits {
        Habits {
            per_proposal: rules.cosign_every as usize,
            per_turn: rules.cosign_every as usize * rules.in_flight as usize,
            pass_on_proposal: true,
            pass_unasked: false,
            sign_late: false,
        }
    }
}

/// What a stranger who watches an endpoint can see of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    signed: Tip,
    held: u64,
    theirs: Option<Signature>,
    counted: u64,
    in_flight: u32,
    turn_holder: Party,
    turn_asked: bool,
    log_len: usize,
    signatures: usize,
}

/// An answer that is authorised and not signed yet.
enum Owed {
    Answer(CoSignOrder),
    Final(SignOrder, Verified<FinalClaim>),
}

/// One party: its endpoint, its keys, its wishes, and its own book of what it signed.
pub(crate) struct Side {
    pub(crate) end: Endpoint,
    pub(crate) habits: Habits,
    /// Payments still to be made.
    pub(crate) wants: VecDeque<Payment>,
    /// The peer's payments, counted as this side accepts them.
    pub(crate) received: u64,
    /// This side's payments that the peer has co-signed.
    pub(crate) acknowledged: u64,
    /// Payments that this side's own endpoint refused.
    pub(crate) refused: Vec<Rejection>,
    /// Messages of the peer that this side refused.
    pub(crate) rejections: Vec<Rejection>,
    /// Stops at the first rejection, as a session does; otherwise only drops what was delivered.
    pub(crate) strict: bool,
    /// Messages to send.
    pub(crate) out: VecDeque<Vec<u8>>,
    /// Every entry of every state that this side has signed.
    pub(crate) log: Vec<EntryBytes>,
    /// The states that this side has signed.
    pub(crate) states: Vec<(u64, Digest)>,
    /// Its final signature.
    pub(crate) last: Option<(u64, Digest)>,
    terms: Terms,
    rules: Rules,
    limits: Limits,
    deposit_a: Amount,
    secret: [SecretKey; 1],
    keys: Pair<PublicKey>,
    ring: KeyRing,
    signer: Signer,
    /// Every signature that it has made: an endpoint has none made again that is not among them.
    made: HashMap<Digest, Signature>,
    verifier: Verifier,
    mine: Burst,
    theirs: Burst,
    windows: WindowPool,
    owed: Vec<Owed>,
    held_version: u64,
    /// What [`Side::check`] has verified last.
    checked: Cell<Option<(Pair<Signature>, Digest)>>,
    asked: bool,
    made_this_turn: usize,
}

impl Side {
    pub(crate) fn new(me: Party, terms: &Terms, secret: SecretKey, rules: Rules) -> Side {
        let mut ring = KeyRing::new(Backend::Dalek);
        let peer = ring.insert(terms.keys[me.other()]).expect("a sound key");
        let end = Endpoint::new(me, terms, peer, rules).expect("sound terms");
        Side {
            habits: Habits::of(rules),
            wants: VecDeque::new(),
            received: 0,
            acknowledged: 0,
            refused: Vec::new(),
            rejections: Vec::new(),
            strict: true,
            out: VecDeque::new(),
            log: Vec::new(),
            states: Vec::new(),
            last: None,
            terms: *terms,
            rules,
            limits: *end.limits(),
            deposit_a: terms.deposits.a,
            secret: [secret],
            keys: terms.keys,
            ring,
            signer: Signer::new(Backend::Dalek),
            made: HashMap::new(),
            verifier: Verifier::new(Backend::Dalek),
            mine: Burst::default(),
            theirs: Burst::default(),
            windows: WindowPool::new(),
            owed: Vec::new(),
            held_version: 0,
            checked: Cell::new(None),
            asked: false,
            made_this_turn: 0,
            end,
        }
    }

    pub(crate) fn me(&self) -> Party {
        self.end.me()
    }

    pub(crate) fn channel(&self) -> ChannelId {
        *self.end.channel()
    }

    pub(crate) fn wants_to_pay(&mut self, amounts: impl IntoIterator<Item = u64>) {
        let payer = self.me();
        self.wants.extend(amounts.into_iter().map(|amount| Payment {
            payer,
            amount: Amount::new(amount),
            tag: 7,
        }));
    }

    /// Nothing left to pay and nothing unanswered.
    pub(crate) fn satisfied(&self) -> bool {
        let ended = !matches!(self.end.status(), Status::Running);
        ended || self.wants.is_empty() && self.end.in_flight() == 0
    }

    pub(crate) fn balance(&self) -> u64 {
        let Tip { balance, .. } = self.end.signed();
        balance.of(self.me(), &self.limits).units()
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            signed: self.end.signed(),
            held: self.end.held_version(),
            theirs: self.end.peers_signature().copied(),
            counted: self.end.counted(),
            in_flight: self.end.in_flight(),
            turn_holder: self.end.turn_holder(),
            turn_asked: self.end.turn_asked(),
            log_len: self.log.len(),
            signatures: self.states.len() + usize::from(self.last.is_some()),
        }
    }

    // What it does by itself.

    /// Does what its wishes and habits tell it to; gives whether it did anything.
    pub(crate) fn act(&mut self) -> bool {
        let before = self.out.len();
        if self.end.my_turn().is_ok() {
            self.asked = false;
            self.pay();
            let done = self.wants.is_empty() || self.made_this_turn >= self.habits.per_turn;
            if self.end.turn_asked() && done && self.end.in_flight() == 0 {
                self.pass();
            }
        } else if !self.wants.is_empty() && !self.asked {
            self.ask();
        }
        self.out.len() > before
    }

    /// Proposes as much as it wants and may.
    fn pay(&mut self) {
        while let Ok(1..) = self.end.proposals_left() {
            let quota = self.habits.per_turn.saturating_sub(self.made_this_turn);
            let asked = self.end.turn_asked();
            let most = self
                .habits
                .per_proposal
                .min(if asked { quota } else { usize::MAX });
            let pass = |side: &Side, made: usize| {
                side.habits.pass_on_proposal
                    && match side.wants.is_empty() {
                        true => asked || side.habits.pass_unasked,
                        false => asked && made >= quota,
                    }
            };
            if self.propose_at_most(most, pass) == 0 {
                return;
            }
        }
    }

    /// Proposes up to `most` payments of its wishes as one state; gives how many it made.
    pub(crate) fn propose_at_most(
        &mut self,
        most: usize,
        pass: impl Fn(&Side, usize) -> bool,
    ) -> usize {
        self.mine.clear();
        self.mine.begin(&self.end);
        while self.mine.uncut() < most
            && let Some(payment) = self.wants.pop_front()
        {
            if let Err(rejection) = self.mine.pay(&payment) {
                self.refused.push(rejection);
            }
        }
        let made = self.mine.uncut();
        self.mine.cut();
        self.mine.hash();
        let Some(&state) = self.mine.states().first() else {
            return 0;
        };
        let pass = pass(self, made);
        let order = self
            .end
            .propose(&state, pass)
            .expect("its turn, and a valid state");
        self.log.extend_from_slice(self.mine.entries_of(&state));
        self.note_state(state.version(), *order.digest());
        let signature = self.sign(*order.digest());
        let mut wire = Vec::new();
        let (mine, windows) = (&self.mine, &mut self.windows);
        self.end
            .proposed(&order, &state, mine, signature, windows, &mut wire);
        self.out.push_back(wire);
        self.made_this_turn = if pass { 0 } else { self.made_this_turn + made };
        made
    }

    pub(crate) fn pass(&mut self) {
        let message = self
            .end
            .pass_turn()
            .expect("its turn, and nothing in flight");
        self.made_this_turn = 0;
        self.asked = false;
        self.send(&message);
    }

    pub(crate) fn ask(&mut self) {
        if let Some(message) = self.end.ask_for_turn() {
            self.asked = true;
            self.send(&message);
        }
    }

    pub(crate) fn finish(&mut self) {
        let order = self.end.finish().expect("its turn, and nothing in flight");
        self.note_final(*order.digest());
        let signature = self.sign(*order.digest());
        let message = self.end.finish_signed(&order, signature);
        self.send(&message);
    }

    // What its endpoint has it sign once more.

    pub(crate) fn close(&mut self) -> Post {
        self.end.close(|order| self.made[order.digest()])
    }

    pub(crate) fn posted(&mut self, version: u64) -> Option<Post> {
        self.end.posted(version, |order| self.made[order.digest()])
    }

    pub(crate) fn answer_again(&self) -> Option<Message<'static>> {
        self.end.answer_again(|order| self.made[order.digest()])
    }

    pub(crate) fn final_proof(&self) -> Option<FinalProof> {
        self.end.final_proof(|order| self.made[order.digest()])
    }

    /// It stops, and comes back from what it had stored before anything left it.
    pub(crate) fn crash(&mut self) {
        let peer = self.terms.keys[self.me().other()];
        let peer = self.ring.insert(peer).expect("it has the key");
        let record = self.record();
        let windows = &mut self.windows;
        let read = Endpoint::from_record(&record, &self.terms, peer, self.rules, windows);
        let (recovered, note) = read.expect("its own record");
        assert_eq!(note, [self.me() as u8; 2], "the owner's note");
        let mut claims: Vec<_> = recovered.claims().collect();
        let theirs = self.end.peers_signature();
        let is_claimed = |theirs| claims.iter().any(|claim| claim.signed().2 == theirs);
        assert!(theirs.is_none_or(is_claimed), "what the peer signed");
        let mut verdicts = Vec::new();
        self.verifier.verify(&self.ring, &mut claims, &mut verdicts);
        let genuine = verdicts
            .into_iter()
            .map(|verdict| verdict.expect("genuine"));
        self.end = recovered.verified(genuine);
        assert_eq!(self.record(), record, "nothing is lost");
    }

    fn record(&self) -> Vec<u8> {
        let mut record = Vec::new();
        self.end.record(&[self.me() as u8; 2], &mut record);
        record
    }

    /// The link broke.
    pub(crate) fn resume(&mut self) {
        self.out.clear();
        self.asked = false;
        let message = self.end.resume();
        self.send(&message);
    }

    pub(crate) fn send(&mut self, message: &Message<'_>) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.out.push_back(bytes);
    }

    // What it does with what arrives.

    /// Reads messages that were delivered together. After a rejection the rest is dropped.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        if let Err(rejection) = self.read(bytes) {
            self.rejections.push(rejection);
            if self.strict {
                self.end.stop(rejection);
            }
        }
        self.sign_owed();
        let held = self.end.held_version();
        assert!(
            held >= self.held_version,
            "held {held} after {}",
            self.held_version
        );
        self.held_version = held;
    }

    fn read(&mut self, mut bytes: &[u8]) -> Result<(), Rejection> {
        // Consecutive proposals that are checked and not verified yet: signature, pass.
        let mut run = Vec::new();
        let mut open = false;
        while !bytes.is_empty() {
            let decided = match Message::decode_first(bytes) {
                Ok((
                    Message::Proposal {
                        payments,
                        signature,
                        pass,
                    },
                    rest,
                )) => {
                    bytes = rest;
                    if !std::mem::replace(&mut open, true) {
                        self.theirs.clear();
                        self.theirs.begin(&self.end);
                    }
                    match self
                        .end
                        .receive_proposal(&payments, &signature, &mut self.theirs)
                    {
                        Ok(Incoming::New) => {
                            run.push((signature, pass));
                            Ok(())
                        }
                        Ok(Incoming::Answered) => {
                            let answer = self.answer_again().expect("it was answered");
                            self.send(&answer);
                            Ok(())
                        }
                        Err(rejection) => Err(rejection),
                    }
                }
                Ok((message, rest)) => {
                    bytes = rest;
                    self.accept_run(&mut run)?;
                    open = false;
                    self.handle(&message)
                }
                Err(rejection) => Err(rejection),
            };
            if let Err(rejection) = decided {
                // What came before it counts.
                self.accept_run(&mut run)?;
                return Err(rejection);
            }
        }
        self.accept_run(&mut run)
    }

    /// Verifies a run of proposals in one batch and accepts them in order.
    fn accept_run(&mut self, run: &mut Vec<(Signature, bool)>) -> Result<(), Rejection> {
        if run.is_empty() {
            return Ok(());
        }
        self.theirs.hash();
        let states = self.theirs.states().to_vec();
        let mut claims: Vec<_> = states
            .iter()
            .zip(run.drain(..))
            .map(|(state, (signature, pass))| self.end.claim(state, signature, pass))
            .collect();
        let mut verdicts = Vec::new();
        self.verifier.verify(&self.ring, &mut claims, &mut verdicts);
        for (state, verdict) in states.iter().zip(verdicts) {
            let claim = verdict.map_err(|Forged(claim)| Rejection::BadSignature {
                version: claim.version(),
            })?;
            let order = self.end.accept(claim)?;
            self.received += u64::from(order.payments());
            self.log.extend_from_slice(self.theirs.entries_of(state));
            self.note_state(state.version(), *order.digest());
            self.owed.push(Owed::Answer(order));
            if !self.habits.sign_late {
                self.sign_owed();
            }
        }
        Ok(())
    }

    fn handle(&mut self, message: &Message<'_>) -> Result<(), Rejection> {
        match *message {
            Message::Proposal { .. } => unreachable!("proposals are read in runs"),
            Message::Acknowledgement { version, signature } => {
                match self.end.receive_acknowledgement(version, signature)? {
                    Answer::Duplicate => {}
                    Answer::New(claim) => {
                        let claim = self.judge(claim, claim.version())?;
                        let done = self.end.acknowledged(claim, &mut self.windows)?;
                        self.acknowledged += done.version - done.after;
                    }
                }
            }
            Message::TurnAsked { turn } => {
                if let Some(again) = self.end.receive_ask(turn)? {
                    self.send(&again);
                }
            }
            Message::TurnPassed { turn } => self.end.receive_pass(turn)?,
            Message::Final { version, signature } => {
                let claim = self.end.receive_final(version, signature)?;
                let claim = self.judge(claim, version)?;
                let order = self.end.accept_final(&claim)?;
                self.note_final(*order.digest());
                self.owed.push(Owed::Final(order, claim));
                if !self.habits.sign_late {
                    self.sign_owed();
                }
            }
            Message::FinalAcknowledgement { version, signature } => {
                let claim = self.end.receive_final_acknowledgement(version, signature)?;
                let claim = self.judge(claim, version)?;
                self.end.finish_acknowledged(&claim)?;
            }
            Message::Resume { signed } => {
                let mut wire = Vec::new();
                let made = &self.made;
                self.end
                    .receive_resume(signed, &mut wire, |order| made[order.digest()])?;
                self.out.extend(messages(&wire));
            }
        }
        Ok(())
    }

    fn judge<T: Signed>(&mut self, claim: T, version: u64) -> Result<Verified<T>, Rejection> {
        let mut verdicts = Vec::new();
        self.verifier
            .verify(&self.ring, &mut vec![claim], &mut verdicts);
        let verdict = verdicts.pop().expect("one verdict per claim");
        verdict.map_err(|_| Rejection::BadSignature { version })
    }

    /// Makes all signatures that were authorised, in one batch, and sends them.
    fn sign_owed(&mut self) {
        let owed = std::mem::take(&mut self.owed);
        let digest_of = |owed: &Owed| match owed {
            Owed::Answer(order) => *order.digest(),
            Owed::Final(order, _) => *order.digest(),
        };
        let digests: Vec<Digest> = owed.iter().map(digest_of).collect();
        for (owed, signature) in owed.into_iter().zip(self.sign_all(&digests)) {
            let message = match owed {
                Owed::Answer(order) => self.end.co_signed(&order, signature),
                Owed::Final(order, claim) => self.end.final_signed(&order, &claim, signature),
            };
            self.send(&message);
        }
    }

    // Signing, and the book of it.

    /// Signatures made as an endpoint.
    pub(crate) fn signatures(&self) -> u64 {
        self.signer.made()
    }

    /// Signs a digest with this side's key, outside of the book: what an adversary does.
    pub(crate) fn sign(&mut self, digest: Digest) -> Signature {
        self.sign_all(&[digest])[0]
    }

    fn sign_all(&mut self, digests: &[Digest]) -> Vec<Signature> {
        let jobs: Vec<SignJob> = digests
            .iter()
            .map(|&digest| SignJob { secret: 0, digest })
            .collect();
        let mut signatures = Vec::new();
        self.signer.sign(&self.secret, &jobs, &mut signatures);
        let made = digests.iter().copied().zip(signatures.iter().copied());
        self.made.extend(made);
        signatures
    }

    /// S1: versions only rise, so that no version is signed twice; S6: and not after the final.
    fn note_state(&mut self, version: u64, digest: Digest) {
        assert_eq!(self.last, None, "a signature after the final one");
        let newest = self.states.last().map_or(0, |&(version, _)| version);
        assert!(version > newest, "version {version} signed after {newest}");
        assert_eq!(version as usize, self.log.len(), "a state is its whole log");
        self.states.push((version, digest));
    }

    fn note_final(&mut self, digest: Digest) {
        assert_eq!(self.last, None, "a second final signature");
        let newest = self.states.last().map_or(0, |&(version, _)| version);
        self.last = Some((newest, digest));
    }

    /// Everything that must hold at any moment, recomputed from this side's own book.
    pub(crate) fn check(&self) {
        let Tip { balance, head } = self.end.signed();
        let channel = self.channel();
        let mut naive_head = channel.0;
        let mut paid = HashMap::from([(Party::A, 0), (Party::B, 0)]);
        let mut from = HashMap::from([(0, naive_head)]);
        for (i, bytes) in self.log.iter().enumerate() {
            let entry = Entry::decode(bytes);
            assert_eq!(entry.version, i as u64 + 1, "S1: no gap, no repetition");
            assert!(!entry.amount.is_zero(), "S2");
            *paid.get_mut(&entry.payer).expect("both payers") += entry.amount.units();
            let a = self.deposit_a.units() + paid[&Party::B] - paid[&Party::A];
            assert_eq!(
                entry.balance_a.units(),
                a,
                "S2: balances follow from payments"
            );
            assert!(
                a <= self.limits.capacity.units(),
                "S2: balances sum to the capacity"
            );
            naive_head = link(&naive_head, bytes);
            from.insert(entry.version, naive_head);
        }
        assert_eq!(
            balance.version,
            self.log.len() as u64,
            "signed state and log"
        );
        assert_eq!(head, naive_head, "log head");
        for (version, digest) in &self.states {
            assert_eq!(
                *digest,
                state_digest(&channel, &from[version]),
                "v{version}"
            );
        }
        if let Some((version, digest)) = self.last {
            assert_eq!(
                version, balance.version,
                "S6: the final is over the newest state"
            );
            assert_eq!(digest, final_digest(&channel, &head));
        }

        let theirs = self
            .log
            .iter()
            .filter(|entry| Entry::decode(entry).payer != self.me());
        assert_eq!(
            self.end.counted(),
            theirs.count() as u64,
            "S4: what it counts is in its log"
        );
        assert_eq!(self.end.counted(), self.received);
        let held = self.end.held_version();
        assert!(held <= balance.version);
        let mine = |version: u64| {
            let log = self.log[..version as usize].iter();
            log.filter(|entry| Entry::decode(entry).payer == self.me())
                .count() as u64
        };
        assert_eq!(self.acknowledged, mine(held), "what it paid and holds");
        if let Some(proof) = self.end.held(|order| self.made[order.digest()]) {
            assert_eq!(
                link(&proof.previous, &proof.entry),
                from[&held],
                "the proof is of the log"
            );
            let digest = state_digest(&channel, &from[&held]);
            self.check_signatures(&proof.signatures, digest);
        }
        if let Some(proof) = self.final_proof() {
            assert_eq!(proof.channel, channel);
            assert_eq!(
                proof.state.head(&channel),
                head,
                "the final is of the newest state"
            );
            assert_eq!(proof.state.balance(self.deposit_a), balance);
            self.check_signatures(&proof.signatures, final_digest(&channel, &head));
        }
    }

    /// Both signatures, unless they are the ones that were checked last.
    fn check_signatures(&self, signatures: &Pair<Signature>, digest: Digest) {
        if self.checked.replace(Some((*signatures, digest))) == Some((*signatures, digest)) {
            return;
        }
        for party in Party::BOTH {
            let (key, signature) = (&self.keys[party], &signatures[party]);
            assert!(
                accept(&key.0, &digest.0, &signature.0),
                "{party:?}'s signature"
            );
        }
    }
}

/// Cuts bytes into messages.
pub(crate) fn messages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let (_, rest) = Message::decode_first(bytes).expect("own messages are well-formed");
        messages.push(bytes[..bytes.len() - rest.len()].to_vec());
        bytes = rest;
    }
    messages
}
