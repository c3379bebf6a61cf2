//! What Layer 1 has verified for nothing since the last block, each time against the account that
//! signed it: nobody's answer is refused for what another account did.

use std::collections::HashMap;

use super::refusal::SubmitError;
use duet_channels::crypto::PublicKey;
use duet_channels::protocol::ChannelId;

/// The counts. Their memory is those accounts that have submitted in vain since the last block,
/// once for each channel in which they raised an answer.
#[derive(Clone, Default)]
pub(super) struct Vain {
    /// Answers that were found not to be sound, by who signed them.
    unsound: HashMap<PublicKey, u32>,
    /// Answers that took the place of lower ones, which pay nothing any more, by who signed them.
    raised: HashMap<(PublicKey, ChannelId), u32>,
}

impl Vain {
    /// How many answers of one account may be unsound between two blocks, and how often it may
    /// raise the answer that waits for one channel. An honest party, or watchtower, needs the
    /// second once, and the first never.
    pub(super) const MOST: u32 = 4;

    /// Whether one more answer of this account in this channel is verified.
    pub(super) fn admit(
        &self,
        submitter: &PublicKey,
        channel: &ChannelId,
    ) -> Result<(), SubmitError> {
        let unsound = self.unsound.get(submitter).copied().unwrap_or(0);
        let raised = self.raised.get(&(*submitter, *channel));
        if unsound.max(raised.copied().unwrap_or(0)) < Vain::MOST {
            Ok(())
        } else {
            Err(SubmitError::AnswersInVain { limit: Vain::MOST })
        }
    }

    /// Notes an answer, signed by this account, that is not sound.
    pub(super) fn unsound(&mut self, submitter: &PublicKey) {
        *self.unsound.entry(*submitter).or_default() += 1;
    }

    /// Notes an answer, signed by this account, for which a lower one made way.
    pub(super) fn raised(&mut self, submitter: &PublicKey, channel: &ChannelId) {
        *self.raised.entry((*submitter, *channel)).or_default() += 1;
    }

    /// Forgets all, and the memory too: a block is made.
    pub(super) fn forget(&mut self) {
        *self = Vain::default();
    }
}
