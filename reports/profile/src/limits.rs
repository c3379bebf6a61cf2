//! The plain numbers of a Layer 1 that runs by a profile, and which profiles lack some. Knows no
//! engine.

use super::{Answers, BatchLaw, Block, Kind, Market, Order, Price, Profile, ProfileError, read};

/// What a run needs of a profile: a Layer 1's limits, prices and order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The profile's name.
    pub name: String,
    /// What prices and limits count, as in `gas`.
    pub unit: String,
    /// What one unit of money stands for, in words.
    pub money: String,
    /// Units that a block holds.
    pub block_units: u64,
    /// Those of them that transactions of channels may take, where all of them write one account.
    pub channel_units: Option<u64>,
    /// Bytes that a block holds; none if they are unlimited.
    pub block_bytes: Option<u64>,
    /// Transactions that a block holds; none if they are unlimited.
    pub block_transactions: Option<u32>,
    /// Transactions that may wait for a block.
    pub mempool_transactions: u32,
    /// Milliseconds from block to block.
    pub interval_ms: u64,
    /// Blocks on top of a block until it is final.
    pub finality_blocks: u32,
    /// Blocks in which a post can be answered.
    pub challenge_window_blocks: u32,
    /// What a transaction of each kind takes, in units.
    pub prices: Prices,
    /// Which transaction comes first, and what it pays.
    pub order: Order,
    /// Whether answers to posts have room of their own.
    pub answers: Answers,
}

/// What one transaction of each kind takes, in units, all at least 1. What takes several on the
/// chain counts as their sum here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// A direct payment.
    pub transfer: u64,
    /// The first of several direct payments in one transaction, and each further one; none where
    /// the profile has no price for them, or measured batches alone.
    pub multi_send: Option<(u64, u64)>,
    /// How many one transaction makes at most, where something other than units bounds it.
    pub multi_send_most: Option<u64>,
    /// An open with one deposit.
    pub open_one_sided: u64,
    /// An open with two.
    pub open_two_sided: u64,
    /// A cooperative close.
    pub close: u64,
    /// The post that opens a challenge window.
    pub post: u64,
    /// An answer to a post.
    pub answer: u64,
    /// A payout: after an answer or not, whatever takes more. A block does not know which.
    pub payout: u64,
}

impl Profile {
    /// What a Layer 1 needs in order to run by this profile.
    ///
    /// # Errors
    ///
    /// The profile lacks a number, or has one that no run takes: with file, field and what was
    /// expected.
    pub fn limits(&self) -> Result<Limits, ProfileError> {
        self.wanted().map_err(|Wanting(detail)| {
            // A field that is there and has another value than a run takes.
            let field = detail
                .strip_prefix('`')
                .and_then(|rest| rest.split('`').next());
            let line = field.and_then(|field| read::line_of(&self.text, field));
            ProfileError::NotForARun {
                origin: match line {
                    Some(line) => format!("{}: line {line}", self.origin),
                    None => self.origin.clone(),
                },
                detail,
            }
        })
    }

    fn wanted(&self) -> Result<Limits, Wanting> {
        let Block {
            units,
            bytes,
            transactions,
            account_units,
            interval_ms,
            finality_blocks,
            challenge_window_blocks,
            ..
        } = self.block;
        let Market {
            order,
            answers,
            money,
        } = self.market.clone().ok_or_else(|| missing("order"))?;
        let window =
            challenge_window_blocks.ok_or_else(|| missing("block.challenge_window_blocks"));
        let waiting = self
            .mempool_transactions
            .ok_or_else(|| missing("mempool.transactions"));
        let transactions = transactions.map(|most| counted("block.transactions", most));
        let limits = Limits {
            name: self.name.clone(),
            unit: self.unit.clone(),
            money,
            block_units: units,
            channel_units: account_units.filter(|_| self.shared_escrow),
            block_bytes: bytes,
            block_transactions: transactions.transpose()?,
            mempool_transactions: counted("mempool.transactions", waiting?)?,
            interval_ms,
            finality_blocks: counted("block.finality_blocks", finality_blocks.unwrap_or(0))?,
            challenge_window_blocks: counted("block.challenge_window_blocks", window?)?,
            prices: self.prices()?,
            order,
            answers,
        };
        limits.check()?;
        limits.check_time()?;
        Ok(limits)
    }

