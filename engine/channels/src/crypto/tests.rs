//! One rule for one signature and for many: the batch's verdicts against [`accept`], on honest
//! signatures, on forgeries and on every oddity that ZIP 215 settles; and the search for culprits.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use proptest::prelude::*;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::accept::{accept, challenge};
use super::backend::Backend;
use super::hash::{Digest, Domain, hash};
use super::keys::PublicKey;
use super::ring::{KeyId, KeyRing};
use super::signature::Signature;
use super::verify::Verifier;

/// A signature with its key as bytes, sound or not.
#[derive(Clone, Copy, Debug)]
struct Case {
    key: [u8; 32],
    digest: Digest,
    signature: [u8; 64],
}

impl Case {
    fn honest(signer: &Signer, tag: usize) -> Case {
        signer.sign(tag, &EdwardsPoint::default())
    }

    fn new(key: [u8; 32], digest: Digest, r: [u8; 32], s: [u8; 32]) -> Case {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&s);
        Case {
            key,
            digest,
            signature,
        }
    }

    fn flip(mut self, bit: usize) -> Case {
        let byte = match bit / 8 {
            at @ 0..32 => &mut self.key[at],
            at @ 32..64 => &mut self.digest.0[at - 32],
            at => &mut self.signature[at - 64],
        };
        *byte ^= 1 << (bit % 8);
        self
    }

    fn accepted(&self) -> bool {
        accept(&self.key, &self.digest.0, &self.signature)
    }

    /// ZIP 215's rule once more, by plain multiplications in another order.
    fn accepted_by_the_book(&self) -> bool {
        let (r, s) = self.signature.split_at(32);
        let r: [u8; 32] = r.try_into().expect("32 bytes");
        let s: [u8; 32] = s.try_into().expect("32 bytes");
        let below_l = s.iter().rev().lt(ORDER.iter().rev());
        let a = CompressedEdwardsY(self.key).decompress();
        let (true, Some(a), Some(point)) = (below_l, a, CompressedEdwardsY(r).decompress()) else {
            return false;
        };
        let h = challenge(&r, &self.key, &self.digest.0);
        let left = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(s));
        left.mul_by_cofactor() == point.mul_by_cofactor() + (h * a).mul_by_cofactor()
    }
}

/// A secret scalar whose public key may carry torsion.
struct Signer {
    secret: Scalar,
    key: [u8; 32],
}

impl Signer {
    fn new(seed: u64, torsion: &EdwardsPoint) -> Signer {
        let secret = Scalar::from_bytes_mod_order(hash(Domain::State, &seed.to_le_bytes()).0);
        let key = (EdwardsPoint::mul_base(&secret) + torsion).compress().0;
        Signer { secret, key }
    }

    /// A signature whose R carries torsion.
    fn sign(&self, tag: usize, torsion: &EdwardsPoint) -> Case {
        let digest = hash(Domain::State, &tag.to_le_bytes());
        let nonce = Scalar::from_bytes_mod_order(hash(Domain::Final, &digest.0).0);
        let r = (EdwardsPoint::mul_base(&nonce) + torsion).compress().0;
        let s = nonce + challenge(&r, &self.key, &digest.0) * self.secret;
        Case::new(self.key, digest, r, s.to_bytes())
    }
}

/// For every back end, a verifier and a ring that takes any key that decodes, as `accept` does.
struct Judge {
    benches: Vec<(Verifier, KeyRing)>,
}

impl Judge {
    fn new() -> Judge {
        let bench = |backend| (Verifier::new(backend), KeyRing::new(backend));
        Judge {
            benches: Backend::all().into_iter().map(bench).collect(),
        }
    }

    /// The verdicts on a batch, on which all back ends agree.
    fn verdicts(&mut self, cases: &[Case]) -> Vec<bool> {
        let verdicts = |bench: &mut (Verifier, KeyRing)| bench_verdicts(bench, cases);
        let mut verdicts: Vec<_> = self.benches.iter_mut().map(verdicts).collect();
        verdicts.dedup();
        assert_eq!(verdicts.len(), 1, "the back ends agree");
        verdicts.remove(0)
    }

