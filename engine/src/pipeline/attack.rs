//! Who cheats in a run, how and when: a pure function of the seed and the session.

use std::str::FromStr;

use duet_channels::crypto::{Domain, Hasher};
use duet_channels::protocol::CoSigned;
use strum::{IntoStaticStr, VariantArray};

/// What a dishonest party of a channel does, once it has been honest for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Attack {
    /// It posts an old state, in which it had more.
    StaleClose,
    /// It stops answering.
    Silent,
    /// It withholds its last co-signature, lets the other party close with the state before, and
    /// then posts the state that it withheld, to have the other party punished.
    HalfSigned,
    /// It posts an old state with a made-up offer of a huge version, so as to look covered.
    FakeOffer,
    /// It posts an old state, and submits every transaction of the dispute again and again.
    Replay,
    /// It signs two different states at one version, and offers the one that pays less.
    Equivocate,
    /// It sends a payment with a signature that does not verify, in the midst of a batch.
    BadSignature,
    /// It posts an old state, and a newer one, old too, in the window's last block; answers are
    /// held back as long as the delay allows.
    LastBlock,
    /// Both parties post old states, and then one of them the newest, in the window's last block:
    /// both are proven stale.
    BothMalicious,
}

impl Attack {
    /// All of them.
    pub const ALL: [Attack; Attack::VARIANTS.len()] =
        *Attack::VARIANTS.as_array().expect("its length");

    /// Its name on the command line and in run files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A name that is no attack's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown attack `{}`, expected one of {}", .0, Attack::ALL.map(Attack::name).join(", "))]
pub struct UnknownAttack(pub String);

impl FromStr for Attack {
    type Err = UnknownAttack;

    fn from_str(name: &str) -> Result<Attack, UnknownAttack> {
        let found = Attack::ALL.into_iter().find(|attack| attack.name() == name);
        found.ok_or_else(|| UnknownAttack(name.to_owned()))
    }
}

/// Which sessions are attacked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attacks {
    seed: u64,
    /// Each attack, and the share of sessions up to which it reaches.
    upto: Vec<(f64, Attack)>,
}

/// A session's attack, and what the cheaters keep for it.
///
/// Which states they keep follows from the seed and the session alone: the session pauses after so
/// many payments, whatever else happens on its shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cheat {
    pub(super) attack: Attack,
    /// Payments after which the session pauses, rising: for an old state, for a less old one, and
    /// for the attack; the last is at least 1 and at most all.
    pauses: [u64; 3],
    /// The old states; none is the opening.
    states: [Option<CoSigned>; 2],
    /// Pauses that have passed.
    passed: usize,
    /// What its last proposal would have paid, had its signature verified.
    pub(super) poisoned_units: u64,
    /// How many payments those were.
    pub(super) poisoned_payments: u64,
}

impl Attacks {
    /// `shares`: of all sessions, in sum at most 1.
    pub(super) fn new(seed: u64, shares: &[(Attack, f64)]) -> Attacks {
        let mut sum = 0.0;
        let upto = shares.iter().map(|&(attack, share)| {
            sum += share;
            (sum, attack)
        });
        Attacks {
            seed,
            upto: upto.collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.upto.is_empty()
    }

    /// What happens to a session of so many payments.
    pub(super) fn on(&self, session: u64, payments: u64) -> Option<Cheat> {
        if self.upto.is_empty() || payments == 0 {
            return None;
        }
        let [which, when, old, less_old] = draw(self.seed, b"benchmark attack", session, 0);
        let at = which as f64 / 2_f64.powi(64);
        let (_, attack) = self.upto.iter().find(|(upto, _)| at < *upto)?;
        let last = 1 + when % payments;
        let old = old % last;
        let less_old = match attack {
            // Its last state is of one payment.
            Attack::BadSignature => last - 1,
            _ => old + less_old % (last - old),
        };
        Some(Cheat {
            attack: *attack,
            pauses: [old.min(less_old), less_old, last],
            states: [None; 2],
            passed: 0,
            poisoned_units: 0,
            poisoned_payments: 0,
        })
    }
}

/// What will happen to an attacked session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struck {
    /// How it is attacked.
    pub attack: Attack,
    /// Payments that it makes before.
    pub after_payments: u64,
    /// Payments in the oldest state that the cheaters keep; 0 is the channel's opening.
    pub old_version: u64,
}

/// What will happen to a session of so many payments in a run of this seed with these attacks, if
/// it is attacked: known without the run.
#[must_use]
pub fn struck(seed: u64, shares: &[(Attack, f64)], session: u64, payments: u64) -> Option<Struck> {
    let cheat = Attacks::new(seed, shares).on(session, payments)?;
    let [old_version, _, after_payments] = cheat.pauses;
    Some(Struck {
        attack: cheat.attack,
        after_payments,
        old_version,
    })
}

impl Cheat {
    /// Payments after which the attack begins.
    pub(super) fn after_payments(&self) -> u64 {
        self.pauses[2]
    }

    /// The session has come to a pause, with this as its newest state; gives the next one.
    pub(super) fn pause(&mut self, payments: u64, held: Option<CoSigned>) -> u64 {
        while self.passed < 2 && self.pauses[self.passed] <= payments {
            self.states[self.passed] = held;
            self.passed += 1;
        }
        self.pauses[self.passed]
    }

    /// The oldest state that the cheaters keep.
    pub(super) fn old(&self) -> Option<&CoSigned> {
        self.states[0].as_ref()
    }

    /// One that is newer, or the same, and not the newest.
    pub(super) fn less_old(&self) -> Option<&CoSigned> {
        self.states[1].as_ref()
    }
}

/// Four random numbers that follow from the run's seed and a place.
pub(super) fn draw(seed: u64, what: &[u8], session: u64, place: u64) -> [u64; 4] {
    let mut hasher = Hasher::new(Domain::Genesis);
    hasher
        .update(what)
        .update(&seed.to_le_bytes())
        .update(&session.to_le_bytes())
        .update(&place.to_le_bytes());
    let bytes = hasher.finish().0;
    std::array::from_fn(|at| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[8 * at..8 * at + 8]);
        u64::from_le_bytes(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attacks_strike_their_share_of_sessions_at_any_time() {
        let attacks = Attacks::new(3, &[(Attack::Silent, 0.05), (Attack::Replay, 0.2)]);
        let (mut silent, mut replay, mut late) = (0, 0, 0);
        for session in 0..20_000 {
            let Some(cheat) = attacks.on(session, 10) else {
                continue;
            };
            let [old, less_old, last] = cheat.pauses;
            assert!(old <= less_old && less_old < last && (1..=10).contains(&last));
            silent += u32::from(cheat.attack == Attack::Silent);
            replay += u32::from(cheat.attack == Attack::Replay);
            late += u32::from(last > 5);
        }
        assert!((900..1100).contains(&silent), "{silent}");
        assert!((3800..4200).contains(&replay), "{replay}");
        assert!((2300..2700).contains(&late), "{late}");
    }

    #[test]
    fn names_read_back() {
        for attack in Attack::ALL {
            assert_eq!(attack.name().parse(), Ok(attack));
        }
        let error = "stale".parse::<Attack>().unwrap_err().to_string();
        assert!(error.starts_with("unknown attack `stale`, expected one of stale-close,"));
    }
}
