//! What a party does with what Layer 1 shows: closes, answers, pays out, and asks again.

use duet_engine::crypto::PublicKey;
use duet_engine::l1::{Chain, Notice, Transaction};
use duet_engine::protocol::{Endpoint, Post, Status};

use super::super::keys::Keys;
use super::super::plan::Sabotage;
use super::{Effect, Node, Step, restored};

impl Node {
    /// `notices` are those of the last block; none after a restart, when it looks at every channel
    /// itself.
    pub(crate) fn look(&mut self, chain: &Chain, notices: Option<&[Notice]>, step: &mut Step<'_>) {
        if notices.is_none() && self.sabotage == Sabotage::LooksNotBack {
            return;
        }
        for at in 0..self.sides.len() {
            let wanted = self.wanted(at, chain, notices, step);
            if let Some(transaction) = wanted {
                let side = &mut self.sides[at];
                side.pending = true;
                let submit = Effect::Submit(Box::new(transaction));
                step.out.push((side.channel, submit));
            }
        }
    }

    fn wanted(
        &mut self,
        at: usize,
        chain: &Chain,
        notices: Option<&[Notice]>,
        step: &mut Step<'_>,
    ) -> Option<Transaction> {
        let submitter: PublicKey = step.keys.public(self.who);
        let id = step.ground.ids[self.sides[at].channel];
        let Some(record) = chain.channel(&id) else {
            // It may have ended while this party was away: nothing is signed or counted after it.
            if !std::mem::replace(&mut self.sides[at].ended, true) {
                self.post(at, None, step);
            }
            return None;
        };
        let side = &self.sides[at];
        let end = side.end.as_ref()?;
        let who = self.who;
        let proof = end.final_proof(|order| step.keys.again(who, order));
        let stopped = matches!(end.status(), Status::Stopped(_) | Status::Closing { .. });
        let Some(dispute) = record.dispute() else {
            if side.pending {
                return None;
            }
            if let Some(proof) = proof {
                return Some(Transaction::CooperativeClose { submitter, proof });
            }
            let close = stopped || side.wants_close;
            return close.then(|| {
                let post = self.post(at, None, step).expect("closing always posts");
                Transaction::Post { submitter, post }
            });
        };
        let news = notices.is_none_or(|notices| {
            let about = |notice: &Notice| matches!(notice, Notice::Posted { channel, .. } if *channel == id);
            notices.iter().any(about)
        });
        if news {
            let answer = self.post(at, Some(dispute.highest()), step);
            self.sides[at].answer = answer.filter(|_| self.sabotage != Sabotage::AnswersNothing);
        }
        let side = &mut self.sides[at];
        if side.pending {
            return None;
        }
        let late = chain.height() >= dispute.until();
        if let Some(proof) = proof {
            return Some(Transaction::CooperativeClose { submitter, proof });
        }
        if late {
            let channel = id;
            return Some(Transaction::Payout { submitter, channel });
        }
        let post = side
            .answer
            .filter(|post| post.version() > dispute.highest())?;
        Some(Transaction::Post { submitter, post })
    }

    /// What to post, closing or against a version; stored before anybody sees it.
    fn post(&mut self, at: usize, against: Option<u64>, step: &mut Step<'_>) -> Option<Post> {
        let side = &mut self.sides[at];
        let channel = side.channel;
        let end = side.end.as_mut()?;
        let who = self.who;
        let decide = |end: &mut Endpoint, keys: &Keys| match against {
            None => Some(end.close(|order| keys.again(who, order))),
            Some(version) => end.posted(version, |order| keys.again(who, order)),
        };
        let mut post = if self.sabotage == Sabotage::SignsAfterItPosted {
            let mut record = Vec::new();
            end.record(&[channel as u8], &mut record);
            let mut other = restored(channel, side.me, &record, &mut self.windows, step);
            decide(&mut other, step.keys)
        } else {
            let before = end.status();
            let post = decide(end, step.keys);
            if end.status() != before {
                step.store(self.sabotage, channel, end);
            }
            post
        };
        if let Some(post) = &mut post {
            match self.sabotage {
                Sabotage::HidesItsOffer => post.offer = None,
                Sabotage::AnswersWithOldState => post.shown = side.first_held,
                _ => {}
            }
        }
        post
    }
}
