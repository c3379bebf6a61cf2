//! The shape of a profile's file: its fields and their types. Judges no number.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

/// Source and assumption.
pub(super) type Origin = (Option<String>, Option<String>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProfile {
    pub(super) name: Spanned<String>,
    pub(super) unit: Spanned<String>,
    #[serde(default)]
    pub(super) about: String,
    pub(super) block: RawBlock,
    pub(super) escrow: Option<RawEscrow>,
    pub(super) transfer: RawKind,
    pub(super) open: RawOpen,
    pub(super) close: RawClose,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBlock {
    pub(super) units: RawConstant,
    pub(super) transaction_units: Option<RawConstant>,
    pub(super) account_units: Option<RawConstant>,
    pub(super) interval_ms: RawConstant,
    pub(super) finality_blocks: Option<RawConstant>,
    pub(super) challenge_window_blocks: Option<RawConstant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConstant {
    pub(super) value: Spanned<Whole>,
    pub(super) source: Option<String>,
    pub(super) assumption: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEscrow {
    pub(super) shared: Spanned<bool>,
    pub(super) source: Option<String>,
    pub(super) assumption: Option<String>,
}

impl RawEscrow {
    pub(super) fn origin(&self) -> Origin {
        (self.source.clone(), self.assumption.clone())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOpen {
    pub(super) one_sided: Option<RawKind>,
    pub(super) two_sided: Option<RawKind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClose {
    pub(super) cooperative: RawPrice,
    pub(super) post: Option<RawPrice>,
    pub(super) answer: Option<RawPrice>,
    pub(super) payout: Option<RawPrice>,
    pub(super) payout_after_answer: Option<RawPrice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrice {
    pub(super) units: Spanned<Whole>,
    pub(super) transactions: Option<Spanned<Whole>>,
    pub(super) source: Option<String>,
    pub(super) assumption: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawKind {
    pub(super) units: Spanned<Whole>,
    pub(super) transactions: Option<Spanned<Whole>>,
    pub(super) source: Option<String>,
    pub(super) assumption: Option<String>,
    pub(super) batched: Option<Spanned<RawBatched>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBatched {
    pub(super) transactions: Option<Spanned<Whole>>,
    pub(super) first_units: Option<Spanned<Whole>>,
    pub(super) each_further_units: Option<Spanned<Whole>>,
    pub(super) at_most: Option<Spanned<Whole>>,
    pub(super) points: Option<Spanned<Vec<RawPoint>>>,
    pub(super) source: Option<String>,
    pub(super) assumption: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPoint {
    pub(super) count: Spanned<Whole>,
    pub(super) units: Spanned<Whole>,
}

/// Any whole number that TOML can write, so that one out of range is called by its field's name.
#[derive(Clone, Copy)]
pub(super) struct Whole(pub(super) i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct WholeVisitor;
        impl de::Visitor<'_> for WholeVisitor {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Whole, E> {
                Ok(Whole(value))
            }
        }
        from.deserialize_i64(WholeVisitor)
    }
}
