//! What Duet's own transactions take of its Layer 1, resource by resource, as price lists: what
//! [`cost`](crate::cost) makes of them is a channel's load, and its break-even, in each. Fixed here
//! before any run; `loadgen offload` holds its runs to them.

use std::fmt;
use std::str::FromStr;

use duet_profile::{BatchLaw, Batched, Block, Kind, Price, Profile};

/// Channels that one transaction opens at most.
pub const OPEN_BATCH_MOST: u64 = 256;
/// Bytes of a bid, which every transaction has where Layer 1 takes bids.
const BID_BYTES: u64 = 16;

/// What transactions take of Layer 1, but for units, which a profile prices, and CPU time, which
/// nobody knows before it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Transactions in blocks.
    Transactions,
    /// Their bytes. Headers are a block's, and not among them.
    Bytes,
    /// Signatures verified.
    Signatures,
    /// State entries read.
    Reads,
    /// State entries written.
    Writes,
}

impl Resource {
    /// All of them.
    pub const ALL: [Resource; 5] = [
        Resource::Transactions,
        Resource::Bytes,
        Resource::Signatures,
        Resource::Reads,
        Resource::Writes,
    ];

    /// Its name in the run file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Resource::Transactions => "transactions",
            Resource::Bytes => "bytes",
            Resource::Signatures => "signature_verifications",
            Resource::Reads => "state_reads",
            Resource::Writes => "state_writes",
        }
    }
}

/// What each transaction of a one-sided channel takes of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    /// A direct payment.
    pub transfer: u64,
    /// An open.
    pub open: u64,
    /// The first channel of a batch of them, and each further one.
    pub batched_open: (u64, u64),
    /// A cooperative close.
    pub close: u64,
    /// A post that shows the channel's opening.
    pub post_at_opening: u64,
    /// A post that shows a co-signed state.
    pub post: u64,
    /// An answer.
    pub answer: u64,
    /// A payout that leaves its submitter all.
    pub payout: u64,
}

impl Takes {
    /// What the ledger counts. `bids`: whether Layer 1 takes bids.
    #[must_use]
    pub fn of(resource: Resource, bids: bool) -> Takes {
        let takes = |singles: [u64; 7], batched_open| {
            let [transfer, open, close, post_at_opening, post, answer, payout] = singles;
            Takes {
                transfer,
                open,
                batched_open,
                close,
                post_at_opening,
                post,
                answer,
                payout,
            }
        };
        match resource {
            Resource::Transactions => takes([1; 7], (1, 0)),
            Resource::Bytes => {
                let bid = if bids { BID_BYTES } else { 0 };
                let singles = [145, 161, 321, 129, 321, 321, 129];
                takes(singles.map(|bytes| bytes + bid), (160 + bid, 53))
            }
            Resource::Signatures => takes([1, 1, 3, 1, 3, 3, 1], (1, 0)),
            Resource::Reads => takes([2, 1, 3, 2, 2, 2, 2], (1, 0)),
            Resource::Writes => takes([2, 2, 3, 2, 2, 2, 2], (2, 1)),
        }
    }

    /// They as a price list in this unit. `at_opening`: posts show the channel's opening.
    #[must_use]
    pub fn list(&self, unit: &str, at_opening: bool) -> Profile {
        let post = match at_opening {
            true => self.post_at_opening,
            false => self.post,
        };
        let (first_units, each_further_units) = self.batched_open;
        Profile {
            transfer: Kind {
                single: price(self.transfer),
                batched: None,
            },
            open_one_sided: Some(Kind {
                single: price(self.open),
                batched: Some(Batched {
                    transactions: 1,
                    law: BatchLaw::Linear {
                        first_units,
                        each_further_units,
                        at_most: Some(OPEN_BATCH_MOST),
                    },
                }),
            }),
            cooperative_close: price(self.close),
            post: Some(price(post)),
            answer: Some(price(self.answer)),
            payout: Some(price(self.payout)),
            ..nothing(unit)
        }
    }
}

fn price(units: u64) -> Price {
    Price {
        units,
        transactions: 1,
    }
}

/// A list without prices, on a chain without limits.
fn nothing(unit: &str) -> Profile {
    Profile {
        origin: String::new(),
        text: String::new(),
        name: "duet's own transactions".to_owned(),
        unit: unit.to_owned(),
        about: String::new(),
        block: Block {
            units: u64::MAX,
            bytes: None,
            transactions: None,
            transaction_units: None,
            account_units: None,
            interval_ms: 1,
            finality_blocks: None,
            challenge_window_blocks: None,
        },
        shared_escrow: false,
        transfer: Kind {
            single: price(0),
            batched: None,
        },
        open_one_sided: None,
        open_two_sided: None,
        cooperative_close: price(0),
        post: None,
        answer: None,
        payout: None,
        payout_after_answer: None,
        mempool_transactions: None,
        market: None,
        constants: Vec::new(),
    }
}

