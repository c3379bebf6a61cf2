use sha2::{Digest, Sha512};

use super::*;
use crate::kernel::sha512::{hash_any, hash_short};

fn bytes<V: Vector>(hash: &[V; 8]) -> [Vec<u8>; 8] {
    lanes_of(hash).map(|words| words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

on_all! {
    fn short_messages<M>(machine) {
        let mut rng = rng(1);
        for _ in 0..times(50) {
            let rows: [[[u8; 32]; 3]; 8] = std::array::from_fn(|_| std::array::from_fn(|_| random_bytes(&mut rng)));
            let column = |at: usize| machine.load_32(rows.each_ref().map(|row| &row[at]));
            let (a, b, m) = (column(0), column(1), column(2));
            let both = [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]];
            let hashes = [hash_short(machine, &[], &m), hash_short(machine, &a, &m), hash_short(machine, &both, &m)];
            for (heads, hash) in hashes.iter().enumerate() {
                for (row, hash) in rows.iter().zip(bytes(hash)) {
                    let mut hasher = Sha512::new();
                    row[..heads].iter().for_each(|head| hasher.update(head));
                    hasher.update(row[2]);
                    assert_eq!(hash, hasher.finalize().to_vec());
                }
            }
        }
    }

    fn messages_of_any_length_beside_each_other<M>(machine) {
        let mut rng = rng(2);
        let text: [u8; 1000] = random_bytes(&mut rng);
        let lengths = (0..times(300)).chain([511, 512, 513, 999, 1000]);
        let lengths: Vec<usize> = lengths.collect();
        for at in 0..lengths.len() {
            let messages: [&[u8]; 8] = std::array::from_fn(|lane| {
                &text[..lengths[(at + lane * 37) % lengths.len()]]
            });
            for head in [0, 32, 64] {
                let heads: [&[u8]; 8] = std::array::from_fn(|lane| &text[lane..lane + head]);
                let hashes = bytes(&hash_any(machine, heads, messages));
                for lane in 0..8 {
                    let hash = Sha512::new().chain_update(heads[lane]).chain_update(messages[lane]);
                    assert_eq!(hashes[lane], hash.finalize().to_vec());
                }
            }
        }
    }
}
