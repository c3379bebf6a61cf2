//! From a profile's text to a [`Profile`]: what its numbers must satisfy, and where they do not.

use std::ops::RangeInclusive;

use duet_terminal::layout;
use toml::Spanned;

use super::error::ProfileError;
use super::shape::{
    Origin, RawBatched, RawBlock, RawConstant, RawKind, RawPoint, RawPrice, RawProfile, Whole,
};
use super::{BatchLaw, BatchPoint, Batched, Block, Constant, Kind, Price, Profile};

/// The largest number in a profile.
const LARGEST: u64 = 1_000_000_000_000_000;
/// The most columns of a field's name in an error.
const MOST_OF_FIELD: usize = 80;

pub(super) fn profile(origin: &str, text: &str) -> Result<Profile, ProfileError> {
    let raw: RawProfile = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message().replace('\n', ", ");
        let detail = match field_at(text, at) {
            Some(field) => format!("`{}`: {message}", layout::clip(&field, MOST_OF_FIELD)),
            None => message,
        };
        bad(origin, text, at, detail)
    })?;
    let mut reader = Reader {
        origin,
        text,
        constants: Vec::new(),
    };
    let profile = reader.profile(raw)?;
    Ok(Profile {
        constants: reader.constants,
        ..profile
    })
}

struct Reader<'a> {
    origin: &'a str,
    text: &'a str,
    constants: Vec<Constant>,
}

