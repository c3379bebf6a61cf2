//! Every refusal, failure and submit error is provoked, with exactly what it says; none leaves a
//! trace. What no variant is left out of is the compiler's to say.

use std::collections::BTreeSet;

use super::outcomes::identity;
use super::*;
use duet_channels::crypto::KeyError;
use duet_channels::protocol::TermsError;

/// A chain with Alice's and Bob's channels of 60 and 40 in every status.
struct Scene {
    world: World,
    /// Nothing is posted.
    quiet: Terms,
    /// Alice posted version 5 (30/70); the next block is the first for answers.
    disputed: Terms,
    /// The same, long ago.
    over: Terms,
}

/// The window, and the height of the block to come.
const WINDOW: u64 = 3;
const NEXT: u64 = 7;

impl Scene {
    fn new() -> Scene {
        let mut world = World::new(config());
        let terms = |world: &World, nonce| Terms {
            challenge_window_blocks: WINDOW as u32,
            ..world.terms(ALICE, nonce, BOB, 60, 40)
        };
        let [quiet, disputed, over] = [0, 1, 2].map(|nonce| terms(&world, nonce));
        for terms in [&quiet, &disputed, &over] {
            world.submit(&world.open(terms)).unwrap();
        }
        let posts = [&over, &disputed].map(|terms| world.post(ALICE, terms, after(5, 30), None));
        world.submit(&posts[0]).unwrap();
        world.pass();
        for _ in 0..4 {
            world.pass();
        }
        world.submit(&posts[1]).unwrap();
        world.pass();
        assert_eq!(world.chain.height() + 1, NEXT);
        Scene {
            world,
            quiet,
            disputed,
            over,
        }
    }
}

