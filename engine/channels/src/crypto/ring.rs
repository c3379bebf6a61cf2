//! Public keys that were checked and decompressed, once each. Memory is what this file is about: a
//! Layer 1 and its channels' endpoints hold two million of them.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use duet_lanes::{Lanes, VerifyingKey};

use super::backend::Backend;
use super::keys::{KeyError, PublicKey};
use duet_base::chunks::Chunks;
use duet_base::index::PlaceIndex;

/// A checked key's place in its [`KeyRing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub(super) u32);

impl KeyId {
    /// Its key's place in the ring: how many came before it.
    #[must_use]
    pub const fn place(self) -> u32 {
        self.0
    }
}

/// Public keys that were checked and decompressed, once each: in lanes 64 bytes a key and 6 to 12
/// to find it by; by the library 192 and as much.
///
/// Torsion is not tested for: under the cofactored equation it cannot change a verdict.
pub struct KeyRing {
    points: Points,
    /// None where keys are known by their places.
    index: Option<PlaceIndex>,
}

/// The keys as the back end takes them.
pub(super) enum Points {
    Dalek(Chunks<DalekKey>),
    Lanes(Lanes, Chunks<VerifyingKey>),
}

/// A key, and its point as the library takes it.
pub(super) struct DalekKey {
    pub(super) key: PublicKey,
    pub(super) point: EdwardsPoint,
}

/// Keys that are decoded together: two groups of lanes.
const TOGETHER: usize = 16;

impl KeyRing {
    /// A ring without keys, for verifiers of this back end.
    #[must_use]
    pub fn new(backend: Backend) -> KeyRing {
        KeyRing {
            points: match backend {
                Backend::Dalek => Points::Dalek(Chunks::default()),
                Backend::Lanes(lanes) => Points::Lanes(lanes, Chunks::default()),
            },
            index: Some(PlaceIndex::default()),
        }
    }

    /// A ring that finds no key, whose keys are known by their places, and saves what finding
    /// takes.
    pub(super) fn of_places(backend: Backend) -> KeyRing {
        KeyRing {
            index: None,
            ..KeyRing::new(backend)
        }
    }

    /// Keeps a key that was made here, under the next place.
    pub(super) fn push_made(&mut self, key: &VerifyingKey) {
        assert!(self.index.is_none(), "keys are known by their places");
        match &mut self.points {
            Points::Dalek(_) => unreachable!("the library's keys have points of their own"),
            Points::Lanes(_, points) => points.push(*key),
        };
    }

    /// Checks a key and keeps it; the same key again gives the same id without further work.
    ///
    /// # Errors
    /// A [`KeyError`] that names the key.
    ///
    /// # Panics
    /// After 2^32 keys.
    pub fn insert(&mut self, key: PublicKey) -> Result<KeyId, KeyError> {
        match self.find(&key) {
            Some(id) => Ok(id),
            None => {
                let mut taken = None;
                self.take(&[key], |outcome| taken = Some(outcome));
                taken.expect("one outcome for one key")
            }
        }
    }

    /// Checks keys and keeps them, exactly as [`KeyRing::insert`] would one after the other, at a
    /// sixth of the price in lanes.
    ///
    /// # Panics
    /// After 2^32 keys.
    pub fn insert_many(&mut self, keys: &[PublicKey]) -> Vec<Result<KeyId, KeyError>> {
        let mut ids = Vec::with_capacity(keys.len());
        let mut news = News::default();
        for key in keys {
            match self.find(key) {
                Some(id) => ids.push(Ok(id)),
                None => {
                    let which = news.place(key);
                    news.waiting.push((ids.len(), which));
                    // Until it is known.
                    ids.push(Err(KeyError::NotAPoint(*key)));
                }
            }
        }
        let News { keys, waiting, .. } = news;
        let mut outcomes = Vec::with_capacity(keys.len());
        self.take(&keys, |outcome| outcomes.push(outcome));
        for (at, which) in waiting {
            ids[at] = outcomes[which as usize];
        }
        ids
    }

