//! What the model says of cells, before they are run: counts from what each of Duet's transactions
//! takes and which sessions will be attacked, units from the profile, CPU time from two runs of
//! other lengths. All costs are [`cost`]'s. Pure.

use duet_engine::pipeline::{Attack, Struck, struck};
use duet_modelled::cost::{self, Life, payments_made, planned_for};
use duet_modelled::own::{Planted, Resource, Takes};
use duet_modelled::{Deposits, DisputeKind, Exact, Share};
use duet_profile::{Order, Price, Profile, ProfileError};

use super::cells::Cell;

/// State entries, which are a stock and have no price.
pub(super) const PEAK: &str = "peak_state_entries";
/// CPU time.
pub(super) const CPU: &str = "cpu_s";
/// The profile's own unit.
pub(super) const UNITS: &str = "units";
/// Everything that has a ratio, in the order of tables.
pub(super) const RESOURCES: [&str; 8] = [
    "transactions",
    "bytes",
    UNITS,
    "signature_verifications",
    "state_reads",
    "state_writes",
    PEAK,
    CPU,
];

/// The prices of one resource.
#[derive(Clone, Debug)]
struct List {
    name: &'static str,
    /// Where posts show a co-signed state.
    usual: Profile,
    /// Where they show the channel's opening.
    at_opening: Profile,
}

/// What a profile's cells take, but for CPU time.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// The profile's name, and its unit.
    pub(super) profile: String,
    pub(super) unit: String,
    /// Whether transactions bid against each other.
    pub(super) bids: bool,
    lists: Vec<List>,
}

/// What a cell's run will count, known before it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expected {
    /// Payments that will be made.
    pub(super) payments: u64,
    /// Sessions that will end in a dispute.
    pub(super) disputed: u64,
    /// By resource: of one transfer, and of all channels.
    pub(super) counts: Vec<(&'static str, Exact, Exact)>,
}

/// One point of the curve.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    /// Of a payment as a transfer.
    pub(super) direct: f64,
    /// Of the channel, per payment.
    pub(super) channels: f64,
    pub(super) ratio: f64,
}

impl Model {
    /// Of a profile, with these wrong prices.
    ///
    /// # Errors
    /// No run takes the profile.
    pub(super) fn of(profile: &Profile, planted: &[Planted]) -> Result<Model, ProfileError> {
        let limits = profile.limits()?;
        let bids = !matches!(limits.order, Order::Arrival { .. });
        let own = Resource::ALL.map(|resource| {
            let mut takes = Takes::of(resource, bids);
            planted.iter().for_each(|of| of.plant(resource, &mut takes));
            List {
                name: resource.name(),
                usual: takes.list(resource.name(), false),
                at_opening: takes.list(resource.name(), true),
            }
        });
        // A block does not know whether a payout comes after an answer: it takes the dearer.
        let payout = Price {
            units: limits.prices.payout,
            transactions: 1,
        };
        let units = Profile {
            payout: Some(payout),
            payout_after_answer: None,
            ..profile.clone()
        };
        let mut lists = own.to_vec();
        lists.push(List {
            name: UNITS,
            at_opening: units.clone(),
            usual: units,
        });
        Ok(Model {
            profile: limits.name,
            unit: limits.unit,
            bids,
            lists,
        })
    }

    /// What a run of this cell with this seed will count. None but for a profile without a price,
    /// which no run takes.
    pub(super) fn expected(&self, cell: &Cell, sessions: u64, seed: u64) -> Option<Expected> {
        let attacked = attacked(cell, sessions, seed);
        let disputed = attacked.len() as u64;
        let at_opening = attacked.iter().filter(|of| of.old_version == 0).count() as u64;
        let stopped: u64 = attacked.iter().map(|of| of.after_payments).sum();
        let counts = self.lists.iter().map(|list| {
            let of = |list, disputes, sessions| {
                let life = life(disputes, 1);
                Some(cost::channel(list, life).ok()? * Exact::from(sessions))
            };
            let polite = of(&list.usual, Share::of_percent(0), sessions - disputed)?;
            let shown = of(&list.usual, Share::ALL, disputed - at_opening)?;
            let unshown = of(&list.at_opening, Share::ALL, at_opening)?;
            let direct = cost::direct(&list.usual, 1, 1).ok()?;
            Some((list.name, direct, polite + shown + unshown))
        });
        Some(Expected {
            payments: (sessions - disputed) * cell.payments + stopped,
            disputed,
            counts: counts.collect::<Option<_>>()?,
        })
    }

