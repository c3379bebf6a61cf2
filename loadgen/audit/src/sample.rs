//! Which sessions' signatures are verified: a salt decides that the audit draws, which nobody could
//! know before, and, of a log that has ended, the last block and the last checksums, which commit
//! to all that is looked at.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::str::FromStr;

use super::finding::AuditError;
use super::hash::{Digest, KEYS, hex, unhex};

/// How many sessions are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleSize {
    /// Every one.
    All,
    /// So many, or all if there are fewer.
    Sessions(u64),
    /// Each one with this chance, from 0 to 1, and one at least unless that is 0.
    Share(f64),
}

impl FromStr for SampleSize {
    type Err = String;

    fn from_str(text: &str) -> Result<SampleSize, String> {
        if text == "all" {
            return Ok(SampleSize::All);
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.parse::<f64>().ok();
            let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
            return percent
                .map(|percent| SampleSize::Share(percent / 100.0))
                .ok_or_else(|| format!("'{text}' is not a share: expected 0% to 100%"));
        }
        duet_terminal::units::parse_count(text).map(SampleSize::Sessions)
    }
}

impl SampleSize {
    /// Whether no signature is verified.
    pub(super) fn is_none(self) -> bool {
        match self {
            SampleSize::All => false,
            SampleSize::Sessions(count) => count == 0,
            SampleSize::Share(share) => share == 0.0,
        }
    }

    /// Whether it is a part: then something chooses.
    pub(super) fn is_part(self) -> bool {
        self != SampleSize::All && !self.is_none()
    }
}

/// What chooses beside the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Salt {
    /// This audit has drawn it: nobody could know it when the log was written.
    Drawn([u8; 32]),
    /// It was given, to repeat an audit, or by somebody who drew it elsewhere.
    Given([u8; 32]),
    /// Nothing: the log alone chooses, and so could whoever wrote it.
    None,
}

impl Salt {
    pub(super) fn draw() -> Result<Salt, AuditError> {
        random().map(Salt::Drawn)
    }

    /// What is hashed.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Salt::Drawn(salt) | Salt::Given(salt) => salt,
            Salt::None => &[],
        }
    }

    /// As it is given to `--salt`.
    pub(super) fn shown(&self) -> String {
        match self {
            Salt::Drawn(salt) | Salt::Given(salt) => hex(salt),
            Salt::None => "none".to_owned(),
        }
    }

    /// Where it comes from.
    pub(super) fn origin(&self) -> &'static str {
        match self {
            Salt::Drawn(_) => "drawn",
            Salt::Given(_) => "given",
            Salt::None => "none",
        }
    }
}

impl FromStr for Salt {
    type Err = String;

    fn from_str(text: &str) -> Result<Salt, String> {
        if text == "none" {
            return Ok(Salt::None);
        }
        let salt = unhex(text).map(Salt::Given);
        salt.ok_or_else(|| {
            format!("'{text}' is no salt: expected 64 hex digits, lower case, or none")
        })
    }
}

/// 32 bytes that nobody can foresee, from the operating system.
pub(super) fn random() -> Result<[u8; 32], AuditError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        AuditError::machine(Path::new("the system's randomness"))(io::Error::other(error))
    })?;
    Ok(bytes)
}

/// What chooses among the sessions of a log that has ended:
/// `H_sample("seed" ‖ tip ‖ last checksums ‖ salt)`. The tip commits to what was settled, the
/// checksums to every signature.
pub(super) fn seed<'c>(
    tip: &Digest,
    checksums: impl IntoIterator<Item = &'c Digest>,
    salt: Salt,
) -> Digest {
    let mut hasher = KEYS.sample.hasher();
    hasher.update(b"seed").update(tip);
    for checksum in checksums {
        hasher.update(checksum);
    }
    *hasher.update(salt.bytes()).finalize().as_bytes()
}

/// What chooses among the sessions of a log that still grows:
/// `H_sample("seed" ‖ genesis id ‖ salt)`. It is fixed before the first session is opened, so only
/// a salt makes it worth something.
pub(super) fn early_seed(genesis: &Digest, salt: Salt) -> Digest {
    seed(genesis, [], salt)
}

/// Which sessions a pass chooses: two passes with the same rule choose the same ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) size: SampleSize,
    /// What chose beside the log, if anything was left to choose.
    pub(super) salt: Option<Salt>,
}

impl Rule {
    /// None at all.
    pub(super) const NOBODY: Rule = Rule {
        size: SampleSize::Sessions(0),
        salt: None,
    };

    /// Which sessions both choose, if one looks at a part of the log and the other at the rest. Two
    /// samples that differ are not sure to share any.
    pub(super) fn and(self, other: Rule) -> Rule {
        let salt = |of: Rule| of.salt.map(|salt| salt.bytes().to_vec());
        match (self.size, other.size) {
            (SampleSize::All, _) => other,
            (_, SampleSize::All) => self,
            (one, two) if one == two && salt(self) == salt(other) => self,
            _ => Rule::NOBODY,
        }
    }

    /// Whether the log alone chose.
    pub(super) fn is_of_writer(self) -> bool {
        self.salt == Some(Salt::None)
    }
}

