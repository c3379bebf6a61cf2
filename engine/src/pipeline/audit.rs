//! Hands what both parties said, and every block, to the audit log, if there is one. Decides
//! nothing: a wave is recorded once its payers have completed it.

use std::sync::atomic::Ordering;

use super::accounts::validator_seeds;
use super::config::Config;
use super::outcome::Outcome;
use super::shard::Shard;
use super::stage::Stage;
use super::waves::Wave;
use super::workload::Workload;
use crate::transcript::{Burst, Closed, Finish, Recorder, Start, Transcript, TranscriptError};
use duet_channels::crypto::{Digest, PublicKey, SecretKey};
use duet_consensus::keys_digest;
use duet_ledger::l1::{Allocations, Chain, Genesis};

/// The keys of those who decide about blocks, if somebody does.
fn validator_keys(config: &Config) -> Option<Vec<PublicKey>> {
    let validators = config.validators.as_ref()?;
    let seeds = validator_seeds(config.seed, validators.count);
    let secrets = SecretKey::from_seeds(config.backend, &seeds);
    Some(secrets.iter().map(SecretKey::public).collect())
}

/// What tells a run's validators from others, if it has some: an auditor of its log takes it.
#[must_use]
pub fn validators_digest(config: &Config) -> Option<Digest> {
    validator_keys(config).map(|keys| keys_digest(&keys))
}

/// A run's audit log, or none.
pub(super) struct AuditLog {
    transcript: Option<Transcript>,
    /// The shards', in order, then Layer 1's.
    recorders: std::vec::IntoIter<Recorder>,
}

impl AuditLog {
    /// Begins the log that the configuration asks for, with what Layer 1 starts from.
    pub(super) fn begin<A: Allocations>(
        config: &Config,
        workload: &dyn Workload,
        chain: &Chain,
        genesis: &Genesis<A>,
    ) -> Result<AuditLog, TranscriptError> {
        let Some(settings) = &config.audit else {
            return Ok(AuditLog::none());
        };
        let keys = validator_keys(config);
        let start = Start {
            genesis: *chain.genesis(),
            shards: config.shards,
            sessions: workload.sessions(),
            cosign_every: config.rules.cosign_every,
            in_flight: config.rules.in_flight,
            validators: (keys.as_ref()).map(|keys| (keys.len() as u16, keys_digest(keys))),
        };
        let (transcript, mut recorders) = Transcript::begin(settings, start, chain.config())?;
        let l1 = recorders.last_mut().expect("Layer 1 has a stream");
        l1.genesis(genesis, chain.config());
        if let Some(keys) = &keys {
            l1.validators(keys);
        }
        Ok(AuditLog {
            transcript: Some(transcript),
            recorders: recorders.into_iter(),
        })
    }

    /// None.
    pub(super) fn none() -> AuditLog {
        AuditLog {
            transcript: None,
            recorders: Vec::new().into_iter(),
        }
    }

    /// The next stream's recorder.
    pub(super) fn recorder(&mut self) -> Option<Recorder> {
        self.recorders.next()
    }

    /// Waits until all is written.
    pub(super) fn close(self) -> Result<ClosedLog, TranscriptError> {
        drop(self.recorders);
        let closed = self.transcript.map(Transcript::close);
        Ok(ClosedLog(closed.transpose()?))
    }
}

/// A run's audit log once nobody records any more, or none.
pub(super) struct ClosedLog(Option<Closed>);

impl ClosedLog {
    /// Says what the log adds up to, and charges what its thread cost.
    pub(super) fn finish(&self, outcome: &mut Outcome) -> Result<(), TranscriptError> {
        let Some(closed) = &self.0 else {
            return Ok(());
        };
        outcome.stages[Stage::Audit as usize].cpu_ns += closed.cpu_ns;
        closed.finish(&Finish {
            tip: *outcome.chain().tip(),
            height: outcome.chain().height(),
            l1_transactions: outcome.l1.transactions,
            sessions_opened: outcome.counts.sessions_opened,
            sessions_closed: outcome.counts.sessions_closed,
            payments: outcome.counts.covered,
        })
    }
}

impl Shard<'_> {
    /// Records the parts of a wave that its payers have completed.
    pub(super) fn record_wave(&mut self, wave: &Wave) {
        let Some(recorder) = &mut self.recorder else {
            return;
        };
        let mut payments = 0;
        let (mut proposals, mut answers) = (wave.proposed(), wave.answered());
        for (slot, payer, before, completed) in wave.completed() {
            // Frames are in the order of the parts; some parts have none.
            let of_slot = |frame: &(u32, _, _)| frame.0 == slot;
            let (Some((_, _, proposals)), Some((_, _, answers))) =
                (proposals.find(of_slot), answers.find(of_slot))
            else {
                unreachable!("what was completed was on the wire")
            };
            let channel = self.slots[slot as usize].channel();
            recorder.burst(&Burst {
                session: channel.session,
                channel: channel.ends[payer].channel(),
                before,
                completed,
                payer,
                proposals,
                answers,
            });
            payments += completed;
        }
        if recorder.is_broken() {
            self.shared.abort.store(true, Ordering::Relaxed);
        }
        self.clock.lap(Stage::Audit, payments as usize);
    }
}
