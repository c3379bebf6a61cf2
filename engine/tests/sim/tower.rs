//! A small watchtower behind the seam where the engine's own goes: it is handed co-signed states,
//! reads notices, and answers with what beats them, from its own account and without an offer.

use std::collections::BTreeMap;

use duet_engine::l1::Notice;
use duet_engine::protocol::{ChannelId, CoSigned, Post};

/// What a world needs of a watchtower.
pub(crate) trait Watch {
    /// A party hands over the newest state that both have signed.
    fn hand_over(&mut self, channel: ChannelId, state: CoSigned);

    /// The answers to what was posted, as far as this tower can beat it.
    fn read(&mut self, notices: &[Notice]) -> Vec<Post>;
}

/// The newest state of each channel, and nothing else.
#[derive(Default)]
pub(crate) struct Tower(BTreeMap<ChannelId, CoSigned>);

impl Watch for Tower {
    fn hand_over(&mut self, channel: ChannelId, state: CoSigned) {
        let held = self.0.entry(channel).or_insert(state);
        if held.version() < state.version() {
            *held = state;
        }
    }

    fn read(&mut self, notices: &[Notice]) -> Vec<Post> {
        let answer = |notice: &Notice| match *notice {
            Notice::Posted {
                channel, version, ..
            } => {
                let held = *self.0.get(&channel)?;
                (held.version() > version).then_some(Post {
                    channel,
                    shown: Some(held),
                    offer: None,
                })
            }
            Notice::Ended { .. } => None,
        };
        notices.iter().filter_map(answer).collect()
    }
}
