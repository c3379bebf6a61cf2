//! Which sessions' signatures are verified: the last block and the last checksums decide, which commit
//! to all that is looked at, and a salt that the audit draws, which nobody could know before.

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
    /// This share of them, rounded up; from 0 to 1.
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
        duet_reports::units::parse_count(text).map(SampleSize::Sessions)
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

/// What chooses: `H_sample("seed" ‖ tip ‖ last checksums ‖ salt)`. The tip commits to what was settled,
/// the checksums to every signature.
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

impl SampleSize {
    /// Those of the channels with the smallest `H_sample(seed ‖ channel id)`, by index.
    pub(super) fn choose<'c>(
        self,
        seed: &Digest,
        channels: impl ExactSizeIterator<Item = (u32, &'c Digest)>,
    ) -> Vec<u32> {
        let most = match self {
            SampleSize::All => return channels.map(|(index, _)| index).collect(),
            SampleSize::Sessions(most) => most,
            SampleSize::Share(share) => (channels.len() as f64 * share).ceil() as u64,
        };
        let mut smallest = BTreeSet::new();
        for (index, id) in channels {
            smallest.insert((KEYS.sample.hash(&[seed, id]), index));
            if smallest.len() as u64 > most {
                smallest.pop_last();
            }
        }
        smallest.into_iter().map(|(_, index)| index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_chooses() {
        let ids: Vec<Digest> = (0..100).map(|byte| [byte; 32]).collect();
        let chosen = |size: SampleSize, seed| {
            size.choose(&[seed; 32], (0..).zip(&ids).collect::<Vec<_>>().into_iter())
        };
        for (text, count) in [
            ("0", 0),
            ("7", 7),
            ("1k", 100),
            ("all", 100),
            ("5%", 5),
            ("0.1%", 1),
            ("100%", 100),
            ("0%", 0),
        ] {
            let size: SampleSize = text.parse().unwrap();
            assert_eq!(chosen(size, 1).len(), count, "{text}");
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
        assert_eq!(
            chosen(SampleSize::Sessions(20), 1)[..10],
            chosen(ten, 1)[..]
        );
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