    /// The curve at this cell, on average over seeds; none without a price.
    pub(super) fn point(&self, cell: &Cell, resource: &str, cpu: &Cpu) -> Option<Point> {
        match resource {
            // Two accounts, and the channel beside them: however many payments.
            PEAK => Some(Point {
                direct: 2.0,
                channels: 3.0,
                ratio: 2.0 / 3.0,
            }),
            CPU if cell.open_batch > 1 => None,
            CPU => point(&cpu.list(cell.payments), cell, 1e-9),
            _ => {
                let list = self.lists.iter().find(|list| list.name == resource)?;
                point(&list.usual, cell, 1.0)
            }
        }
    }

    /// The least session of a line that breaks even.
    pub(super) fn break_even(&self, cell: &Cell, resource: &str, cpu: &Cpu) -> Option<u64> {
        let life = life(cell.disputes, cell.open_batch);
        let made = match resource {
            PEAK => None,
            CPU if cell.open_batch > 1 => None,
            CPU => cpu.break_even(life),
            _ => {
                let list = &self.lists.iter().find(|list| list.name == resource)?.usual;
                let channel = cost::channel(list, life).ok()?;
                cost::break_even(list, &channel, 1).ok().flatten()
            }
        }?;
        let mut planned = planned_for(made.max(1), cell.disputes)?;
        // Whole payments are more than the average session has to make.
        let evens = |payments| {
            let cell = Cell { payments, ..*cell };
            let point = self.point(&cell, resource, cpu);
            point.is_some_and(|point| point.ratio >= 1.0)
        };
        while planned > 1 && evens(planned - 1) {
            planned -= 1;
        }
        Some(planned)
    }
}

/// The attacked sessions of a run.
fn attacked(cell: &Cell, sessions: u64, seed: u64) -> Vec<Struck> {
    if cell.disputes.is_none() {
        return Vec::new();
    }
    let shares = [(Attack::StaleClose, cell.disputes.exact().to_f64())];
    let struck = |session| struck(seed, &shares, session, cell.payments);
    (0..sessions).filter_map(struck).collect()
}

/// A one-sided channel's life.
fn life(disputes: Share, open_batch: u64) -> Life {
    Life {
        deposits: Deposits::One,
        open_batch,
        disputes,
        dispute_kind: DisputeKind::Answered,
    }
}

fn point(list: &Profile, cell: &Cell, scale: f64) -> Option<Point> {
    let made = payments_made(cell.payments, cell.disputes);
    let direct = cost::direct(list, 1, 1).ok()?;
    let channel = cost::channel(list, life(cell.disputes, cell.open_batch)).ok()?;
    let channels = channel / made;
    Some(Point {
        ratio: (direct.clone() / channels.clone()).to_f64(),
        direct: direct.to_f64() * scale,
        channels: channels.to_f64() * scale,
    })
    .filter(|point| point.ratio.is_finite())
}

/// CPU time of Layer 1, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cpu {
    /// Of a transfer whose payer's key is known already.
    pub(super) transfer: f64,
    /// Of a key that is new to a block: what joins the signatures of one payer.
    pub(super) key: f64,
    /// Of an open and a cooperative close.
    pub(super) polite: f64,
    /// Of an open, a post, an answer and a payout.
    pub(super) disputed: f64,
}

/// What one of the two runs that CPU time is taken from measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Payments of a session as transfers, and nanoseconds of each.
    pub(super) payments: f64,
    pub(super) transfer: f64,
    /// Sessions without a dispute and with one, and nanoseconds of all.
    pub(super) polite: f64,
    pub(super) disputed: f64,
    pub(super) channels: f64,
}

impl Cpu {
    /// From a run of short sessions without disputes, and one of longer ones with them: a payer's
    /// key costs once, however many signatures it made, and a session as much as its transactions.
    pub(super) fn of(short: &Sample, long: &Sample) -> Cpu {
        let per_key = 1.0 / short.payments - 1.0 / long.payments;
        let key = ((short.transfer - long.transfer) / per_key).max(0.0);
        let polite = short.channels / short.polite;
        let disputes = long.channels - long.polite * polite;
        Cpu {
            transfer: (short.transfer - key / short.payments).max(1.0),
            key,
            polite,
            // No less than what is left of an open's signature.
            disputed: (disputes / long.disputed).max(polite / 4.0),
        }
    }

    /// Of all of these the median, part by part.
    pub(super) fn median(all: &[Cpu]) -> Cpu {
        let of = |part: fn(&Cpu) -> f64| median(all.iter().map(part)).unwrap_or(0.0);
        Cpu {
            transfer: of(|cpu| cpu.transfer),
            key: of(|cpu| cpu.key),
            polite: of(|cpu| cpu.polite),
            disputed: of(|cpu| cpu.disputed),
        }
    }

    /// Nanoseconds of a transfer where each payer makes so many, and of so many channels.
    pub(super) fn expected(&self, payments: u64, polite: u64, disputed: u64) -> (f64, f64) {
        let transfer = self.transfer + self.key / payments as f64;
        let channels = polite as f64 * self.polite + disputed as f64 * self.disputed;
        (transfer, channels)
    }