    /// Checks keys that are new, and different, and keeps those that are sound.
    fn take(&mut self, news: &[PublicKey], mut each: impl FnMut(Result<KeyId, KeyError>)) {
        let KeyRing { points, index } = self;
        match points {
            Points::Dalek(points) => {
                for &key in news {
                    let point = CompressedEdwardsY(key.0).decompress();
                    let checked = key.check(point.as_ref().map(EdwardsPoint::is_small_order));
                    each(checked.map(|()| {
                        let point = point.expect("a sound key is a point");
                        let place = points.push(DalekKey { key, point });
                        if let Some(index) = index {
                            index.insert(place, |place| &points[place as usize].key.0);
                        }
                        KeyId(place)
                    }));
                }
            }
            Points::Lanes(lanes, points) => {
                let mut encodings = [[0; 32]; TOGETHER];
                for news in news.chunks(TOGETHER) {
                    for (encoding, key) in encodings.iter_mut().zip(news) {
                        *encoding = key.0;
                    }
                    let mut keys = news.iter();
                    VerifyingKey::decode_many(*lanes, &encodings[..news.len()], |point| {
                        let key = keys.next().expect("as many as there were");
                        let checked = key.check(point.as_ref().map(VerifyingKey::is_small_order));
                        each(checked.map(|()| {
                            let place = points.push(point.expect("a sound key is a point"));
                            if let Some(index) = index.as_mut() {
                                index.insert(place, |place| points[place as usize].bytes());
                            }
                            KeyId(place)
                        }));
                    });
                }
            }
        }
    }

    /// The id of a place in the order of keys, if there are as many.
    #[must_use]
    pub fn id(&self, place: u32) -> Option<KeyId> {
        ((place as usize) < self.len()).then_some(KeyId(place))
    }

    /// The id of a key, if the ring has it.
    #[must_use]
    pub fn find(&self, key: &PublicKey) -> Option<KeyId> {
        let index = self.index.as_ref()?;
        let place = match &self.points {
            Points::Dalek(points) => index.find(&key.0, |place| &points[place as usize].key.0),
            Points::Lanes(_, points) => index.find(&key.0, |place| points[place as usize].bytes()),
        };
        place.map(KeyId)
    }

    /// The key behind an id of this ring.
    ///
    /// # Panics
    /// If the ring has no key of this id.
    #[must_use]
    pub fn key(&self, id: KeyId) -> PublicKey {
        PublicKey(*self.encoding(id.0 as usize))
    }

    pub(super) fn encoding(&self, at: usize) -> &[u8; 32] {
        match &self.points {
            Points::Dalek(points) => &points[at].key.0,
            Points::Lanes(_, points) => points[at].bytes(),
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.points {
            Points::Dalek(points) => points.len(),
            Points::Lanes(_, points) => points.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets every key, and keeps the memory for others. Ids given out so far mean nothing any
    /// more.
    pub fn clear(&mut self) {
        match &mut self.points {
            Points::Dalek(points) => points.clear(),
            Points::Lanes(_, points) => points.clear(),
        }
        if let Some(index) = &mut self.index {
            index.clear();
        }
    }

    pub(super) fn points(&self) -> &Points {
        &self.points
    }

    /// Takes in a key of small order too.
    #[cfg(test)]
    pub(super) fn insert_unchecked(&mut self, key: PublicKey) -> Option<KeyId> {
        let place = match &mut self.points {
            Points::Dalek(points) => {
                let point = CompressedEdwardsY(key.0).decompress()?;
                points.push(DalekKey { key, point })
            }
            Points::Lanes(lanes, points) => points.push(VerifyingKey::decode(*lanes, &key.0)?),
        };
        Some(KeyId(place))
    }
}

/// Keys that are to be taken in together.
#[derive(Default)]
struct News {
    /// Distinct, and in no ring.
    keys: Vec<PublicKey>,
    index: PlaceIndex,
    /// Which outcomes wait for which of the keys.
    waiting: Vec<(usize, u32)>,
}

impl News {
    /// A key's place among these.
    fn place(&mut self, key: &PublicKey) -> u32 {
        let News { keys, index, .. } = self;
        let found = index.find(&key.0, |place| &keys[place as usize].0);
        found.unwrap_or_else(|| {
            let place = keys.len() as u32;
            keys.push(*key);
            index.insert(place, |place| &keys[place as usize].0);
            place
        })
    }
}
