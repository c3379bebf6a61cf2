//! What a transaction asks for, once all that can be said without a ledger has been said.

use super::refusal::Refusal;
use super::transaction::{Opening, Output, Transaction};
use duet_channels::crypto::{Digest, PublicKey};
use duet_channels::protocol::{
    Amount, Balance, ChannelId, CoSigned, Entry, EntryBytes, FinalProof, Pair, State, Terms,
};

/// A transaction whose content is in order. Who signed it is not known yet.
#[derive(Clone, Debug)]
pub(super) enum Claim {
    /// An amount above zero to move.
    Transfer {
        from: PublicKey,
        nonce: u64,
        to: PublicKey,
        amount: Amount,
    },
    /// Amounts above zero to move, all of them.
    MultiSend {
        from: PublicKey,
        nonce: u64,
        outputs: Vec<Output>,
    },
    /// A channel to open.
    Open(Opened),
    /// Channels to open, all of one opener and nonce.
    OpenBatch {
        opener: PublicKey,
        nonce: u64,
        channels: Vec<Opened>,
    },
    /// A channel to end in its final state.
    Close {
        submitter: PublicKey,
        closed: Closed,
    },
    /// Channels to end in their final states.
    CloseBatch {
        submitter: PublicKey,
        items: Vec<Item>,
    },
    /// A state to show, none for the opening, and perhaps another one to offer.
    Post {
        submitter: PublicKey,
        channel: ChannelId,
        shown: Option<Balance>,
        offer: Option<Balance>,
    },
    /// A channel to pay out.
    Payout {
        submitter: PublicKey,
        channel: ChannelId,
    },
    /// A channel to end, and its successor to open.
    RollOver { closed: Closed, successor: Opened },
}

/// Terms that make a channel, with what follows from them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    pub(super) terms: Terms,
    pub(super) capacity: Amount,
    pub(super) channel: ChannelId,
}

/// A final state: of version 0 as the channel opened, or of a version above 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    pub(super) channel: ChannelId,
    pub(super) state: State,
}

/// One of several channels to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) channel: ChannelId,
    /// How, or why it is refused already.
    pub(super) closed: Result<Closed, Refusal>,
}

impl Item {
    fn of(proof: &FinalProof) -> Item {
        Item {
            channel: proof.channel,
            closed: Closed::of(proof),
        }
    }

    /// Whether anything about it was looked up: what it says was in order.
    pub(super) fn looked_up(&self) -> bool {
        !matches!(self.closed, Err(Refusal::VersionZero { .. }))
    }
}

impl Opened {
    fn of(terms: Terms) -> Result<Opened, Refusal> {
        Ok(Opened {
            capacity: terms.capacity().map_err(Refusal::Terms)?,
            channel: terms.channel_id(),
            terms,
        })
    }
}

impl Closed {
    fn of(proof: &FinalProof) -> Result<Closed, Refusal> {
        let channel = proof.channel;
        if let State::After { entry, .. } = &proof.state {
            after_a_payment(channel, entry)?;
        }
        Ok(Closed {
            channel,
            state: proof.state,
        })
    }
}