    /// Checks that the batch agrees with the single rule, and that with the book.
    fn check(&mut self, cases: &[Case]) {
        for ((place, case), verdict) in cases.iter().enumerate().zip(self.verdicts(cases)) {
            assert_eq!(case.accepted(), case.accepted_by_the_book(), "{case:?}");
            assert_eq!(verdict, case.accepted(), "place {place}: {case:?}");
        }
    }

    /// Equations tried so far by the library's back end.
    fn equations(&self) -> usize {
        self.benches[0].0.equations()
    }
}

/// One back end's verdicts; `false` where the key does not decode and so cannot be in a batch.
fn bench_verdicts((verifier, ring): &mut (Verifier, KeyRing), cases: &[Case]) -> Vec<bool> {
    let mut items = Vec::new();
    let mut places = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        let key = PublicKey(case.key);
        let known = (0..ring.len() as u32).find(|&id| ring.key(KeyId(id)) == key);
        let Some(signer) = known.map(KeyId).or_else(|| ring.insert_unchecked(key)) else {
            continue;
        };
        items.push((signer, case.digest, Signature(case.signature)));
        places.push(place);
    }
    let mut out = Vec::new();
    verifier.verify(ring, &mut items, &mut out);
    let mut verdicts = vec![false; cases.len()];
    for (place, verdict) in places.into_iter().zip(out) {
        verdicts[place] = verdict.is_ok();
    }
    verdicts
}

/// l, the order of the prime-order group, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A 256-bit sum, little-endian; `None` on overflow.
fn add(left: &[u8; 32], right: &[u8; 32]) -> Option<[u8; 32]> {
    let mut sum = [0; 32];
    let mut carry = 0;
    for (sum, (left, right)) in sum.iter_mut().zip(left.iter().zip(right)) {
        carry += u16::from(*left) + u16::from(*right);
        *sum = carry as u8;
        carry >>= 8;
    }
    (carry == 0).then_some(sum)
}

fn small(value: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = value;
    bytes
}

/// Every encoding that ZIP 215 takes for a point of small order: each point's canonical encoding,
/// with p added to y where that still fits in 255 bits, and with either sign where x = 0.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut p = [0xff; 32];
    (p[0], p[31]) = (0xed, 0x7f);
    let mut encodings = Vec::new();
    for point in EIGHT_TORSION {
        assert!(point.mul_by_cofactor().is_identity());
        let canonical = point.compress().0;
        let (mut y, sign) = (canonical, canonical[31] & 0x80);
        y[31] &= 0x7f;
        let larger = add(&y, &p).filter(|y| y[31] < 0x80);
        for y in [Some(y), larger].into_iter().flatten() {
            for flip in [0, 0x80] {
                let mut encoding = y;
                encoding[31] |= sign ^ flip;
                if CompressedEdwardsY(encoding).decompress() == Some(point) {
                    encodings.push(encoding);
                }
            }
        }
    }
    encodings
}

#[test]
fn there_are_8_canonical_and_6_other_small_order_encodings() {
    let mut encodings = small_order_encodings();
    encodings.sort_unstable();
    encodings.dedup();
    let is_canonical = |encoding: &&[u8; 32]| {
        let point = CompressedEdwardsY(**encoding).decompress();
        point.is_some_and(|point| point.compress().0 == **encoding)
    };
    let canonical = encodings.iter().filter(is_canonical).count();
    assert_eq!((canonical, encodings.len() - canonical), (8, 6));
}

#[test]
fn all_196_small_order_signatures_of_zip_215_are_accepted() {
    let encodings = small_order_encodings();
    let signer = Signer::new(1, &EdwardsPoint::default());
    let mut cases = Vec::new();
    for key in &encodings {
        for r in &encodings {
            let case = Case::new(*key, hash(Domain::State, b"Zcash"), *r, [0; 32]);
            assert!(accept(key, b"Zcash", &case.signature));
            cases.push(case);
        }
    }
    assert_eq!(cases.len(), 196);

    let mut judge = Judge::new();
    assert_eq!(judge.verdicts(&cases), [true; 196]);
    assert_eq!(judge.equations(), 1, "as one batch");
    for case in &cases {
        assert_eq!(judge.verdicts(&[*case]), [true]);
    }
    // s = l is 0 for the equation, but not canonical; s = 1 is another point.
    for s in [ORDER, small(1)] {
        cases.extend_from_within(..196);
        let copies = cases.len() - 196;
        for case in &mut cases[copies..] {
            case.signature[32..].copy_from_slice(&s);
            assert!(!case.accepted());
        }
    }
    cases.extend((0..40).map(|tag| Case::honest(&signer, tag)));
    judge.check(&cases);
}