type Row = (&'static str, fn(&Scene) -> (Bytes, Refusal));

fn bad(w: &World, role: SignatureRole, who: Who) -> Refusal {
    let key = w.key(who);
    Refusal::BadSignature { role, key }
}

/// A post whose signatures are edited before it is signed.
fn edited(s: &Scene, by: Who, offer: Option<State>, edit: impl Fn(&mut Post)) -> Bytes {
    let mut post = Post {
        channel: s.disputed.channel_id(),
        shown: s.world.cosigned(&s.disputed, after(6, 20)),
        offer: offer.map(|offer| s.world.half_signed(by, &s.disputed, offer)),
    };
    edit(&mut post);
    s.world.submit_post(by, post)
}

fn of_terms(s: &Scene, edit: impl Fn(&mut Terms)) -> Bytes {
    let mut terms = s.world.terms(ALICE, 3, BOB, 1, 0);
    edit(&mut terms);
    s.world.signed(
        Transaction::open(&terms),
        ALICE,
        (!terms.deposits.b.is_zero()).then_some(BOB),
    )
}

/// What can be refused of a transaction's content and signatures.
const CONTENT: &[Row] = &[
    ("a transfer of nothing", |s| {
        (s.world.transfer(ALICE, 3, BOB, 0), Refusal::ZeroAmount)
    }),
    ("an open with an index", |s| {
        let (expected, got) = (0, 9);
        let refusal = Refusal::WrongIndex { expected, got };
        (of_terms(s, |terms| terms.index = 9), refusal)
    }),
    ("one party", |s| {
        let same = TermsError::SameKey(s.world.key(ALICE));
        let bytes = of_terms(s, |terms| terms.keys.b = terms.keys.a);
        (bytes, Refusal::Terms(same))
    }),
    ("a capacity that overflows", |s| {
        let deposits = opening(s.world.key(BOB), u64::MAX, 1).deposits;
        let bytes = of_terms(s, |terms| terms.deposits = deposits);
        (
            bytes,
            Refusal::Terms(TermsError::CapacityOverflow(deposits)),
        )
    }),
    ("nothing locked", |s| {
        let bytes = of_terms(s, |terms| terms.deposits = Pair::default());
        (bytes, Refusal::Terms(TermsError::NothingLocked))
    }),
    ("no window", |s| {
        let bytes = of_terms(s, |terms| terms.challenge_window_blocks = 0);
        (bytes, Refusal::Terms(TermsError::NoWindow))
    }),
    ("a reserve above the capacity", |s| {
        let (capacity, got) = (Amount::new(1), Amount::new(2));
        let bytes = of_terms(s, |terms| terms.reserve = Amount::new(2));
        let error = TermsError::ReserveAboveCapacity { capacity, got };
        (bytes, Refusal::Terms(error))
    }),
    ("a final of version 0 after an entry", |s| {
        let channel = s.quiet.channel_id();
        let bytes = s.world.close(BOB, &s.quiet, after(0, 60));
        (bytes, Refusal::VersionZero { channel })
    }),
    ("a post of version 0 after an entry", |s| {
        let channel = s.quiet.channel_id();
        let bytes = s.world.post(ALICE, &s.quiet, after(0, 60), None);
        (bytes, Refusal::VersionZero { channel })
    }),
    ("a roll-over of version 0 after an entry", |s| {
        let channel = s.quiet.channel_id();
        let new = s.world.terms(ALICE, 3, BOB, 1, 0);
        let bytes = s.world.roll_over(&s.quiet, after(0, 60), &new);
        (bytes, Refusal::VersionZero { channel })
    }),
    ("a key that is no point", |s| {
        let key = PublicKey(std::array::from_fn(|i| if i == 0 { 2 } else { 0 }));
        let bytes = of_terms(s, |terms| terms.keys.b = key);
        (bytes, Refusal::Key(KeyError::NotAPoint(key)))
    }),
    ("a key that is not canonical", |s| {
        let mut key = PublicKey([0xff; 32]);
        (key.0[0], key.0[31]) = (0xf0, 0x7f);
        let bytes = of_terms(s, |terms| terms.keys.b = key);
        (bytes, Refusal::Key(KeyError::NonCanonical(key)))
    }),
    ("a payout by a key of small order", |s| {
        let key = identity();
        let transaction = Transaction::Payout {
            submitter: key,
            channel: s.over.channel_id(),
        };
        let bytes = s.world.signed(transaction, ALICE, None);
        (bytes, Refusal::Key(KeyError::SmallOrder(key)))
    }),
    ("a post signed by another", |s| {
        let shown = s.world.cosigned(&s.disputed, after(6, 20));
        let channel = s.disputed.channel_id();
        let post = Post {
            channel,
            shown,
            offer: None,
        };
        let submitter = s.world.key(BOB);
        let bytes = s
            .world
            .signed(Transaction::Post { submitter, post }, ALICE, None);
        (bytes, bad(&s.world, SignatureRole::Signer, BOB))
    }),
    ("a payout signed by another", |s| {
        let submitter = s.world.key(BOB);
        let channel = s.over.channel_id();
        let bytes = s
            .world
            .signed(Transaction::Payout { submitter, channel }, ALICE, None);
        (bytes, bad(&s.world, SignatureRole::Signer, BOB))
    }),
    ("an open to which A consents for B", |s| {
        let terms = s.world.terms(ALICE, 3, BOB, 1, 1);
        let bytes = s.world.signed(Transaction::open(&terms), ALICE, [ALICE]);
        (bytes, bad(&s.world, SignatureRole::Consent, BOB))
    }),
    ("a close with A's signature twice", |s| {
        let mut proof = s.world.proof(&s.quiet, after(1, 1));
        proof.signatures.b = proof.signatures.a;
        let bytes = s.world.submit_proof(CAROL, proof);
        (bytes, bad(&s.world, SignatureRole::Final(Party::B), BOB))
    }),
    ("a state that A has not signed", |s| {
        let bytes = edited(s, BOB, None, |post| {
            post.shown.as_mut().unwrap().signatures.a.0[3] ^= 1;
        });
        (bytes, bad(&s.world, SignatureRole::State(Party::A), ALICE))
    }),
    ("a state that B has not signed", |s| {
        let bytes = edited(s, BOB, None, |post| {
            let signatures = &mut post.shown.as_mut().unwrap().signatures;
            signatures.b = signatures.a;
        });
        (bytes, bad(&s.world, SignatureRole::State(Party::B), BOB))
    }),
    ("a state signed as final", |s| {
        let signatures = s.world.proof(&s.disputed, after(6, 20)).signatures;
        let bytes = edited(s, CAROL, None, |post| {
            post.shown.as_mut().unwrap().signatures = signatures;
        });
        (bytes, bad(&s.world, SignatureRole::State(Party::A), ALICE))
    }),
    ("a state of another channel of theirs", |s| {
        let shown = s.world.cosigned(&s.quiet, after(6, 20));
        let bytes = edited(s, CAROL, None, |post| post.shown = shown);
        (bytes, bad(&s.world, SignatureRole::State(Party::A), ALICE))
    }),
    ("an offer that the other party signed", |s| {
        let offer = s.world.half_signed(ALICE, &s.disputed, after(7, 30));
        let bytes = edited(s, BOB, None, |post| post.offer = Some(offer));
        (bytes, bad(&s.world, SignatureRole::Offer, BOB))
    }),
    ("an offer in another channel of theirs", |s| {
        let offer = s.world.half_signed(BOB, &s.quiet, after(7, 30));
        let bytes = edited(s, BOB, None, |post| post.offer = Some(offer));
        (bytes, bad(&s.world, SignatureRole::Offer, BOB))
    }),
];

/// What the ledger says of transactions that are in order by themselves.
const LEDGER: &[Row] = &[
    ("a post in no channel", |s| {
        let terms = s.world.terms(ALICE, 9, BOB, 60, 40);
        let channel = terms.channel_id();
        let bytes = s.world.post(ALICE, &terms, after(6, 20), None);
        (bytes, Refusal::UnknownChannel { channel })
    }),
    ("a payout of no channel", |s| {
        let channel = s.world.terms(ALICE, 9, BOB, 60, 40).channel_id();
        let bytes = s.world.payout(ALICE, channel);
        (bytes, Refusal::UnknownChannel { channel })
    }),
    ("a roll-over to others", |s| {
        let channel = s.quiet.channel_id();
        let new = s.world.terms(ALICE, 3, CAROL, 1, 0);
        let bytes = s.world.roll_over(&s.quiet, after(1, 1), &new);
        (bytes, Refusal::OtherParties { channel })
    }),
    ("a post of an account that is none", |s| {
        let account = s.world.key(ERIN);
        let bytes = s.world.post(ERIN, &s.disputed, after(6, 20), None);
        (bytes, Refusal::UnknownAccount { account })
    }),
    ("a payout of an account that is none", |s| {
        let account = s.world.key(ERIN);
        let bytes = s.world.payout(ERIN, s.over.channel_id());
        (bytes, Refusal::UnknownAccount { account })
    }),
    ("a roll-over sent too early", |s| {
        let (expected, got) = (3, 4);
        let new = s.world.terms(ALICE, 4, BOB, 1, 0);
        let bytes = s.world.roll_over(&s.quiet, after(1, 1), &new);
        (bytes, Refusal::WrongNonce { expected, got })
    }),
    ("a post of an account that cannot pay", |s| {
        let (have, fee) = (Amount::new(5), Amount::new(FEE));
        let bytes = s.world.post(DAN, &s.disputed, after(6, 20), None);
        (bytes, Refusal::FeeAboveBalance { have, fee })
    }),
    ("a payout of an account that cannot pay", |s| {
        let (have, fee) = (Amount::new(5), Amount::new(FEE));
        let bytes = s.world.payout(DAN, s.over.channel_id());
        (bytes, Refusal::FeeAboveBalance { have, fee })
    }),
    ("a post of more than there is", |s| {
        let (capacity, got) = (Amount::new(100), Amount::new(101));
        let bytes = s.world.post(CAROL, &s.disputed, after(6, 101), None);
        (bytes, Refusal::BalanceAboveCapacity { capacity, got })
    }),
    ("an offer of more than there is", |s| {
        let (capacity, got) = (Amount::new(100), Amount::new(u64::MAX));
        let offer = Some(after(7, u64::MAX));
        let bytes = s.world.post(BOB, &s.disputed, after(6, 20), offer);
        (bytes, Refusal::OfferAboveCapacity { capacity, got })
    }),
    ("an offer of the version shown", |s| {
        let (shown, got) = (6, 6);
        let offer = Some(after(6, 30));
        let bytes = s.world.post(BOB, &s.disputed, after(6, 20), offer);
        (bytes, Refusal::OfferNotHigher { shown, got })
    }),
    ("an offer of version 0", |s| {
        let (shown, got) = (0, 0);
        let offer = Some(after(0, 30));
        let bytes = s.world.post(ALICE, &s.quiet, State::Opening, offer);
        (bytes, Refusal::OfferNotHigher { shown, got })
    }),
    ("an offer of more to B", |s| {
        let (have, got) = (Amount::new(80), Amount::new(81));
        let offer = Some(after(7, 19));
        let bytes = s.world.post(BOB, &s.disputed, after(6, 20), offer);
        (bytes, Refusal::OfferRaisesPoster { have, got })
    }),
    ("an offer of more to A than its deposit", |s| {
        let (have, got) = (Amount::new(60), Amount::new(61));
        let offer = Some(after(7, 61));
        let bytes = s.world.post(ALICE, &s.quiet, State::Opening, offer);
        (bytes, Refusal::OfferRaisesPoster { have, got })
    }),
    ("a stranger's offer", |s| {
        let channel = s.disputed.channel_id();
        let offer = Some(after(7, 30));
        let bytes = s.world.post(CAROL, &s.disputed, after(6, 20), offer);
        (bytes, Refusal::OfferByStranger { channel })
    }),
    ("a stranger's first post", |s| {
        let channel = s.quiet.channel_id();
        let bytes = s.world.post(CAROL, &s.quiet, after(6, 20), None);
        (bytes, Refusal::NothingToAnswer { channel })
    }),
    ("an answer that shows the same version", |s| {
        let (highest, got) = (5, 5);
        let bytes = s.world.post(BOB, &s.disputed, after(5, 20), None);
        (bytes, Refusal::PostNotHigher { highest, got })
    }),
    ("an answer that shows the opening", |s| {
        let (highest, got) = (5, 0);
        let bytes = s.world.post(BOB, &s.disputed, State::Opening, None);
        (bytes, Refusal::PostNotHigher { highest, got })
    }),
    ("an answer after the window", |s| {
        let (until, height) = (1 + WINDOW, NEXT);
        let bytes = s.world.post(BOB, &s.over, after(6, 20), None);
        (bytes, Refusal::WindowClosed { until, height })
    }),
    ("a payout in the window", |s| {
        let (until, height) = (NEXT - 1 + WINDOW, NEXT);
        let bytes = s.world.payout(BOB, s.disputed.channel_id());
        (bytes, Refusal::WindowStillOpen { until, height })
    }),
    ("a payout of a channel that nobody closes", |s| {
        let channel = s.quiet.channel_id();
        let bytes = s.world.payout(BOB, channel);
        (bytes, Refusal::NothingPosted { channel })
    }),
];

#[test]
fn a_refused_transaction_is_named_and_leaves_no_trace() {
    for (name, row) in CONTENT.iter().chain(LEDGER) {
        // No block is made: what one account submits in vain would add up.
        let mut scene = Scene::new();
        let (bytes, expected) = row(&scene);
        let world = &mut scene.world;
        let before = (*world.chain.tip(), world.chain.ledger().clone());
        let at_once = world.submit_any(&bytes).map(Err);
        let (header, receipts) = world.seal();
        let in_turn = receipts.into_iter().map(|receipt| receipt.outcome);
        let found: Vec<Outcome> = at_once.into_iter().chain(in_turn).collect();
        assert_eq!((header, found), (None, vec![Err(expected)]), "{name}");
        let found = (*world.chain.tip(), world.chain.ledger().clone());
        assert!(before == found, "{name}");
        assert_eq!(world.chain.notices(), [], "{name}");
    }
    // It was all about what was wrong with them: these are in order.
    let Scene {
        mut world,
        quiet,
        disputed,
        over,
    } = Scene::new();
    let good = [
        world.post(CAROL, &disputed, after(6, 20), None),
        world.post(ALICE, &quiet, State::Opening, Some(after(7, 60))),
        world.payout(CAROL, over.channel_id()),
    ];
    for bytes in good {
        world.submit(&bytes).unwrap();
        let (_, receipts) = world.seal();
        assert!(receipts[0].outcome.is_ok());
    }
}

/// The two that take more than one transaction: an answer in its first post's block, and one that
/// makes way for another.
fn of_two() -> [Refusal; 2] {
    let Scene {
        mut world, quiet, ..
    } = Scene::new();
    for by in [ALICE, BOB] {
        let bytes = world.post(by, &quiet, after(5 + by as u64, 30), None);
        world.submit(&bytes).unwrap();
    }
    let (_, receipts) = world.seal();
    let (from, height) = (NEXT + 1, NEXT);
    let early = Refusal::WindowNotOpen { from, height };
    assert_eq!(receipts[1].outcome, Err(early));

    let narrow = Config {
        block_transactions: 1,
        mempool_transactions: 1,
        ..config()
    };
    let mut world = World::new(narrow);
    let terms = world.terms(ALICE, 0, BOB, 60, 40);
    let post = |world: &World, version| world.post(ALICE, &terms, after(version, 30), None);
    for bytes in [world.open(&terms), post(&world, 1)] {
        world.submit(&bytes).unwrap();
        world.pass();
    }
    world.submit(&world.transfer(CAROL, 0, BOB, 1)).unwrap();
    for version in [2, 3] {
        world.submit(&post(&world, version)).unwrap();
    }
    let (_, receipts) = world.seal_block(false);
    let superseded = Refusal::Superseded { by: 3 };
    assert_eq!(receipts[0].outcome, Err(superseded));
    [early, superseded]
}

/// No variant without its row. A new one does not compile without a name here.
#[test]
fn every_refusal_is_provoked() {
    let scene = Scene::new();
    let rows = CONTENT.iter().chain(LEDGER).map(|(_, row)| row(&scene).1);
    let mut provoked = BTreeSet::new();
    for refusal in rows.chain(of_two()) {
        assert!(!refusal.to_string().is_empty());
        use Refusal as R;
        provoked.insert(match refusal {
            R::Terms(error) => match error {
                TermsError::SameKey(_) => "same key",
                TermsError::CapacityOverflow(_) => "capacity overflow",
                TermsError::NothingLocked => "nothing locked",
                TermsError::NoWindow => "no window",
                TermsError::ReserveAboveCapacity { .. } => "reserve above capacity",
            },
            R::Key(error) => match error {
                KeyError::NotAPoint(_) => "not a point",
                KeyError::NonCanonical(_) => "non-canonical",
                KeyError::SmallOrder(_) => "small order",
            },
            R::BadSignature { role, .. } => match role {
                SignatureRole::Signer => "signer",
                SignatureRole::Consent => "consent",
                SignatureRole::Final(_) => "final",
                SignatureRole::State(_) => "state",
                SignatureRole::Offer => "offer",
            },
            R::ZeroAmount
            | R::WrongIndex { .. }
            | R::VersionZero { .. }
            | R::UnknownChannel { .. }
            | R::OtherParties { .. }
            | R::UnknownAccount { .. }
            | R::WrongNonce { .. }
            | R::FeeAboveBalance { .. }
            | R::BalanceAboveCapacity { .. }
            | R::OfferAboveCapacity { .. }
            | R::OfferNotHigher { .. }
            | R::OfferRaisesPoster { .. }
            | R::OfferByStranger { .. }
            | R::NothingToAnswer { .. }
            | R::PostNotHigher { .. }
            | R::WindowNotOpen { .. }
            | R::WindowClosed { .. }
            | R::WindowStillOpen { .. }
            | R::NothingPosted { .. }
            | R::Superseded { .. } => refusal.name(),
            // In the tests of the market.
            R::BidNotTaken | R::NoBid | R::BidBelowBase { .. } | R::Evicted { .. } => continue,
        });
    }
    // As many as there are arms above, and names on the last one.
    assert_eq!(provoked.len(), 5 + 3 + 5 + 20, "{provoked:?}");
}

#[test]
fn every_submit_error_is_provoked() {
    let tight = Config {
        block_bytes: 500,
        block_transactions: 7,
        mempool_transactions: 1,
        ..config()
    };
    let mut world = World::new(tight);
    let transfer = world.transfer(ALICE, 0, BOB, 1);
    let batch = |count| vec![opening(world.key(BOB), 1, 0); count];
    let (long, many) = (
        world.open_batch(ALICE, 0, batch(8)),
        World::new(Config {
            block_transactions: 7,
            ..config()
        }),
    );
    let rows = [
        (Vec::new(), SubmitError::Malformed(Malformed::Empty)),
        (
            long.clone(),
            SubmitError::TooLarge {
                limit: 500,
                got: 43 + 8 * 53 + 64,
            },
        ),
        (
            world.transfer(ALICE, 1, BOB, 1),
            SubmitError::MempoolFull { capacity: 1 },
        ),
    ];
    world.submit(&transfer).unwrap();
    let before = world.chain.ledger().clone();
    let mut found: Vec<SubmitError> = Vec::new();
    for (bytes, expected) in rows {
        assert_eq!(world.submit(&bytes), Err(expected));
        found.push(expected);
    }
    let mut many = many;
    let too_many = SubmitError::TooManyItems { limit: 7, got: 8 };
    assert_eq!(many.submit(&long), Err(too_many));
    found.push(too_many);
    assert!(before == *world.chain.ledger() && world.chain.pending() == 1);
    let kinds: BTreeSet<u8> = found
        .iter()
        .map(|error| match error {
            SubmitError::Malformed(_) => 0,
            SubmitError::TooLarge { .. } => 1,
            SubmitError::MempoolFull { .. } => 2,
            SubmitError::TooManyItems { .. } => 3,
            // In the tests of what is verified in vain.
            SubmitError::AnswersInVain { .. } => 4,
            SubmitError::MempoolBytesFull { .. } => 5,
            SubmitError::Refused(_) => 6,
            // In the tests of the market.
            SubmitError::Outbid { .. } => 7,
            SubmitError::TooManyUnits { .. } => 8,
            SubmitError::AlreadyWaits => 9,
            SubmitError::NotInTurn => 10,
        })
        .collect();
    assert_eq!(kinds.len(), 4);
}