    fn prices(&self) -> Result<Prices, Wanting> {
        let of = |field, price: Option<Price>| {
            let price = price.ok_or_else(|| missing(field))?;
            // What a payout takes may be in its answer: a transaction of its own takes something.
            Ok(price.units.max(1))
        };
        let one = |kind: &Option<Kind>| kind.as_ref().map(|kind| kind.single);
        let payout = of("close.payout", self.payout)?;
        let after_answer = self.payout_after_answer.map_or(0, |price| price.units);
        let batched = self.transfer.batched.as_ref().map(|batched| &batched.law);
        let (multi_send, multi_send_most) = match batched {
            Some(BatchLaw::Linear {
                first_units,
                each_further_units,
                at_most,
            }) => (Some((*first_units, *each_further_units)), *at_most),
            Some(BatchLaw::Measured(_)) | None => (None, None),
        };
        Ok(Prices {
            multi_send,
            multi_send_most,
            transfer: of("transfer", Some(self.transfer.single))?,
            open_one_sided: of("open.one_sided", one(&self.open_one_sided))?,
            open_two_sided: of("open.two_sided", one(&self.open_two_sided))?,
            close: of("close.cooperative", Some(self.cooperative_close))?,
            post: of("close.post", self.post)?,
            answer: of("close.answer", self.answer)?,
            payout: payout.max(after_answer),
        })
    }
}

impl Limits {
    /// A block's challenge window and finality end at a time that a run can tell.
    fn check_time(&self) -> Result<(), Wanting> {
        const MOST_MS: u64 = 1 << 50;
        let blocks = u64::from(self.finality_blocks) + u64::from(self.challenge_window_blocks);
        if self
            .interval_ms
            .checked_mul(blocks + 1)
            .is_none_or(|ms| ms > MOST_MS)
        {
            return Err(Wanting(format!(
                "`block.interval_ms` is {}: expected the window and the finality, {blocks} blocks, \
                 to end within {MOST_MS} ms",
                self.interval_ms
            )));
        }
        Ok(())
    }

    /// Every transaction fits into a block, whatever it would be split into on the chain.
    fn check(&self) -> Result<(), Wanting> {
        let of_channels = self.channel_units.unwrap_or(self.block_units);
        let Prices {
            transfer,
            open_one_sided,
            open_two_sided,
            close,
            post,
            answer,
            payout,
            ..
        } = self.prices;
        // A roll-over is a close and an open in one.
        let roll_over = close.saturating_add(open_two_sided);
        for (field, units, limit) in [
            ("transfer.units", transfer, self.block_units),
            ("open.one_sided.units", open_one_sided, of_channels),
            ("open.two_sided.units", open_two_sided, of_channels),
            ("close.cooperative.units", close, of_channels),
            ("close.post.units", post, of_channels),
            ("close.answer.units", answer, of_channels),
            ("close.payout.units", payout, of_channels),
            (
                "close.cooperative.units` with `open.two_sided.units",
                roll_over,
                of_channels,
            ),
        ] {
            if units > limit {
                return Err(Wanting(format!(
                    "`{field}` is {units}: expected at most {limit}, what a block has for it, in \
                     one transaction"
                )));
            }
        }
        Ok(())
    }
}

/// Why no Layer 1 runs by a profile: the field, and what was expected.
struct Wanting(String);

fn missing(field: &str) -> Wanting {
    Wanting(format!("missing field `{field}`"))
}

