//! After a restart every link is broken: the two ends of each channel tell each other how far they
//! had come, and send again what the other may have missed. Many channels at once, before any
//! payment.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::beginning::Before;
use super::error::RestoreError;
use super::error::RunError;
use super::shard::Shard;
use super::slot::{Channel, SlotState};
use super::stage::Stage;
use super::waves::Finals;
use super::waves::Wave;
use duet_channels::crypto::{Digest, SignJob, Signature, VerifierCounts};
use duet_channels::protocol::{Answer, Message, Party, Rejection};
use duet_log::LogError;

/// Channels at a time: a batch for the verifiers, and no more memory than a wave takes.
const CHANNELS: usize = 2048;

/// Signatures by who made them, over what.
type OwnSignatures = HashMap<(Party, Digest), Signature>;

/// What the ends of some channels send again.
#[derive(Default)]
struct Resent {
    /// Proposals that were never answered.
    proposals: Wave,
    /// Answers that did not arrive.
    answers: Wave,
    /// Finals that were never answered, and answers to finals that did not arrive.
    finals: Finals,
    final_answers: Finals,
}

impl Shard<'_> {
    /// Brings all links of the shard's channels up again.
    ///
    /// # Errors
    /// If the log cannot be written, or a channel's two ends do not fit together.
    pub(super) fn reconnect(&mut self) -> Result<(), RunError> {
        let mut first = 0;
        while first < self.slots.len() {
            let end = self.slots.len().min(first + CHANNELS);
            self.reconnect_some(first as u32..end as u32)?;
            first = end;
        }
        Ok(())
    }

    fn reconnect_some(&mut self, slots: std::ops::Range<u32>) -> Result<(), RunError> {
        let signatures = self.own_signatures(slots.clone());
        let sign = |party, digest: &Digest| signatures[&(party, *digest)];
        let mut resent = Resent::default();
        for slot in slots.clone() {
            let SlotState::Running(channel) = &mut self.slots[slot as usize].state else {
                continue;
            };
            let apart = |channel: &Channel, rejection| RestoreError::Apart {
                channel: *channel.ends.a.channel(),
                rejection,
            };
            let met = meet(channel, sign).map_err(|rejection| apart(channel, rejection))?;
            for (to, bytes) in met {
                let resent = sort(channel, slot, to, &bytes, &mut resent);
                self.tally.counts.resent +=
                    resent.map_err(|rejection| apart(channel, rejection))?;
            }
        }
        self.clock.lap(Stage::Transact, 0);
        self.hear(&mut resent)?;
        for slot in slots {
            if let SlotState::Running(_) = self.slots[slot as usize].state {
                self.start(slot);
            }
        }
        self.clock.lap(Stage::Transact, 0);
        Ok(())
    }

    /// The signatures that these slots' ends have to send again, made again: an end keeps the other
    /// party's only. Both parties sign one digest, so that a signature is found by its signer too.
    /// Not counted as made: they were.
    fn own_signatures(&mut self, slots: std::ops::Range<u32>) -> OwnSignatures {
        let mut signers = Vec::new();
        let mut jobs = Vec::new();
        for slot in slots {
            let SlotState::Running(channel) = &self.slots[slot as usize].state else {
                continue;
            };
            for party in Party::BOTH {
                let secret = self.parties.places(slot)[party];
                let end = &channel.ends[party];
                let mut job = |digest: &Digest| {
                    signers.push(party);
                    jobs.push(SignJob {
                        secret,
                        digest: *digest,
                    });
                };
                // What would be signed, without signing it.
                let _ = end.answer_again(|order| {
                    job(order.digest());
                    Signature([0; 64])
                });
                if let Some(order) = end.final_order() {
                    job(order.digest());
                }
            }
        }
        let mut signatures = Vec::with_capacity(jobs.len());
        self.mischief
            .contest
            .signer
            .sign(&self.parties.pairs, &jobs, &mut signatures);
        let signed = signers.into_iter().zip(jobs.iter().map(|job| job.digest));
        signed.zip(signatures).collect()
    }

    /// Each end hears what the other one sent again, as it would have heard it the first time: what
    /// it then signs is durable before it leaves.
    fn hear(&mut self, resent: &mut Resent) -> Result<(), RunError> {
        resent.proposals.sent_now(self.now_ns());
        resent.answers.sent_now(self.now_ns());
        self.answer_wave(&mut resent.proposals);
        self.answer_finals(&mut resent.finals);
        let sequence = self.commit()?;
        self.await_durable(sequence)?;
        for wave in [&mut resent.proposals, &mut resent.answers] {
            let completed = self.take_answers(wave)?;
            wave.drop_parts();
            self.progress
                .payments
                .fetch_add(completed, Ordering::Relaxed);
        }
        self.complete_finals(&mut resent.finals)?;
        self.complete_finals(&mut resent.final_answers)
    }
}

