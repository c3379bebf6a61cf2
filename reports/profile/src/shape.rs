//! The shape of a profile's file: its fields, their types, and the range of each number.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};

use super::{Answers, By};

/// The largest number in a profile.
const LARGEST: u64 = 1_000_000_000_000_000;

/// A whole number from `LEAST` to [`LARGEST`].
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Whole<const LEAST: u64>(pub(super) u64);

impl<const LEAST: u64> TryFrom<i64> for Whole<LEAST> {
    type Error = String;

    fn try_from(given: i64) -> Result<Self, String> {
        let value = u64::try_from(given).ok();
        let value = value.filter(|value| (LEAST..=LARGEST).contains(value));
        value
            .map(Whole)
            .ok_or_else(|| format!("is {given}: expected a whole number from {LEAST} to {LARGEST}"))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProfile {
    pub(super) name: String,
    pub(super) unit: String,
    #[serde(default)]
    pub(super) about: String,
    pub(super) block: RawBlock,
    pub(super) escrow: Option<RawEscrow>,
    pub(super) mempool: Option<RawMempool>,
    pub(super) order: Option<RawOrder>,
    pub(super) fees: Option<RawFees>,
    pub(super) transfer: RawPrice<1>,
    pub(super) open: RawOpen,
    pub(super) close: RawClose,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBlock {
    pub(super) units: RawConstant<1>,
    pub(super) bytes: Option<RawLimit>,
    pub(super) transactions: Option<RawLimit>,
    pub(super) transaction_units: Option<RawConstant<1>>,
    pub(super) account_units: Option<RawConstant<1>>,
    pub(super) interval_ms: RawConstant<1>,
    /// May be none: a block can be final when it is made.
    pub(super) finality_blocks: Option<RawConstant<0>>,
    pub(super) challenge_window_blocks: Option<RawConstant<1>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMempool {
    pub(super) transactions: RawConstant<1>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOrder {
    pub(super) by: RawWord<By>,
    pub(super) answers: RawWord<Answers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFees {
    pub(super) money: RawWord<String>,
    /// May be nothing: blocks can have room for all.
    pub(super) fixed: Option<RawConstant<0>>,
    pub(super) per_million_units: Option<RawConstant<1>>,
    pub(super) tip_per_million_units: Option<RawConstant<0>>,
    pub(super) least_per_million_units: Option<RawConstant<1>>,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a number with its source, as { value = 1, source = \"…\" }"
)]
pub(super) struct RawConstant<const LEAST: u64> {
    pub(super) value: Whole<LEAST>,
    pub(super) source: Option<String>,
    pub(super) assumption: Option<String>,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a word with its source, as { value = \"…\", source = \"…\" }"
)]
pub(super) struct RawWord<T> {
    pub(super) value: T,
    pub(super) source: Option<String>,
    pub(super) assumption: Option<String>,
}

/// A number, or the word `unlimited`, which needs no source.
pub(super) enum RawLimit {
    Unlimited,
    At(RawConstant<1>),
}

impl<'de> Deserialize<'de> for RawLimit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(LimitVisitor)
    }
}

struct LimitVisitor;

impl<'de> de::Visitor<'de> for LimitVisitor {
    type Value = RawLimit;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a number with its source, or \"unlimited\"")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<RawLimit, E> {
        match word {
            "unlimited" => Ok(RawLimit::Unlimited),
            _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RawLimit, A::Error> {
        let limit = RawConstant::deserialize(MapAccessDeserializer::new(map));
        let hint = |error| de::Error::custom(format!("{error}; or \"unlimited\", by itself"));
        limit.map(RawLimit::At).map_err(hint)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEscrow {
    pub(super) shared: bool,
    pub(super) source: Option<String>,
    pub(super) assumption: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOpen {
    pub(super) one_sided: Option<RawPrice<1>>,
    pub(super) two_sided: Option<RawPrice<1>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClose {
    pub(super) cooperative: RawPrice<1>,
    pub(super) post: Option<RawPrice<1>>,
    pub(super) answer: Option<RawPrice<1>>,
    pub(super) payout: Option<RawPrice<1>>,
    /// May be nothing: an answer can be the payout.
    pub(super) payout_after_answer: Option<RawPrice<0>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrice<const LEAST: u64> {
    pub(super) units: Whole<LEAST>,
    pub(super) transactions: Option<Whole<LEAST>>,
    pub(super) source: Option<String>,
    pub(super) assumption: Option<String>,
    /// Only of openings and transfers.
    pub(super) batched: Option<RawBatched>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBatched {
    pub(super) transactions: Option<Whole<1>>,
    pub(super) first_units: Option<Whole<1>>,
    pub(super) each_further_units: Option<Whole<1>>,
    pub(super) at_most: Option<Whole<2>>,
    pub(super) points: Option<Vec<RawPoint>>,
    pub(super) source: Option<String>,
    pub(super) assumption: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPoint {
    pub(super) count: Whole<1>,
    pub(super) units: Whole<1>,
}