/// Blocks and transactions are counted in 32 bits.
fn counted(field: &str, value: u64) -> Result<u32, Wanting> {
    u32::try_from(value).map_err(|_| {
        let most = u32::MAX;
        Wanting(format!("`{field}` is {value}: expected at most {most}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A known profile's text, with some of it replaced.
    fn limits(name: &str, changes: &[(&str, &str)]) -> Result<Limits, String> {
        let text = super::super::ProfileText::find(name).unwrap().text;
        let text = changes.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let profile = Profile::parse("my.toml", &text).unwrap();
        profile.limits().map_err(|error| error.to_string())
    }

    #[test]
    fn runs_can_be_made_by_every_known_profile() {
        // Block and channel units, interval, finality, window, mempool, order, answers, prices.
        for (name, units, times, mempool, order, prices) in [
            (
                "duet",
                (2_857, None),
                (12_000, 0, 144),
                65_536,
                ("arrival", "reserved"),
                [1; 7],
            ),
            (
                "ethereum-60m",
                (60_000_000, None),
                (12_000, 64, 7_200),
                6_144,
                ("base-fee", "compete"),
                [21_000, 46_496, 75_904, 111_514, 113_146, 96_482, 82_026],
            ),
            (
                "bitcoin",
                (4_000_000, None),
                (600_000, 6, 144),
                200_000,
                ("fee", "compete"),
                [562, 610, 610, 676, 1_124, 490, 490],
            ),
            (
                "solana-like",
                (100_000_000, Some(12_000_000)),
                (400, 32, 216_000),
                100_000,
                ("fee", "compete"),
                [1_470, 11_620, 12_640, 16_780, 15_880, 15_880, 12_220],
            ),
            (
                "cometbft-default",
                (4 << 20, None),
                (1_000, 1, 86_400),
                5_000,
                ("arrival", "compete"),
                [145, 161, 233, 321, 321, 321, 129],
            ),
        ] {
            let found = limits(name, &[]).unwrap();
            assert_eq!((found.block_units, found.channel_units), units, "{name}");
            let window = found.challenge_window_blocks;
            let found_times = (found.interval_ms, found.finality_blocks, window);
            assert_eq!(found_times, times, "{name}");
            assert_eq!(found.mempool_transactions, mempool, "{name}");
            let found_order = (found.order.name(), found.answers.name());
            assert_eq!(found_order, order, "{name}");
            let of = found.prices;
            let found_prices = [
                of.transfer,
                of.open_one_sided,
                of.open_two_sided,
                of.close,
                of.post,
                of.answer,
                of.payout,
            ];
            assert_eq!(found_prices, prices, "{name}");
            assert!(found.block_transactions.is_none(), "{name}");
            assert!(!found.money.is_empty(), "{name}");
        }
    }

    #[test]
    fn what_no_run_can_be_made_by_is_named() {
        for (changes, words) in [
            (
                &[("challenge_window_blocks = {", "# {")][..],
                "missing field `block.challenge_window_blocks`",
            ),
            (
                &[("[mempool]\ntransactions = {", "# {")],
                "missing field `mempool.transactions`",
            ),
            (
                &[("value = 65_536", "value = 4_294_967_296")],
                "`mempool.transactions` is 4294967296: expected at most 4294967295",
            ),
            (
                &[("value = 2_857", "value = 1")],
                "`close.cooperative.units` with `open.two_sided.units` is 2: expected at most 1",
            ),
        ] {
            let message = limits("duet", changes).unwrap_err();
            // What is there has its line.
            let missing = words.starts_with("missing");
            assert_eq!(message.starts_with("my.toml: line "), !missing, "{message}");
            assert!(message.starts_with("my.toml: "), "{message}");
            assert!(
                message.contains(&format!(": not for a run: {words}")),
                "{message}"
            );
        }
        for (field, is_missing) in [
            (
                "order",
                (|profile| profile.market = None) as fn(&mut Profile),
            ),
            ("open.one_sided", |profile| profile.open_one_sided = None),
            ("open.two_sided", |profile| profile.open_two_sided = None),
            ("close.post", |profile| profile.post = None),
            ("close.answer", |profile| profile.answer = None),
            ("close.payout", |profile| profile.payout = None),
        ] {
            let mut profile = Profile::find("duet").unwrap();
            is_missing(&mut profile);
            let message = profile.limits().unwrap_err().to_string();
            let expected = format!("duet: not for a run: missing field `{field}`");
            assert_eq!(message, expected);
        }
    }

    /// Two transactions on Ethereum, of which each would fit where both together do not.
    #[test]
    fn what_takes_two_transactions_counts_as_one() {
        let mut profile = Profile::find("ethereum-60m").unwrap();
        let open = profile.open_two_sided.as_mut().unwrap();
        open.single.units = 60_000_001;
        let message = profile.limits().unwrap_err().to_string();
        assert!(
            message.contains("`open.two_sided.units` is 60000001: expected at most 60000000"),
            "{message}"
        );
    }
}