impl Shard<'_> {
    /// This shard's links are up: waits for the others', and begins the figures with them.
    ///
    /// # Errors
    /// If the log has stopped.
    pub(super) fn links_are_up(&mut self) -> Result<(), LogError> {
        if let Some(journal) = &mut self.journal {
            journal.metered().settle()?;
        }
        self.shared.links_are_up();
        self.shared.await_figures();
        self.clock.begin_figures(Stage::Wait);
        if let Some(journal) = &mut self.journal {
            journal.metered().begin_figures();
        }
        self.progress.payments.store(0, Ordering::Relaxed);
        let channels = || self.slots.iter().filter_map(|slot| slot.state.open());
        let covered = channels().map(|channel| channel.covered).sum::<u64>();
        let refused = channels().map(|channel| channel.refused).sum::<u64>();
        let both = [&self.payer, &self.payee];
        let mut before = Before {
            sessions_opened: self.tally.counts.sessions_opened,
            sessions_closed: self.tally.counts.sessions_closed,
            payments: self.tally.counts.covered + covered,
            refused: self.tally.counts.refused + refused,
            signatures_made: both.iter().map(|legs| legs.signer.made()).sum(),
            verified: VerifierCounts::default(),
        };
        for legs in both {
            before.verified.add(legs.verifier.counts());
        }
        self.gauges.begin_figures(before);
        Ok(())
    }
}

/// Both ends tell how far they had come; gives what each then sends, and to whom.
fn meet(
    channel: &mut Channel,
    sign: impl Fn(Party, &Digest) -> Signature,
) -> Result<[(Party, Vec<u8>); 2], Rejection> {
    let mut signed = |party| match channel.ends[party].resume() {
        Message::Resume { signed } => signed,
        _ => unreachable!("an end resumes with a resume"),
    };
    let (of_a, of_b) = (signed(Party::A), signed(Party::B));
    let mut hears = |party: Party, signed| {
        let mut wire = Vec::new();
        channel.ends[party]
            .receive_resume(signed, &mut wire, |order| sign(party, order.digest()))?;
        Ok((party.other(), wire))
    };
    Ok([hears(Party::A, of_b)?, hears(Party::B, of_a)?])
}

/// Puts what an end was sent again where it is heard; gives how many of its signatures are going to
/// be verified.
fn sort(
    channel: &Channel,
    slot: u32,
    to: Party,
    bytes: &[u8],
    resent: &mut Resent,
) -> Result<u64, Rejection> {
    let end = &channel.ends[to];
    let mut signatures = 0;
    let mut proposals = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (message, after) = Message::decode_first(rest).expect("an end's own message");
        let this = &rest[..rest.len() - after.len()];
        signatures += 1;
        match message {
            Message::Proposal { .. } => proposals.extend_from_slice(this),
            Message::Acknowledgement { version, signature } => {
                match end.receive_acknowledgement(version, signature)? {
                    Answer::New(_) => resent.answers.answer_again(slot, to, channel, this),
                    Answer::Duplicate => signatures -= 1,
                }
            }
            Message::Final { .. } => resent.finals.again(slot, to.other(), to, this),
            // If both ends are finished, one of them hears it.
            Message::FinalAcknowledgement { .. } if resent.final_answers.has(slot) => {
                signatures -= 1;
            }
            Message::FinalAcknowledgement { .. } => {
                resent.final_answers.again(slot, to, to, this);
            }
            _ => unreachable!("nothing else is sent again"),
        }
        rest = after;
    }
    if !proposals.is_empty() {
        resent
            .proposals
            .propose_again(slot, to, channel, &proposals);
    }
    Ok(signatures)
}
