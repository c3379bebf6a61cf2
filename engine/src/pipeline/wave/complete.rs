//! A wave's last leg: each payer finds what the answers complete, has them verified, and holds the
//! proof. The clock is read once, and latencies are recorded.

use super::super::shard::Shard;
use super::super::slot::RunningEnds;
use super::super::stage::Stage;
use super::super::waves::Wave;
use super::answer::refused;
use duet_channels::legs::Ends;

impl Shard<'_> {
    /// The payer verifies the answers against what it proposed, and completes its proposals.
    pub(super) fn complete(&mut self, wave: &mut Wave) -> u64 {
        let Shard {
            slots,
            payer,
            parties,
            clock,
            ..
        } = self;
        let (mut ends, refusals) = (RunningEnds { slots, parties }, &mut wave.refusals);
        payer.begin();
        let mut found = 0;
        for (slot, me, mut bytes) in wave.to_payer.frames() {
            let read = payer.find((slot, me), ends.end((slot, me)), &mut bytes);
            found += read.new as usize;
            let why = refused(read.refused, bytes, "not an acknowledgement");
            refusals.extend(why.map(|why| (slot, why)));
        }
        clock.lap(Stage::Match, found);
        let verified = payer.verify_answers(parties.pairs.ring());
        clock.lap(Stage::PayerVerify, verified);

        let now_ns = self.shared.now_ns();
        let mut parts = wave.parts.iter_mut().peekable();
        payer.complete(&mut ends, |(slot, _), completed| {
            while parts.next_if(|part| part.slot != slot).is_some() {}
            let part = parts.peek_mut().expect("every answer is of a part");
            match completed {
                Ok(done) => part.completed += done.version - done.after,
                Err(why) => refusals.push((slot, why)),
            }
        });
        let mut completed = 0;
        for part in &wave.parts {
            let channel = self.slots[part.slot as usize].channel();
            channel.covered += part.completed;
            completed += part.completed;
            self.gauges
                .latency
                .service
                .record(now_ns - wave.sent_ns, part.completed);
            // Answers complete a prefix of what was proposed. What is left has no answer, and gets
            // none any more: its channel stops. It counts at its age.
            for due_ns in &wave.due_ns[part.due.clone()] {
                self.gauges
                    .latency
                    .response
                    .record(now_ns.saturating_sub(*due_ns), 1);
            }
            let left = (part.due.len() as u64).saturating_sub(part.completed);
            self.arrivals.lost(left);
        }
        if completed > 0 {
            self.gauges.completed(now_ns);
        }
        self.clock.lap(Stage::Complete, completed as usize);
        completed
    }
}