#[test]
fn s_is_accepted_below_l_only() {
    assert_eq!(add(&(-Scalar::ONE).to_bytes(), &small(1)), Some(ORDER));
    let one_more = add(&ORDER, &small(1)).expect("below 2^256");
    let mut two_to_252 = [0; 32];
    two_to_252[31] = 0x10;
    // With a key of small order, R = [s]B is a signature for every s.
    let key = small_order_encodings()[0];
    let table = [
        (small(0), true),
        (small(1), true),
        (two_to_252, true),
        ((-Scalar::ONE).to_bytes(), true),
        (ORDER, false),
        (one_more, false),
        ([0xff; 32], false),
    ];
    let mut judge = Judge::new();
    let mut cases = Vec::new();
    for (s, valid) in table {
        let r = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(s));
        let case = Case::new(key, Digest([7; 32]), r.compress().0, s);
        assert_eq!(case.accepted(), valid, "s = {s:02x?}");
        assert_eq!(judge.verdicts(&[case]), [valid]);
        cases.push(case);
    }
    let signer = Signer::new(2, &EdwardsPoint::default());
    for tag in 0..20 {
        let mut case = Case::honest(&signer, tag);
        cases.push(case);
        let s: [u8; 32] = case.signature[32..].try_into().expect("32 bytes");
        let malleated = add(&s, &ORDER).expect("below 2^256");
        case.signature[32..].copy_from_slice(&malleated);
        assert!(!case.accepted());
        cases.push(case);
    }
    judge.check(&cases);
}

#[test]
fn the_challenge_takes_the_bytes_of_r_as_given() {
    // R of small order in each of its encodings, so s = h·a: valid for these bytes only.
    let signer = Signer::new(3, &EdwardsPoint::default());
    let digest = Digest([9; 32]);
    let cases: Vec<Case> = small_order_encodings()
        .into_iter()
        .map(|r| {
            let s = challenge(&r, &signer.key, &digest.0) * signer.secret;
            Case::new(signer.key, digest, r, s.to_bytes())
        })
        .collect();
    let mut judge = Judge::new();
    assert_eq!(judge.verdicts(&cases), [true; 14]);
    assert!(cases.iter().all(Case::accepted));
    let mut swapped = cases.clone();
    for (case, other) in swapped.iter_mut().zip(cases.iter().rev()) {
        case.signature[..32].copy_from_slice(&other.signature[..32]);
    }
    judge.check(&swapped);
}

#[test]
fn torsion_in_key_and_r_is_accepted_at_every_place_of_a_batch() {
    let mut judge = Judge::new();
    let honest = Signer::new(4, &EdwardsPoint::default());
    let mut torsioned = Vec::new();
    for (i, key_torsion) in EIGHT_TORSION.iter().enumerate() {
        let signer = Signer::new(5 + i as u64, key_torsion);
        // Torsion in a key is nothing that a ring refuses.
        KeyRing::new(Backend::Dalek)
            .insert(PublicKey(signer.key))
            .expect("no small order");
        torsioned.extend(EIGHT_TORSION.iter().map(|torsion| signer.sign(i, torsion)));
    }
    assert!(torsioned.iter().all(Case::accepted));
    assert_eq!(judge.verdicts(&torsioned), [true; 64]);
    for (i, case) in torsioned.iter().enumerate() {
        let mut batch: Vec<Case> = (0..9).map(|tag| Case::honest(&honest, tag)).collect();
        for place in 0..batch.len() {
            let before = std::mem::replace(&mut batch[place], *case);
            let bad = (place + 1 + i) % batch.len();
            assert_eq!(judge.verdicts(&batch), [true; 9]);
            // The search for a culprit beside it uses the same cofactored rule.
            let sound = batch[bad];
            batch[bad] = sound.flip(300);
            let verdicts = judge.verdicts(&batch);
            assert!(
                (0..9).all(|at| verdicts[at] == (at != bad)),
                "{place}, {bad}"
            );
            batch[bad] = sound;
            batch[place] = before;
        }
    }
}

