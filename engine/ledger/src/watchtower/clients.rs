//! What a tower keeps of each client: one settlement proof, and where to find it. From 10,000
//! clients on at most 256 bytes each: proofs grow in steps of 57 kB, and only their index of 5
//! bytes a slot grows by doubling. (It does not shrink: a tower that had a million clients keeps 10
//! MB of it.)

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use duet_channels::protocol::{ChannelId, CoSigned};

/// One channel's newest proof, as far as the tower was told.
#[derive(Clone, Copy)]
struct Client {
    channel: ChannelId,
    proof: CoSigned,
}

// With at most 20 bytes of the index (5 a slot, at least a quarter full after growing), and the
// unfilled part of one chunk, a client takes less than 256.
const _: () = assert!(size_of::<Client>() == 224);

/// Clients in a chunk: 56 kB.
const CHUNK: usize = 256;

/// All clients of a tower.
pub(super) struct Clients {
    chunks: Vec<Box<[Client]>>,
    len: usize,
    index: HashTable<u32>,
    /// Channel ids are hashes, but of what an outsider chose: keyed, so that nobody can aim.
    hasher: RandomState,
}

impl Clients {
    pub(super) fn new() -> Clients {
        Clients {
            chunks: Vec::new(),
            len: 0,
            index: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What they take, slack included.
    pub(super) fn bytes(&self) -> usize {
        let chunks = self.chunks.capacity() * size_of::<Box<[Client]>>();
        let clients = self.chunks.len() * CHUNK * size_of::<Client>();
        size_of::<Clients>() + chunks + clients + self.index.allocation_size()
    }

    pub(super) fn get(&self, channel: &ChannelId) -> Option<&CoSigned> {
        self.place(channel).map(|place| &self.at(place).proof)
    }

    /// Keeps a proof in place of the one before.
    pub(super) fn insert(&mut self, channel: ChannelId, proof: CoSigned) {
        if let Some(place) = self.place(&channel) {
            self.at_mut(place).proof = proof;
            return;
        }
        let client = Client { channel, proof };
        if self.len == self.chunks.len() * CHUNK {
            self.chunks.push(vec![client; CHUNK].into_boxed_slice());
        }
        let place = u32::try_from(self.len).expect("fewer than 2^32 clients");
        *self.at_mut(place) = client;
        self.len += 1;
        let (chunks, hasher) = (&self.chunks, &self.hasher);
        let hash = |place: &u32| hasher.hash_one(at(chunks, *place).channel);
        self.index
            .insert_unique(hasher.hash_one(channel), place, hash);
    }

    /// Forgets a channel; the last client takes its place.
    pub(super) fn remove(&mut self, channel: &ChannelId) {
        let Some(place) = self.unlink(channel) else {
            return;
        };
        let last = self.len as u32 - 1;
        if place != last {
            let moved = *self.at(last);
            self.unlink(&moved.channel);
            *self.at_mut(place) = moved;
            let (chunks, hasher) = (&self.chunks, &self.hasher);
            let hash = |place: &u32| hasher.hash_one(at(chunks, *place).channel);
            self.index
                .insert_unique(hasher.hash_one(moved.channel), place, hash);
        }
        self.len -= 1;
        self.chunks.truncate(self.len.div_ceil(CHUNK));
    }

    fn place(&self, channel: &ChannelId) -> Option<u32> {
        let hash = self.hasher.hash_one(channel);
        self.index
            .find(hash, |place| self.at(*place).channel == *channel)
            .copied()
    }

    /// Takes a channel out of the index.
    fn unlink(&mut self, channel: &ChannelId) -> Option<u32> {
        let hash = self.hasher.hash_one(channel);
        let chunks = &self.chunks;
        let found = self
            .index
            .find_entry(hash, |place| at(chunks, *place).channel == *channel);
        found.ok().map(|entry| entry.remove().0)
    }

    fn at(&self, place: u32) -> &Client {
        at(&self.chunks, place)
    }

    fn at_mut(&mut self, place: u32) -> &mut Client {
        &mut self.chunks[place as usize / CHUNK][place as usize % CHUNK]
    }
}

fn at(chunks: &[Box<[Client]>], place: u32) -> &Client {
    &chunks[place as usize / CHUNK][place as usize % CHUNK]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use duet_channels::crypto::{Digest, Signature};
    use duet_channels::protocol::{Amount, Entry, Pair, Party};

    fn channel(number: u64) -> ChannelId {
        let mut id = [7; 32];
        id[..8].copy_from_slice(&number.to_le_bytes());
        ChannelId(Digest(id))
    }

    fn proof(version: u64) -> CoSigned {
        let entry = Entry {
            version,
            amount: Amount::new(1),
            balance_a: Amount::new(1),
            payer: Party::A,
            tag: 0,
        };
        CoSigned {
            previous: Digest([1; 32]),
            entry: entry.encode(),
            signatures: Pair {
                a: Signature([2; 64]),
                b: Signature([3; 64]),
            },
        }
    }

    #[test]
    fn clients_come_and_go_as_in_a_map() {
        let mut clients = Clients::new();
        let mut model: HashMap<u64, u64> = HashMap::new();
        let mut mixed: u64 = 1;
        for _ in 0..20_000 {
            mixed = mixed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (number, version) = ((mixed >> 33) % 700, mixed >> 50);
            if mixed >> 63 == 0 {
                clients.insert(channel(number), proof(version));
                model.insert(number, version);
            } else {
                clients.remove(&channel(number));
                model.remove(&number);
            }
            assert_eq!(clients.len(), model.len());
        }
        for number in 0..700 {
            let found = clients.get(&channel(number)).map(CoSigned::version);
            assert_eq!(found, model.get(&number).copied());
        }
    }

    #[test]
    fn a_client_takes_at_most_256_bytes() {
        let mut clients = Clients::new();
        for number in 0..1_000_000 {
            clients.insert(channel(number), proof(number));
            let len = clients.len();
            if len >= 10_000 && len.is_multiple_of(1_000) {
                let bytes = clients.bytes();
                assert!(bytes <= 256 * len, "{bytes} bytes for {len} clients");
            }
        }
    }
}
