//! Watchtowers: handed co-signed states, they read notices and answer with what beats them, from
//! their own account and without an offer.
//!
//! The engine's own verifies every state that it is handed, which would be a third of a world's
//! time: it stands in every eighth world. In the others there is a small one that trusts.

use std::collections::BTreeMap;

use duet_engine::crypto::{Backend, Digest, SecretKey};
use duet_engine::l1::{ChannelRecord, Notice, SignedTransaction, Transaction};
use duet_engine::protocol::{ChannelId, CoSigned, Post};
use duet_engine::watchtower::{HandOverError, Watchtower};

use super::keys::TOWER;

/// What a world needs of a watchtower.
pub(crate) trait Watch {
    /// A party hands over the newest state that both have signed.
    fn hand_over(&mut self, channel: ChannelId, state: CoSigned, record: Option<ChannelRecord>);

    /// The answers to what was posted, as far as this tower can beat it.
    fn read(&mut self, notices: &[Notice]) -> Vec<Post>;
}

/// The tower of this world.
pub(crate) fn of_world(seed: u64, backend: Backend, genesis: &Digest) -> Box<dyn Watch> {
    if seed.is_multiple_of(8) {
        let secret = SecretKey::from_seed(&[1 + TOWER as u8; 32]);
        Box::new(Watchtower::new(backend, *genesis, secret))
    } else {
        Box::new(Trusting::default())
    }
}

impl Watch for Watchtower {
    fn hand_over(&mut self, channel: ChannelId, state: CoSigned, record: Option<ChannelRecord>) {
        let verdicts = Watchtower::hand_over(self, &[(channel, state)], |_| record);
        match verdicts[..] {
            [Ok(())] => {}
            // Once more after a crash, or of a channel that has ended.
            [Err(HandOverError::NotNewer { .. } | HandOverError::UnknownChannel { .. })] => {}
            ref other => panic!("a state that both have signed: {other:?}"),
        }
    }

    /// The world signs and submits what the tower would: it decides on delays.
    fn read(&mut self, notices: &[Notice]) -> Vec<Post> {
        Watchtower::read(self, notices);
        let mut posts = Vec::new();
        self.submit(|bytes| {
            let signed = SignedTransaction::decode(bytes).expect("a sound transaction");
            let Transaction::Post { post, .. } = signed.transaction() else {
                panic!("a tower only posts: {signed:?}");
            };
            posts.push(*post);
            Ok(())
        });
        posts
    }
}

/// The newest state of each channel, and nothing else.
#[derive(Default)]
struct Trusting(BTreeMap<ChannelId, CoSigned>);

impl Watch for Trusting {
    fn hand_over(&mut self, channel: ChannelId, state: CoSigned, _: Option<ChannelRecord>) {
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