#[test]
fn errors_that_cancel_in_a_plain_sum_are_found() {
    let signer = Signer::new(30, &EdwardsPoint::default());
    let mut judge = Judge::new();
    for gap in [1, 2, 8] {
        let mut cases: Vec<Case> = (0..6).map(|tag| Case::honest(&signer, tag)).collect();
        for (place, delta) in [(1, Scalar::ONE), (1 + gap % 5, -Scalar::ONE)] {
            let (_, s) = cases[place].signature.split_at_mut(32);
            let wrong = Scalar::from_bytes_mod_order((&*s).try_into().expect("32 bytes")) + delta;
            s.copy_from_slice(wrong.as_bytes());
        }
        let verdicts = judge.verdicts(&cases);
        for (place, verdict) in verdicts.into_iter().enumerate() {
            assert_eq!(verdict, place != 1 && place != 1 + gap % 5);
        }
    }
}

/// `count` honest signatures by `count / per_key` keys.
fn honest_cases(count: usize, per_key: usize) -> Vec<Case> {
    let signers: Vec<Signer> = (0..count.div_ceil(per_key))
        .map(|seed| Signer::new(seed as u64, &EdwardsPoint::default()))
        .collect();
    (0..count)
        .map(|tag| Case::honest(&signers[tag % signers.len()], tag))
        .collect()
}

#[test]
fn culprits_are_exact_in_batches_of_every_size() {
    let mut rng = ChaCha12Rng::seed_from_u64(6);
    let mut judge = Judge::new();
    let honest = honest_cases(300, 5);
    for count in 1..=300 {
        let mut cases = honest[..count].to_vec();
        // From one culprit to nothing but culprits, by turns.
        let bad_in_256 = [0, 1, 30, 128, 256][count % 5];
        let mut bad = vec![false; count];
        bad[rng.next_u32() as usize % count] = true;
        for (case, bad) in cases.iter_mut().zip(&mut bad) {
            *bad |= rng.next_u32() % 256 < bad_in_256;
            if *bad {
                *case = case.flip(256 + rng.next_u32() as usize % 512);
            }
        }
        let verdicts = judge.verdicts(&cases);
        for place in 0..count {
            assert_eq!(verdicts[place], !bad[place], "{place} of {count}");
        }
    }
}

#[test]
fn one_culprit_is_found_in_two_equations_per_halving() {
    let mut judge = Judge::new();
    let honest = honest_cases(1000, 50);
    for count in [1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 64, 65, 200, 256, 1000] {
        let most = 2.0 * (count as f64).log2() + 2.0;
        let places: Vec<usize> = if count <= 16 {
            (0..count).collect()
        } else {
            vec![0, 1, count / 3, count / 2, count - 2, count - 1]
        };
        for bad in places {
            let mut cases = honest[..count].to_vec();
            cases[bad] = cases[bad].flip(256);
            let before = judge.equations();
            let verdicts = judge.verdicts(&cases);
            assert!((0..count).all(|place| verdicts[place] == (place != bad)));
            let tried = judge.equations() - before;
            assert!(tried as f64 <= most, "{tried} for place {bad} of {count}");
        }
    }
}

#[test]
fn a_verifier_serves_rings_of_any_size_by_turns() {
    for backend in Backend::all() {
        serve_rings_by_turns(backend);
    }
}