impl Reader<'_> {
    fn profile(&mut self, raw: RawProfile) -> Result<Profile, ProfileError> {
        for (field, value) in [("name", &raw.name), ("unit", &raw.unit)] {
            if value.get_ref().trim().is_empty() {
                return Err(self.bad(
                    value.span().start,
                    format!("`{field}` is empty: expected text"),
                ));
            }
        }
        let block = self.block(&raw.block)?;
        let shared_escrow = match &raw.escrow {
            Some(escrow) => {
                self.origin_given("escrow.shared", &escrow.shared, &escrow.origin())?;
                *escrow.shared.get_ref()
            }
            None => false,
        };
        let close = raw.close;
        let profile = Profile {
            name: raw.name.into_inner(),
            unit: raw.unit.into_inner(),
            about: raw.about,
            shared_escrow,
            transfer: self.kind("transfer", raw.transfer, &block)?,
            open_one_sided: self.if_any("open.one_sided", raw.open.one_sided, &block)?,
            open_two_sided: self.if_any("open.two_sided", raw.open.two_sided, &block)?,
            cooperative_close: self.price("close.cooperative", &close.cooperative, &block, 1)?,
            post: self.price_if_any("close.post", close.post, &block, 1)?,
            answer: self.price_if_any("close.answer", close.answer, &block, 1)?,
            payout: self.price_if_any("close.payout", close.payout, &block, 1)?,
            // May be nothing: an answer can be the payout.
            payout_after_answer: self.price_if_any(
                "close.payout_after_answer",
                close.payout_after_answer,
                &block,
                0,
            )?,
            block,
            constants: Vec::new(),
        };
        Ok(profile)
    }

    fn block(&mut self, raw: &RawBlock) -> Result<Block, ProfileError> {
        let block = Block {
            units: self.constant("block.units", &raw.units)?,
            transaction_units: self
                .constant_if_any("block.transaction_units", raw.transaction_units.as_ref())?,
            account_units: self
                .constant_if_any("block.account_units", raw.account_units.as_ref())?,
            interval_ms: self.constant("block.interval_ms", &raw.interval_ms)?,
            finality_blocks: self
                .constant_if_any("block.finality_blocks", raw.finality_blocks.as_ref())?,
            challenge_window_blocks: self.constant_if_any(
                "block.challenge_window_blocks",
                raw.challenge_window_blocks.as_ref(),
            )?,
        };
        let parts = [
            (
                "transaction_units",
                block.transaction_units,
                &raw.transaction_units,
            ),
            ("account_units", block.account_units, &raw.account_units),
        ];
        for (field, units, raw) in parts {
            if let (Some(units), Some(raw)) = (units, raw)
                && units > block.units
            {
                let whole = block.units;
                return Err(self.bad(
                    raw.value.span().start,
                    format!("`block.{field}` is {units}: expected at most the block's, {whole}"),
                ));
            }
        }
        Ok(block)
    }

    fn if_any(
        &mut self,
        name: &str,
        raw: Option<RawKind>,
        block: &Block,
    ) -> Result<Option<Kind>, ProfileError> {
        raw.map(|raw| self.kind(name, raw, block)).transpose()
    }

    fn kind(&mut self, name: &str, raw: RawKind, block: &Block) -> Result<Kind, ProfileError> {
        let (units, batched) = (raw.units, raw.batched);
        let single = self.price(
            name,
            &RawPrice {
                units,
                transactions: raw.transactions,
                source: raw.source,
                assumption: raw.assumption,
            },
            block,
            1,
        )?;
        let batched = batched
            .map(|raw| self.batched(&format!("{name}.batched"), raw, single))
            .transpose()?;
        Ok(Kind { single, batched })
    }

    fn batched(
        &mut self,
        name: &str,
        raw: Spanned<RawBatched>,
        single: Price,
    ) -> Result<Batched, ProfileError> {
        let table = raw.span().start;
        let raw = raw.into_inner();
        let origin = (raw.source.clone(), raw.assumption.clone());
        let transactions = match &raw.transactions {
            Some(raw) => self.number(&format!("{name}.transactions"), raw, 1..=LARGEST)?,
            None => 1,
        };
        let (at, law) = match (raw.each_further_units, raw.points) {
            (Some(each), None) => {
                let at = each.span().start;
                self.origin_given(name, &each, &origin)?;
                let further = format!("{name}.each_further_units");
                let each_further_units = self.number(&further, &each, 1..=LARGEST)?;
                let first_units = match &raw.first_units {
                    Some(first) => {
                        let field = format!("{name}.first_units");
                        let units = self.number(&field, first, 1..=LARGEST)?;
                        self.keep(field, units, &origin);
                        units
                    }
                    None => single.units,
                };
                self.keep(further, each_further_units, &origin);
                let at_most = match &raw.at_most {
                    Some(most) => {
                        let field = format!("{name}.at_most");
                        let most = self.number(&field, most, 2..=LARGEST)?;
                        self.keep(field, most, &origin);
                        Some(most)
                    }
                    None => None,
                };
                let law = BatchLaw::Linear {
                    first_units,
                    each_further_units,
                    at_most,
                };
                (at, law)
            }
            (None, Some(points)) => {
                let at = points.span().start;
                self.origin_given(name, &points, &origin)?;
                if raw.first_units.is_some() || raw.at_most.is_some() {
                    let detail =
                        format!("`{name}`: expected no `first_units`, `at_most` beside `points`");
                    return Err(self.bad(at, detail));
                }
                (at, self.points(name, points, &origin)?)
            }
            _ => {
                let detail =
                    format!("`{name}`: expected either `each_further_units` or `points`, not both");
                return Err(self.bad(table, detail));
            }
        };
        // Below that, more payments would cost less than fewer, and no break-even would be the
        // least.
        let of_two = match &law {
            BatchLaw::Linear {
                first_units,
                each_further_units,
                ..
            } => first_units + each_further_units,
            BatchLaw::Measured(points) => points[0].units,
        };
        if of_two < single.units {
            let units = single.units;
            let detail =
                format!("`{name}`: a batch costs {of_two}: expected at least {units}, one alone");
            return Err(self.bad(at, detail));
        }
        Ok(Batched { transactions, law })
    }

    fn points(
        &mut self,
        name: &str,
        raw: Spanned<Vec<RawPoint>>,
        origin: &Origin,
    ) -> Result<BatchLaw, ProfileError> {
        let at = raw.span().start;
        let mut points: Vec<BatchPoint> = Vec::new();
        for raw in raw.into_inner() {
            let most_first = if points.is_empty() { 2 } else { LARGEST };
            let count = format!("{name}.points.count");
            let at_least = points.last().map_or(1, |last| last.count + 1);
            let count = self.number(&count, &raw.count, at_least..=most_first)?;
            let at_least = points.last().map_or(1, |last| last.units + 1);
            let units = format!("{name}.points.units");
            let units = self.number(&units, &raw.units, at_least..=LARGEST)?;
            self.keep(format!("{name}.points.{count}"), units, origin);
            points.push(BatchPoint { count, units });
        }
        if points.len() < 2 {
            let detail = format!("`{name}.points`: expected two points or more");
            return Err(self.bad(at, detail));
        }
        Ok(BatchLaw::Measured(points))
    }

    fn price_if_any(
        &mut self,
        name: &str,
        raw: Option<RawPrice>,
        block: &Block,
        least: u64,
    ) -> Result<Option<Price>, ProfileError> {
        raw.map(|raw| self.price(name, &raw, block, least))
            .transpose()
    }

    fn price(
        &mut self,
        name: &str,
        raw: &RawPrice,
        block: &Block,
        least: u64,
    ) -> Result<Price, ProfileError> {
        let origin = (raw.source.clone(), raw.assumption.clone());
        let field = format!("{name}.units");
        let units = self.number(&field, &raw.units, least..=LARGEST)?;
        self.origin_given(name, &raw.units, &origin)?;
        let transactions = match &raw.transactions {
            Some(raw) => self.number(&format!("{name}.transactions"), raw, least..=LARGEST)?,
            None => 1,
        };
        let limit = block.transaction_units.unwrap_or(block.units);
        if u128::from(units) > u128::from(limit) * u128::from(transactions) {
            let detail = format!(
                "`{field}` is {units}: expected at most {limit} for each of {transactions} transactions"
            );
            return Err(self.bad(raw.units.span().start, detail));
        }
        self.keep(field, units, &origin);
        Ok(Price {
            units,
            transactions,
        })
    }

    fn constant(&mut self, name: &str, raw: &RawConstant) -> Result<u64, ProfileError> {
        let value = self.number(name, &raw.value, 1..=LARGEST)?;
        let origin = (raw.source.clone(), raw.assumption.clone());
        self.origin_given(name, &raw.value, &origin)?;
        self.keep(name.to_owned(), value, &origin);
        Ok(value)
    }

    fn constant_if_any(
        &mut self,
        name: &str,
        raw: Option<&RawConstant>,
    ) -> Result<Option<u64>, ProfileError> {
        raw.map(|raw| self.constant(name, raw)).transpose()
    }

    fn number(
        &self,
        name: &str,
        raw: &Spanned<Whole>,
        range: RangeInclusive<u64>,
    ) -> Result<u64, ProfileError> {
        let Whole(given) = *raw.get_ref();
        match u64::try_from(given) {
            Ok(value) if range.contains(&value) => Ok(value),
            _ => {
                let (least, most) = (range.start(), range.end());
                let detail =
                    format!("`{name}` is {given}: expected a whole number from {least} to {most}");
                Err(self.bad(raw.span().start, detail))
            }
        }
    }

    /// No number stands alone.
    fn origin_given<T>(
        &self,
        name: &str,
        raw: &Spanned<T>,
        (source, assumption): &Origin,
    ) -> Result<(), ProfileError> {
        let given = [source, assumption]
            .into_iter()
            .flatten()
            .any(|text| !text.trim().is_empty());
        if given {
            Ok(())
        } else {
            let detail = format!("`{name}`: expected a `source` or an `assumption`");
            Err(self.bad(raw.span().start, detail))
        }
    }

    fn keep(&mut self, name: String, value: u64, (source, assumption): &Origin) {
        self.constants.push(Constant {
            name,
            value,
            source: source.clone(),
            assumption: assumption.clone(),
        });
    }

    fn bad(&self, at: usize, detail: String) -> ProfileError {
        bad(self.origin, self.text, at, detail)
    }
}

fn bad(origin: &str, text: &str, at: usize, detail: String) -> ProfileError {
    let before = &text.as_bytes()[..at.min(text.len())];
    ProfileError::Bad {
        origin: origin.to_owned(),
        line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        detail: layout::detail(&detail),
    }
}

/// The field that the line at a byte of the text is about: its key under the table's heading, or
/// the heading itself.
fn field_at(text: &str, at: usize) -> Option<String> {
    let at = at.min(text.len());
    let heading_of = |line: &str| {
        let line = line.trim().strip_prefix('[')?;
        Some(line.split(']').next()?.trim().to_owned())
    };
    let start = text.as_bytes()[..at]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let line = text.get(start..)?.lines().next()?;
    if let Some(heading) = heading_of(line) {
        return Some(heading);
    }
    let key = line.split_once('=')?.0.trim();
    let heading = text.get(..start)?.lines().rev().find_map(heading_of);
    Some(match heading {
        Some(heading) => format!("{heading}.{key}"),
        None => key.to_owned(),
    })
}