/// Chooses among channels while they are opened, one after the other: those with the smallest
/// `H_sample(seed ‖ channel id)`. One that is chosen at the end was chosen ever since it was
/// opened, since it was among the smallest of fewer, too.
pub(super) struct Chooser {
    size: SampleSize,
    seed: Digest,
    smallest: BTreeSet<(Digest, u32)>,
}

impl Chooser {
    pub(super) fn new(size: SampleSize, seed: Digest) -> Chooser {
        Chooser {
            size,
            seed,
            smallest: BTreeSet::new(),
        }
    }

    /// Takes the next channel in; gives the one that is left out for it, which may be itself.
    pub(super) fn take(&mut self, index: u32, id: &Digest) -> Option<u32> {
        if self.size == SampleSize::All {
            return None;
        }
        if self.size.is_none() {
            return Some(index);
        }
        let hash = KEYS.sample.hash(&[&self.seed, id]);
        self.smallest.insert((hash, index));
        let (largest, _) = self.smallest.last()?;
        let count = self.smallest.len() as u64;
        let too_many = match self.size {
            SampleSize::All => false,
            SampleSize::Sessions(most) => count > most,
            SampleSize::Share(share) => count > 1 && fraction(largest) >= share,
        };
        if too_many {
            return self.smallest.pop_last().map(|(_, index)| index);
        }
        None
    }
}

/// Where a digest lies between all zeros, 0, and all ones, just below 1.
fn fraction(digest: &Digest) -> f64 {
    let (first, _) = digest.split_first_chunk::<8>().expect("32 bytes");
    // As many bits as a fraction has.
    (u64::from_be_bytes(*first) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_chooses() {
        let ids: Vec<Digest> = (0..100).map(|byte| [byte; 32]).collect();
        let chosen_of = |size, seed, ids: &[Digest]| {
            let mut chooser = Chooser::new(size, [seed; 32]);
            let mut chosen = BTreeSet::new();
            for (index, id) in (0..).zip(ids) {
                chosen.insert(index);
                if let Some(left_out) = chooser.take(index, id) {
                    assert!(chosen.remove(&left_out));
                }
            }
            chosen
        };
        let chosen = |size, seed| chosen_of(size, seed, &ids);
        for (text, counts) in [
            ("0", 0..=0),
            ("7", 7..=7),
            ("1k", 100..=100),
            ("all", 100..=100),
            ("50%", 30..=70),
            ("0.000001%", 1..=1),
            ("100%", 100..=100),
            ("0%", 0..=0),
        ] {
            let size: SampleSize = text.parse().unwrap();
            for seed in 0..20 {
                let chosen = chosen(size, seed);
                assert!(counts.contains(&chosen.len()), "{text}: {chosen:?}");
                // Those that are chosen at the end were chosen at all times before.
                for opened in 0..ids.len() {
                    let before = chosen_of(size, seed, &ids[..opened]);
                    let among = chosen.iter().filter(|index| (**index as usize) < opened);
                    assert!(
                        among.copied().all(|index| before.contains(&index)),
                        "{text}"
                    );
                }
            }
        }
        let ten = SampleSize::Sessions(10);
        assert_eq!(chosen(ten, 1), chosen(ten, 1));
        assert_ne!(chosen(ten, 1), chosen(ten, 2));
        let seeds = [
            seed(&[1; 32], [&[2; 32]], Salt::None),
            seed(&[2; 32], [&[2; 32]], Salt::None),
            seed(&[1; 32], [&[3; 32]], Salt::None),
            seed(&[1; 32], [&[2; 32], &[2; 32]], Salt::None),
            seed(&[1; 32], [&[2; 32]], Salt::Given([4; 32])),
            seed(&[1; 32], [&[2; 32]], Salt::draw().unwrap()),
            seed(&[1; 32], [&[2; 32]], Salt::draw().unwrap()),
        ];
        for (at, one) in seeds.iter().enumerate() {
            assert!(!seeds[..at].contains(one));
        }
        // A larger sample has the smaller one in it.
        assert!(chosen(SampleSize::Sessions(20), 1).is_superset(&chosen(ten, 1)));
        // Two passes vouch for the sessions that both are sure to have chosen.
        let rule = |size, salt| Rule { size, salt };
        let all = rule(SampleSize::All, None);
        let one = rule(ten, Some(Salt::Drawn([1; 32])));
        let again = rule(ten, Some(Salt::Given([1; 32])));
        let other = rule(ten, Some(Salt::Drawn([2; 32])));
        for (both, size) in [
            (all.and(all), SampleSize::All),
            (all.and(one), ten),
            (one.and(all), ten),
            (one.and(again), ten),
            (one.and(other), Rule::NOBODY.size),
            (Rule::NOBODY.and(all), Rule::NOBODY.size),
        ] {
            assert_eq!(both.size, size);
        }
        for text in ["", "x", "-1", "101%", "%", "NaN%", "1.5"] {
            assert!(text.parse::<SampleSize>().is_err(), "{text}");
        }
        for salt in [Salt::None, Salt::Given([7; 32])] {
            assert_eq!(salt.shown().parse(), Ok(salt));
        }
        for text in ["", "00", "None", &"0".repeat(63), &"A".repeat(64)] {
            assert!(text.parse::<Salt>().is_err(), "{text}");
        }
    }
}