/// A wrong price, to see that it is found: `close.bytes=320`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    kind: &'static str,
    resource: Resource,
    value: u64,
}

/// Transactions that a wrong price can be planted for.
const PLANTED: [&str; 6] = ["transfer", "open", "close", "post", "answer", "payout"];

impl Planted {
    /// Takes the place of the right one.
    pub fn plant(&self, resource: Resource, takes: &mut Takes) {
        let of = match self.kind {
            "transfer" => &mut takes.transfer,
            "open" => &mut takes.open,
            "close" => &mut takes.close,
            "post" => &mut takes.post,
            "answer" => &mut takes.answer,
            _ => &mut takes.payout,
        };
        if resource == self.resource {
            *of = self.value;
        }
    }
}

impl FromStr for Planted {
    type Err = String;

    fn from_str(text: &str) -> Result<Planted, String> {
        let parts = text.split_once('=').and_then(|(what, value)| {
            let (kind, resource) = what.split_once('.')?;
            let all = Resource::ALL.into_iter();
            Some(Planted {
                kind: PLANTED.into_iter().find(|known| *known == kind)?,
                resource: all.into_iter().find(|known| known.name() == resource)?,
                value: value.parse().ok().filter(|value| *value > 0)?,
            })
        });
        parts.ok_or_else(|| {
            format!(
                "'{text}' is no price: expected 1 or more as in close.bytes=320, of {} and {}",
                PLANTED.join(", "),
                Resource::ALL.map(Resource::name).join(", ")
            )
        })
    }
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}={}", self.kind, self.resource.name(), self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Life, break_even, channel};
    use crate::{Deposits, DisputeKind, Exact, Share};

    fn life(disputes: Share, open_batch: u64) -> Life {
        Life {
            deposits: Deposits::One,
            open_batch,
            disputes,
            dispute_kind: DisputeKind::Answered,
        }
    }

    /// By hand: an open, and a cooperative close or a post, an answer and a payout.
    #[test]
    fn a_channels_life_takes_what_its_transactions_do() {
        let polite = Share::of_percent(0);
        for (resource, of_polite, of_disputed, even) in [
            (Resource::Transactions, 2, 4, 2),
            (Resource::Bytes, 482, 932, 4),
            (Resource::Signatures, 4, 8, 4),
            (Resource::Reads, 4, 7, 2),
            (Resource::Writes, 5, 8, 3),
        ] {
            let list = Takes::of(resource, false).list(resource.name(), false);
            let of = |share| channel(&list, life(share, 1)).unwrap();
            assert_eq!(of(polite), Exact::from(of_polite), "{resource:?}");
            assert_eq!(of(Share::ALL), Exact::from(of_disputed), "{resource:?}");
            let found = break_even(&list, &of(polite), 1).unwrap();
            assert_eq!(found, Some(even), "{resource:?}");
        }
        let bytes = Takes::of(Resource::Bytes, true).list("bytes", true);
        let found = channel(&bytes, life(Share::ALL, 1)).unwrap();
        assert_eq!(found, Exact::from(740 + 4 * 16));
        // A hundred in one transaction: 160 + 99 x 53 bytes, and a close each.
        let bytes = Takes::of(Resource::Bytes, false).list("bytes", false);
        let found = channel(&bytes, life(polite, 100)).unwrap();
        assert_eq!(found, Exact::fraction(160 + 99 * 53 + 321 * 100, 100));
        assert!(channel(&bytes, life(polite, 257)).is_err());
    }

    #[test]
    fn a_planted_price_is_of_one_kind_and_one_resource() {
        let planted: Planted = "close.bytes=320".parse().unwrap();
        assert_eq!(planted.to_string(), "close.bytes=320");
        for resource in Resource::ALL {
            let right = Takes::of(resource, false);
            let mut takes = right;
            planted.plant(resource, &mut takes);
            let expected = match resource {
                Resource::Bytes => Takes {
                    close: 320,
                    ..right
                },
                _ => right,
            };
            assert_eq!(takes, expected);
        }
        for text in ["close=3", "close.bytes", "close.bytes=0", "shut.bytes=3"] {
            let error = text.parse::<Planted>().unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }
}
