//! Every intrinsic is an instruction: one that is a function of its own, because its caller was
//! compiled without the processor's features, costs a call for each.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::fs;

use duet_lanes::{ChainJob, Item, Lanes, Signer, Verifier, VerifyingKey, extend_chains};

#[test]
fn no_intrinsic_is_called() {
    link_all();
    let own = fs::read(std::env::current_exe().unwrap()).unwrap();
    let functions = functions(&own);
    assert!(functions.iter().any(|name| name.contains("duet_lanes")));
    let called = functions.iter().filter(|name| {
        // What asks the processor for its features is the standard library's.
        name.contains("core_arch") && !name.contains("xsave") && !name.contains("cpuid")
    });
    assert_eq!(called.collect::<Vec<_>>(), [""; 0]);
}

/// Does something with every kernel, so that all of them are here.
fn link_all() {
    for lanes in Lanes::all() {
        let mut signer = Signer::new(lanes);
        let keys = signer.keys(&[&[7; 32]]);
        let mut signatures = Vec::new();
        signer.sign(
            3,
            |_| (keys[0].expanded(), b"a message"),
            |signature| signatures.push(*signature),
        );
        let known = [VerifyingKey::decode(lanes, keys[0].public()).unwrap()];
        let items = signatures.iter().map(|signature| Item {
            key: 0,
            message: b"a message",
            signature,
        });
        let mut valid = Vec::new();
        Verifier::new(lanes).verify(&known, items, &mut valid);
        assert_eq!(valid, [true; 3], "{lanes:?}");
        let job = ChainJob {
            start: &[1; 32],
            first: 0,
            count: 1,
        };
        let mut heads = 0;
        extend_chains(lanes, &[2; 8], [job], &[[3; 32]], &[0], |_, _| heads += 1);
        assert_eq!(heads, 1);
    }
}

/// The names of the functions in an ELF file of 64 bits (its symbol tables).
fn functions(file: &[u8]) -> Vec<String> {
    let number = |at: usize, bytes: usize| {
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(&file[at..at + bytes]);
        u64::from_le_bytes(word) as usize
    };
    let (headers, size, count) = (number(0x28, 8), number(0x3a, 2), number(0x3c, 2));
    let section = |at: usize| headers + at * size;
    const SYMBOLS: usize = 2;
    const FUNCTION: u8 = 2;
    let mut names = Vec::new();
    for at in (0..count)
        .map(section)
        .filter(|at| number(at + 4, 4) == SYMBOLS)
    {
        let texts = number(section(number(at + 0x28, 4)) + 0x18, 8);
        let (first, bytes) = (number(at + 0x18, 8), number(at + 0x20, 8));
        for symbol in (first..first + bytes).step_by(24) {
            if file[symbol + 4] & 15 == FUNCTION {
                let text = &file[texts + number(symbol, 4)..];
                let end = text.iter().position(|byte| *byte == 0).unwrap();
                names.push(String::from_utf8_lossy(&text[..end]).into_owned());
            }
        }
    }
    names
}