fn serve_rings_by_turns(backend: Backend) {
    let mut verifier = Verifier::new(backend);
    let rings = [40, 1, 7].map(|count| {
        let mut bench = (Verifier::new(backend), KeyRing::new(backend));
        let cases = honest_cases(count, 1);
        bench_verdicts(&mut bench, &cases);
        (bench.1, cases)
    });
    for _ in 0..3 {
        for (ring, cases) in &rings {
            let mut items: Vec<_> = (0..80)
                .map(|i| (i % cases.len(), &cases[i % cases.len()]))
                .map(|(id, case)| (KeyId(id as u32), case.digest, Signature(case.signature)))
                .collect();
            let mut verdicts = Vec::new();
            verifier.verify(ring, &mut items, &mut verdicts);
            assert!(items.is_empty());
            assert!(verdicts.iter().all(Result::is_ok));
        }
    }
    assert_eq!(verifier.counts().batches, 9);
    assert_eq!(verifier.counts().signatures, 9 * 80);
    assert_eq!(verifier.counts().keys, 3 * (40 + 1 + 7));
    assert_eq!(verifier.counts().forged, 0);
}

#[test]
fn more_than_the_largest_batch_is_judged_in_equal_parts() {
    let largest = Verifier::LARGEST_BATCH;
    let mut judge = Judge::new();
    let honest = honest_cases(64, 64);
    let mut cases: Vec<Case> = (0..largest + 1).map(|i| honest[i % 64]).collect();
    cases[largest] = cases[largest].flip(700);
    let verdicts = judge.verdicts(&cases);
    assert!(verdicts[..largest].iter().all(|&valid| valid));
    assert!(!verdicts[largest]);
    for (verifier, _) in &judge.benches {
        assert_eq!(
            (verifier.counts().batches, verifier.counts().forged),
            (2, 1)
        );
    }
    assert_eq!(judge.verdicts(&[]), [false; 0]);
    for (verifier, _) in &judge.benches {
        assert_eq!(verifier.counts().batches, 2);
    }
}

/// A signature of any kind: each part honest, odd or arbitrary.
fn any_case() -> impl Strategy<Value = Case> {
    let torsion = || (0..8usize).prop_map(|i| EIGHT_TORSION[i]);
    let signed = (0..4u64, torsion(), torsion(), 0..1000usize)
        .prop_map(|(seed, a, r, tag)| Signer::new(seed, &a).sign(tag, &r));
    let odd = || prop::option::weighted(0.3, (0..14usize).prop_map(|i| small_order_encodings()[i]));
    let s = prop::option::weighted(0.4, (0..6usize, any::<[u8; 32]>())).prop_map(|odd| {
        odd.map(|(kind, bytes)| match kind {
            0 => [0; 32],
            1 => (-Scalar::ONE).to_bytes(),
            2 => ORDER,
            3 => add(&ORDER, &small(bytes[0])).expect("below 2^256"),
            4 => Scalar::from_bytes_mod_order(bytes).to_bytes(),
            _ => bytes,
        })
    });
    (signed, odd(), odd(), s, any::<[u8; 32]>(), 0..6usize).prop_map(
        |(mut case, key, r, s, bytes, arbitrary)| {
            case.key = key.unwrap_or(case.key);
            if let Some(r) = r {
                case.signature[..32].copy_from_slice(&r);
            }
            if let Some(s) = s {
                case.signature[32..].copy_from_slice(&s);
            }
            match arbitrary {
                0 => case.key = bytes,
                1 => case.signature[..32].copy_from_slice(&bytes),
                _ => {}
            }
            case
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_batch_agrees_with_the_rule_on_anything(
        cases in prop::collection::vec(any_case(), 0..24),
    ) {
        Judge::new().check(&cases);
    }

    #[test]
    fn any_flipped_bit_is_refused_alone_and_among_others(
        tag in 0usize..1000,
        bits in prop::collection::vec(0usize..1024, 1..8),
        place in 0usize..8,
    ) {
        let mut cases = honest_cases(8, 4);
        let case = Case::honest(&Signer::new(70, &EdwardsPoint::default()), tag);
        let mut judge = Judge::new();
        for bit in bits {
            let flipped = case.flip(bit);
            prop_assert!(!flipped.accepted());
            cases[place] = flipped;
            cases.push(case);
            judge.check(&cases);
        }
    }
}