    /// As prices, whole nanoseconds: an open is a quarter, by its signatures; all of a dispute
    /// stands at its answer.
    fn list(&self, payments: u64) -> Profile {
        let (transfer, _) = self.expected(payments, 0, 0);
        let whole = |value: f64| value.round().max(0.0) as u64;
        let open = whole(self.polite / 4.0);
        Takes {
            transfer: whole(transfer).max(1),
            open,
            batched_open: (open, open),
            close: whole(self.polite).saturating_sub(open).max(1),
            post_at_opening: 0,
            post: 0,
            answer: whole(self.disputed).saturating_sub(open).max(1),
            payout: 0,
        }
        .list("ns", false)
    }

    /// Payments that take as much as a channel: the more of them, the less each.
    fn break_even(&self, life: Life) -> Option<u64> {
        let mut payments = 1;
        loop {
            let list = self.list(payments);
            let channel = cost::channel(&list, life).ok()?;
            let even = cost::break_even(&list, &channel, 1).ok().flatten()?;
            if even <= payments {
                return Some(payments);
            }
            payments = even;
        }
    }
}

/// The middle one, of an even number the upper of the two; none of none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(payments: u64, disputes: &str) -> Cell {
        Cell {
            disputes: Share::parse(disputes).unwrap(),
            open_batch: 1,
            payments,
        }
    }

    fn model(name: &str) -> Model {
        Model::of(&Profile::find(name).unwrap(), &[]).unwrap()
    }

    /// Counts of runs that were made by hand: seed 1, 2,500 sessions of 9 payments, 1 % disputed.
    #[test]
    fn counts_are_known_before_the_run() {
        for (name, bytes, units) in [
            ("duet", 1_214_972, 5_052),
            ("ethereum-60m", 1_295_804, 399_708_640),
            ("bitcoin", 1_295_804, 3_252_128),
            ("cometbft-default", 1_214_972, 1_216_700),
        ] {
            let expected = model(name).expected(&cell(9, "1%"), 2_500, 1).unwrap();
            assert_eq!(expected.disputed, 26);
            let of = |name| {
                let mut counts = expected.counts.iter();
                counts.find(|(of, ..)| *of == name).unwrap().2.whole()
            };
            for (resource, count) in [
                ("transactions", 5_052),
                ("bytes", bytes),
                ("signature_verifications", 10_086),
                ("state_reads", 10_078),
                ("state_writes", 12_578),
                (UNITS, units),
            ] {
                assert_eq!(of(resource), Some(count), "{name} {resource}");
            }
        }
    }

    #[test]
    fn cpu_time_is_told_apart_and_put_together_again() {
        let truth = Cpu {
            transfer: 3_000.0,
            key: 6_000.0,
            polite: 36_000.0,
            disputed: 220_000.0,
        };
        let sample = |payments: f64, polite: f64, disputed: f64| Sample {
            payments,
            transfer: truth.transfer + truth.key / payments,
            polite,
            disputed,
            channels: polite * truth.polite + disputed * truth.disputed,
        };
        let found = Cpu::of(&sample(2.0, 2_500.0, 0.0), &sample(20.0, 2_250.0, 250.0));
        for (found, truth) in [
            (found.transfer, truth.transfer),
            (found.key, truth.key),
            (found.polite, truth.polite),
            (found.disputed, truth.disputed),
        ] {
            assert!((found / truth - 1.0).abs() < 1e-9, "{found} {truth}");
        }
        // 10 × 3,000 + 6,000 are the 36,000 of a channel.
        let even = model("duet").break_even(&cell(1, "0"), CPU, &truth);
        assert_eq!(even, Some(10));
    }

    #[test]
    fn a_line_breaks_even_where_its_ratio_is_one() {
        let cpu = Cpu::default();
        for name in ["duet", "ethereum-60m", "bitcoin"] {
            let model = model(name);
            for (disputes, open_batch) in [("0", 1), ("10%", 1), ("0", 100)] {
                for resource in RESOURCES.into_iter().filter(|of| ![PEAK, CPU].contains(of)) {
                    let at = |payments| Cell {
                        open_batch,
                        ..cell(payments, disputes)
                    };
                    let ratio =
                        |payments| model.point(&at(payments), resource, &cpu).unwrap().ratio;
                    let even = model.break_even(&at(1), resource, &cpu).unwrap();
                    assert!(ratio(even) >= 1.0, "{name} {resource} {even}");
                    assert!(
                        even == 1 || ratio(even - 1) < 1.0,
                        "{name} {resource} {even}"
                    );
                }
            }
        }
    }
}
