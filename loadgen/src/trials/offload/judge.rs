//! Holds runs to the model: every count has to be equal, and CPU time near. Pure.

use duet_engine::l1::Header;
use duet_modelled::Exact;
use duet_run_file::run_file::{L1Load, RunFile};
use duet_terminal::human;

use super::model::{CPU, Cpu, Expected, PEAK, Sample, UNITS, median};

/// A cell's run, and what was expected of it.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) run: RunFile,
    pub(super) expected: Expected,
    /// Payments of each session, and sessions at once.
    pub(super) payments: u64,
    pub(super) at_once: u64,
}

/// What a run counted of one resource, in all: of its transfers, and of its channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Counted {
    pub(super) direct: f64,
    pub(super) channels: f64,
}

impl Made {
    /// Why it proves nothing, if so.
    pub(super) fn invalid(&self) -> Option<String> {
        let achieved = &self.run.achieved;
        match achieved.valid {
            true => None,
            false => Some(achieved.invalid_reasons.join("; ")),
        }
    }

    /// Payments as transfers.
    fn direct_payments(&self) -> u64 {
        self.run
            .l1
            .direct
            .as_ref()
            .map_or(0, |direct| direct.payments)
    }

    /// What it counted; none without a baseline or without a clock.
    pub(super) fn counted(&self, resource: &str) -> Option<Counted> {
        let direct = &self.run.l1.direct.as_ref()?.load;
        let channels = &self.run.l1.channels;
        if resource == UNITS {
            let chain = self.run.l1.chain.as_ref()?;
            return Some(Counted {
                direct: chain.direct_units? as f64,
                channels: chain.units as f64,
            });
        }
        let of = |load: &L1Load| match resource {
            "transactions" => load.transactions as f64,
            // Headers are the blocks', and come with time.
            "bytes" => load
                .bytes
                .saturating_sub(load.blocks * Header::BYTES as u64) as f64,
            "signature_verifications" => load.signature_verifications as f64,
            "state_reads" => load.state_reads as f64,
            "state_writes" => load.state_writes as f64,
            PEAK => load.peak_state_entries as f64,
            _ => load.cpu_s,
        };
        Some(Counted {
            direct: of(direct),
            channels: of(channels),
        })
    }

    /// Per payment, but for state entries: of a transfer, of the channels.
    pub(super) fn per_payment(&self, resource: &str) -> Option<(f64, f64)> {
        let counted = self.counted(resource)?;
        if resource == PEAK {
            return Some((counted.direct, counted.channels));
        }
        let per = |count: f64, payments: u64| count / payments as f64;
        Some((
            per(counted.direct, self.direct_payments()),
            per(counted.channels, self.run.achieved.payments),
        ))
    }

    /// What its counts are, and should be, of what differs: by resource.
    pub(super) fn differs(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut equal = |resource, what: &str, got: Option<f64>, expected: Exact| {
            let got = got.unwrap_or(f64::NAN);
            if got != expected.to_f64() {
                found.push((
                    resource,
                    format!("{what} {got}, expected {}", expected.to_f64()),
                ));
            }
        };
        let disputes = self.run.disputes.as_ref();
        let disputes = disputes.map_or((0, 0), |of| (of.closes, of.answers));
        for (what, got, expected) in [
            (
                "payments",
                self.run.achieved.payments,
                self.expected.payments,
            ),
            ("disputes", disputes.0, self.expected.disputed),
            ("answers", disputes.1, self.expected.disputed),
        ] {
            equal("", what, Some(got as f64), Exact::from(expected));
        }
        for (resource, transfer, channels) in &self.expected.counts {
            let counted = self.counted(resource);
            let all = transfer.clone() * Exact::from(self.direct_payments());
            let of_direct = format!("{resource} of transfers");
            equal(resource, &of_direct, counted.map(|of| of.direct), all);
            let of_channels = format!("{resource} of channels");
            let got = counted.map(|of| of.channels);
            equal(resource, &of_channels, got, channels.clone());
        }
        found.extend(self.peak_differs());
        found
    }

    /// Accounts of both parties, and the channels that are open at once. One that is disputed is
    /// still there when the next session of its parties begins.
    fn peak_differs(&self) -> Option<(&'static str, String)> {
        let counted = self.counted(PEAK);
        let counted = counted.map_or([f64::NAN; 2], |of| [of.direct, of.channels]);
        let accounts = 2 * self.at_once;
        let least = accounts + self.at_once;
        let most = least + self.expected.disputed;
        let is =
            counted[0] == accounts as f64 && (least as f64..=most as f64).contains(&counted[1]);
        (!is).then(|| {
            let [direct, channels] = counted;
            let text = format!(
                "{PEAK} {direct} and {channels}, expected {accounts}, and {least} to {most}"
            );
            (PEAK, text)
        })
    }
}

/// How it begins where CPU time alone is off.
pub(super) const CPU_OFF: &str = "CPU time is off: ";

/// How far CPU time is from the model's in the median of a cell's runs, if that is too far.
pub(super) fn cpu_differs(all: &[Made], cpu: &Cpu, within: f64) -> Option<String> {
    let off = |of: &dyn Fn(&Made) -> Option<(f64, f64)>| {
        let all = all.iter().filter_map(of);
        median(all.map(|(got, expected)| got / expected))
    };
    let direct = off(&|made| Some((made.per_payment(CPU)?.0, made.expected_cpu(cpu).0)));
    let channels = off(&|made| Some((made.counted(CPU)?.channels, made.expected_cpu(cpu).1)));
    let far: Vec<String> = [("transfers", direct), ("channels", channels)]
        .into_iter()
        .filter_map(|(what, off)| Some((what, off?)))
        .filter(|(_, off)| (off - 1.0).abs() > within)
        .map(|(what, off)| format!("that of {what} is {} times the model's", human::figure(off)))
        .collect();
    (!far.is_empty()).then(|| {
        format!(
            "{CPU_OFF}{}; expected within {}",
            far.join(", "),
            human::share(within)
        )
    })
}

impl Made {
    /// Seconds of a transfer, and of all channels.
    fn expected_cpu(&self, cpu: &Cpu) -> (f64, f64) {
        let disputed = self.expected.disputed;
        let polite = self.run.achieved.sessions_opened.saturating_sub(disputed);
        let (transfer, channels) = cpu.expected(self.payments, polite, disputed);
        (transfer / 1e9, channels / 1e9)
    }

    /// What it says of CPU time, if it is one that this is taken from.
    pub(super) fn sample(&self) -> Option<Sample> {
        let (transfer, _) = self.per_payment(CPU)?;
        let direct = self.run.l1.direct.as_ref()?;
        let disputed = self.expected.disputed;
        Some(Sample {
            payments: direct.payments as f64 / direct.sampled_sessions as f64,
            transfer: transfer * 1e9,
            polite: self.run.achieved.sessions_opened.saturating_sub(disputed) as f64,
            disputed: disputed as f64,
            channels: self.counted(CPU)?.channels * 1e9,
        })
    }
}
