//! Which validators are faulty, and how.

use std::fmt;

/// How a validator is faulty.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumString,
    strum::VariantNames,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Fault {
    /// Says nothing.
    Silent,
    /// All that it says leaves a second late, which is a proposal's timeout.
    Slow,
    /// Leaves answers to posts out of the blocks that it proposes.
    Censor,
    /// Offers one block to one half of the others and another one to the other half, and votes for
    /// both.
    Equivocate,
    /// Proposes blocks that break a rule.
    InvalidBlock,
    /// Votes in the names of all others, too.
    ForgedVotes,
    /// Gives the blocks that it proposes to one half of the others only.
    Withhold,
}

/// How many validators have each fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<(Fault, u16)>);

/// More faulty validators than there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{faulty} of {validators} validators cannot be faulty")]
pub struct TooManyFaults {
    /// How many shall be faulty.
    pub faulty: u64,
    /// Of how many.
    pub validators: u16,
}

impl Faults {
    /// So many of each, of so many validators.
    ///
    /// # Errors
    /// If those are more than there are.
    pub fn new(each: Vec<(Fault, u16)>, validators: u16) -> Result<Faults, TooManyFaults> {
        let faulty = each.iter().map(|(_, count)| u64::from(*count)).sum();
        match faulty <= u64::from(validators) {
            true => Ok(Faults(each)),
            false => Err(TooManyFaults { faulty, validators }),
        }
    }

    /// How many validators are faulty.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// How many have this fault.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u16 {
        let of_kind = self.0.iter().filter(|(kind, _)| *kind == fault);
        of_kind.map(|(_, count)| count).sum()
    }

    /// Whether a block may be offered that is valid and not what all others would offer.
    #[must_use]
    pub fn offer_others(&self) -> bool {
        self.of(Fault::Censor) + self.of(Fault::Equivocate) > 0
    }

    /// Each validator's fault. The faulty are spread evenly, from the first on, so that as few as
    /// possible have their turns in a row.
    pub(super) fn by_place(&self, validators: u16) -> Vec<Option<Fault>> {
        let mut places = vec![None; usize::from(validators)];
        let count = usize::from(self.count());
        let kinds = self.0.iter();
        let kinds = kinds.flat_map(|(kind, count)| vec![*kind; usize::from(*count)]);
        for (at, kind) in kinds.enumerate() {
            places[at * usize::from(validators) / count] = Some(kind);
        }
        places
    }
}

/// As the command line has them: `silent=1,censor=2`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kind, count)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{}={count}", <&str>::from(kind))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_faulty_are_spread() {
        let faults = Faults::new(vec![(Fault::Silent, 2), (Fault::Censor, 1)], 9).unwrap();
        let places = faults.by_place(9);
        let at = |place: usize| places[place];
        assert_eq!(
            [at(0), at(3), at(6)],
            [
                Some(Fault::Silent),
                Some(Fault::Silent),
                Some(Fault::Censor)
            ]
        );
        assert_eq!(places.iter().flatten().count(), 3);
        assert_eq!(faults.to_string(), "silent=2,censor=1");
    }

    #[test]
    fn no_more_are_faulty_than_there_are() {
        let most = vec![(Fault::Silent, u16::MAX), (Fault::Slow, 2)];
        let refused = TooManyFaults {
            faulty: 65_537,
            validators: 4,
        };
        assert_eq!(Faults::new(most, 4), Err(refused));
        assert!(Faults::new(vec![(Fault::Slow, 4)], 4).is_ok());
    }
}