impl Claim {
    /// Checks a transaction's content, on the Layer 1 of this genesis.
    #[expect(clippy::too_many_lines, reason = "an arm for each kind")]
    pub(super) fn of(transaction: &Transaction, genesis: &Digest) -> Result<Claim, Refusal> {
        match transaction {
            &Transaction::Transfer {
                from,
                nonce,
                to,
                amount,
            } => {
                if amount.is_zero() {
                    return Err(Refusal::ZeroAmount);
                }
                Ok(Claim::Transfer {
                    from,
                    nonce,
                    to,
                    amount,
                })
            }
            Transaction::MultiSend {
                from,
                nonce,
                outputs,
            } => {
                if outputs.iter().any(|output| output.amount.is_zero()) {
                    return Err(Refusal::ZeroAmount);
                }
                Ok(Claim::MultiSend {
                    from: *from,
                    nonce: *nonce,
                    outputs: outputs.clone(),
                })
            }
            &Transaction::Open {
                nonce,
                index,
                keys,
                deposits,
                challenge_window_blocks,
                reserve,
            } => {
                if index != 0 {
                    return Err(Refusal::WrongIndex {
                        expected: 0,
                        got: index,
                    });
                }
                let terms = Terms {
                    genesis: *genesis,
                    nonce,
                    index,
                    keys,
                    deposits,
                    challenge_window_blocks,
                    reserve,
                };
                Ok(Claim::Open(Opened::of(terms)?))
            }
            Transaction::OpenBatch {
                opener,
                nonce,
                channels,
            } => {
                let opened = (0..).zip(channels).map(|(index, opening)| {
                    Opened::of(terms(genesis, *opener, *nonce, index, opening))
                });
                Ok(Claim::OpenBatch {
                    opener: *opener,
                    nonce: *nonce,
                    channels: opened.collect::<Result<_, _>>()?,
                })
            }
            Transaction::CooperativeClose { submitter, proof } => Ok(Claim::Close {
                submitter: *submitter,
                closed: Closed::of(proof)?,
            }),
            Transaction::CloseBatch { submitter, proofs } => Ok(Claim::CloseBatch {
                submitter: *submitter,
                items: proofs.iter().map(Item::of).collect(),
            }),
            Transaction::Post { submitter, post } => {
                let channel = post.channel;
                let shown = post.shown.as_ref().map(|CoSigned { entry, .. }| entry);
                let shown = shown.map(|entry| after_a_payment(channel, entry));
                let offer = post.offer.as_ref().map(|offer| balance(&offer.entry));
                Ok(Claim::Post {
                    submitter: *submitter,
                    channel,
                    shown: shown.transpose()?,
                    offer,
                })
            }
            &Transaction::Payout { submitter, channel } => Ok(Claim::Payout { submitter, channel }),
            Transaction::RollOver {
                proof,
                opener,
                nonce,
                successor,
            } => Ok(Claim::RollOver {
                closed: Closed::of(proof)?,
                successor: Opened::of(terms(genesis, *opener, *nonce, 0, successor))?,
            }),
        }
    }

    /// The one channel that must be there for the claim to mean anything.
    pub(super) fn concerns(&self) -> Option<&ChannelId> {
        match self {
            Claim::Close { closed, .. } | Claim::RollOver { closed, .. } => Some(&closed.channel),
            Claim::Post { channel, .. } | Claim::Payout { channel, .. } => Some(channel),
            Claim::Transfer { .. }
            | Claim::MultiSend { .. }
            | Claim::Open(_)
            | Claim::OpenBatch { .. }
            | Claim::CloseBatch { .. } => None,
        }
    }

    /// The channels that it opens if it succeeds.
    pub(super) fn opens(&self) -> &[Opened] {
        match self {
            Claim::Open(opened)
            | Claim::RollOver {
                successor: opened, ..
            } => std::slice::from_ref(opened),
            Claim::OpenBatch { channels, .. } => channels,
            _ => &[],
        }
    }
}

fn terms(genesis: &Digest, a: PublicKey, nonce: u64, index: u32, opening: &Opening) -> Terms {
    Terms {
        genesis: *genesis,
        nonce,
        index,
        keys: Pair { a, b: opening.peer },
        deposits: opening.deposits,
        challenge_window_blocks: opening.challenge_window_blocks,
        reserve: opening.reserve,
    }
}

/// Rule L2: of a state, Layer 1 reads the version and A's balance, and nothing else.
fn balance(entry: &EntryBytes) -> Balance {
    let Entry {
        version, balance_a, ..
    } = Entry::decode(entry);
    Balance {
        version,
        a: balance_a,
    }
}

fn after_a_payment(channel: ChannelId, entry: &EntryBytes) -> Result<Balance, Refusal> {
    match balance(entry) {
        Balance { version: 0, .. } => Err(Refusal::VersionZero { channel }),
        balance => Ok(balance),
    }
}
