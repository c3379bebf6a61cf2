//! From a profile's text to a [`Profile`]: what its numbers must satisfy together, and where in the
//! text they do not.

mod market;

use duet_terminal::layout;
use toml::de::{DeTable, DeValue};

use super::error::ProfileError;
use super::shape::{
    RawBatched, RawBlock, RawConstant, RawLimit, RawPoint, RawPrice, RawProfile, Whole,
};
use super::{BatchLaw, BatchPoint, Batched, Block, Constant, Kind, Price, Profile};

/// Bytes of the longest single transaction, 453, with a bid, 16: a block that holds less could keep
/// a channel from being closed.
const LEAST_BLOCK_BYTES: u64 = 453 + 16;

/// The most characters of what is printed within a sentence.
const MOST_OF_TEXT: usize = 100;

/// The most columns of a field's name in an error.
const MOST_OF_FIELD: usize = 80;

pub(super) fn profile(origin: &str, text: &str) -> Result<Profile, ProfileError> {
    let raw: RawProfile = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message().replace('\n', ", ");
        let message = message.replace("expected i64", "expected a whole number");
        let field = field_at(text, at).map(|field| layout::clip(&field, MOST_OF_FIELD));
        let detail = match field {
            Some(field) if message.starts_with("is ") => format!("`{field}` {message}"),
            Some(field) => format!("`{field}`: {message}"),
            None => message,
        };
        bad(origin, text, at, &detail)
    })?;
    let mut constants = Constants(Vec::new());
    let profile = constants.profile(raw);
    let profile = profile.map_err(|Wrong(field, what)| {
        bad(
            origin,
            text,
            start_of(text, &field),
            &format!("`{}`{what}", called(&field)),
        )
    })?;
    Ok(Profile {
        origin: origin.to_owned(),
        text: text.to_owned(),
        constants: constants.0,
        ..profile
    })
}

/// What is printed within a sentence.
fn is_short_text(field: &str, text: &str) -> Result<(), Wrong> {
    let wrong = if text.trim().is_empty() {
        " is empty: expected text".to_owned()
    } else if text.chars().count() > MOST_OF_TEXT || text.chars().any(char::is_control) {
        let shown = layout::clip(&text.escape_debug().to_string(), MOST_OF_FIELD);
        format!(" is \"{shown}\": expected one line of at most {MOST_OF_TEXT} characters")
    } else {
        return Ok(());
    };
    Err(Wrong(field.into(), wrong))
}

/// A field, with the place in an array as `points[2]`, and what is wrong with it.
struct Wrong(String, String);

/// Source and assumption.
type Origin<'a> = (&'a Option<String>, &'a Option<String>);

/// Every number that was read, with where it comes from.
struct Constants(Vec<Constant>);

impl Constants {
    fn profile(&mut self, raw: RawProfile) -> Result<Profile, Wrong> {
        for (field, text) in [("name", &raw.name), ("unit", &raw.unit)] {
            is_short_text(field, text)?;
        }
        // Whether it says anything is asked below.
        let money = raw.fees.as_ref().map(|fees| &fees.money.value);
        if let Some(money) = money.filter(|text| !text.trim().is_empty()) {
            is_short_text("fees.money", money)?;
        }
        let block = self.block(&raw.block)?;
        if raw.escrow.is_none() && block.account_units.is_some() {
            let what = " bounds nothing: expected `escrow.shared` beside it";
            return Err(Wrong("block.account_units".into(), what.into()));
        }
        if let Some(escrow) = &raw.escrow {
            given("escrow.shared", (&escrow.source, &escrow.assumption))?;
        }
        let mempool = raw.mempool.as_ref();
        let mempool = mempool.map(|raw| self.number("mempool.transactions", &raw.transactions));
        let mempool_transactions = mempool.transpose()?;
        let market = self.market(&raw)?;
        let shared_escrow = raw.escrow.as_ref().is_some_and(|escrow| escrow.shared);
        let (open, close) = (&raw.open, &raw.close);
        // What one transaction may take, direct and of channels.
        let direct = block.transaction_units.unwrap_or(block.units);
        let of_account = block.account_units.filter(|_| shared_escrow);
        let limit = of_account.map_or(direct, |units| units.min(direct));
        let transfer = self.kind("transfer", &raw.transfer, direct)?;
        let mut opening = |name: &str, raw: &Option<RawPrice<1>>| {
            let kind = raw.as_ref().map(|raw| self.kind(name, raw, limit));
            kind.transpose()
        };
        let open_one_sided = opening("open.one_sided", &open.one_sided)?;
        let open_two_sided = opening("open.two_sided", &open.two_sided)?;
        let after_answer = &close.payout_after_answer;
        Ok(Profile {
            origin: String::new(),
            text: String::new(),
            name: raw.name,
            unit: raw.unit,
            about: raw.about,
            shared_escrow,
            transfer,
            open_one_sided,
            open_two_sided,
            cooperative_close: self.price("close.cooperative", &close.cooperative, limit)?,
            post: self.closing("close.post", &close.post, limit)?,
            answer: self.closing("close.answer", &close.answer, limit)?,
            payout: self.closing("close.payout", &close.payout, limit)?,
            payout_after_answer: self.closing("close.payout_after_answer", after_answer, limit)?,
            block,
            mempool_transactions,
            market,
            constants: Vec::new(),
        })
    }

    fn block(&mut self, raw: &RawBlock) -> Result<Block, Wrong> {
        let whole = raw.units.value.0;
        let block = Block {
            units: self.number("block.units", &raw.units)?,
            bytes: self.limit("block.bytes", &raw.bytes)?,
            transactions: self.limit("block.transactions", &raw.transactions)?,
            transaction_units: self
                .number_if_any("block.transaction_units", &raw.transaction_units)?,
            account_units: self.number_if_any("block.account_units", &raw.account_units)?,
            interval_ms: self.number("block.interval_ms", &raw.interval_ms)?,
            finality_blocks: self.number_if_any("block.finality_blocks", &raw.finality_blocks)?,
            challenge_window_blocks: self.number_if_any(
                "block.challenge_window_blocks",
                &raw.challenge_window_blocks,
            )?,
        };
        if let Some(bytes) = block.bytes.filter(|bytes| *bytes < LEAST_BLOCK_BYTES) {
            let what = format!(
                " is {bytes}: expected at least {LEAST_BLOCK_BYTES}, the longest single \
                 transaction with a bid"
            );
            return Err(Wrong("block.bytes".into(), what));
        }
        for (field, part) in [
            ("transaction_units", block.transaction_units),
            ("account_units", block.account_units),
        ] {
            if let Some(units) = part.filter(|units| *units > whole) {
                let what = format!(" is {units}: expected at most the block's, {whole}");
                return Err(Wrong(format!("block.{field}"), what));
            }
        }
        Ok(block)
    }

    fn number<const LEAST: u64>(
        &mut self,
        field: &str,
        raw: &RawConstant<LEAST>,
    ) -> Result<u64, Wrong> {
        let origin = (&raw.source, &raw.assumption);
        self.keep(field.into(), raw.value.0, origin)
    }

    /// None if it is unlimited.
    fn limit(&mut self, field: &str, raw: &Option<RawLimit>) -> Result<Option<u64>, Wrong> {
        match raw {
            None | Some(RawLimit::Unlimited) => Ok(None),
            Some(RawLimit::At(raw)) => self.number(field, raw).map(Some),
        }
    }

    fn number_if_any<const LEAST: u64>(
        &mut self,
        field: &str,
        raw: &Option<RawConstant<LEAST>>,
    ) -> Result<Option<u64>, Wrong> {
        let number = raw.as_ref().map(|raw| self.number(field, raw));
        number.transpose()
    }

    fn closing<const LEAST: u64>(
        &mut self,
        name: &str,
        raw: &Option<RawPrice<LEAST>>,
        limit: u64,
    ) -> Result<Option<Price>, Wrong> {
        let price = raw.as_ref().map(|raw| self.price(name, raw, limit));
        price.transpose()
    }

    fn price<const LEAST: u64>(
        &mut self,
        name: &str,
        raw: &RawPrice<LEAST>,
        limit: u64,
    ) -> Result<Price, Wrong> {
        if raw.batched.is_some() && name.starts_with("close.") {
            let what = ": unknown field `batched`, expected only in `open` and `transfer`";
            return Err(Wrong(format!("{name}.batched"), what.into()));
        }
        let (field, units) = (format!("{name}.units"), raw.units.0);
        let transactions = raw.transactions.map_or(1, |count| count.0);
        if u128::from(units) > u128::from(limit) * u128::from(transactions) {
            let what = format!(
                " is {units}: expected at most {limit} for each of {transactions} transactions"
            );
            return Err(Wrong(field, what));
        }
        self.keep(field, units, (&raw.source, &raw.assumption))?;
        Ok(Price {
            units,
            transactions,
        })
    }

    fn kind(&mut self, name: &str, raw: &RawPrice<1>, limit: u64) -> Result<Kind, Wrong> {
        let single = self.price(name, raw, limit)?;
        let batched = raw.batched.as_ref();
        let batched = batched.map(|raw| self.batched(&format!("{name}.batched"), raw, single));
        Ok(Kind {
            single,
            batched: batched.transpose()?,
        })
    }

    fn batched(&mut self, name: &str, raw: &RawBatched, single: Price) -> Result<Batched, Wrong> {
        let origin = (&raw.source, &raw.assumption);
        let mut keep = |field: &str, value| self.keep(format!("{name}.{field}"), value, origin);
        let (law, of_two, field) = match (raw.each_further_units, &raw.points) {
            (Some(Whole(each)), None) => {
                let first = match raw.first_units {
                    Some(Whole(first)) => keep("first_units", first)?,
                    None => single.units,
                };
                keep("each_further_units", each)?;
                let at_most = raw.at_most.map(|most| keep("at_most", most.0));
                let law = BatchLaw::Linear {
                    first_units: first,
                    each_further_units: each,
                    at_most: at_most.transpose()?,
                };
                (law, first + each, "each_further_units")
            }
            (None, Some(points)) => {
                if raw.first_units.is_some() || raw.at_most.is_some() {
                    let what = ": expected no `first_units`, `at_most` beside `points`";
                    return Err(Wrong(name.into(), what.into()));
                }
                let points = rising(&format!("{name}.points"), points)?;
                for point in &points {
                    keep(&format!("points.{}", point.count), point.units)?;
                }
                let of_two = points[0].units;
                (BatchLaw::Measured(points), of_two, "points")
            }
            _ => {
                let what = ": expected either `each_further_units` or `points`, not both";
                return Err(Wrong(name.into(), what.into()));
            }
        };
        // Below that, more payments would cost less than fewer, and no break-even would be the
        // least.
        if of_two < single.units {
            let units = single.units;
            let what = format!(": a batch costs {of_two}: expected at least {units}, one alone");
            return Err(Wrong(format!("{name}.{field}"), what));
        }
        Ok(Batched {
            transactions: raw.transactions.map_or(1, |count| count.0),
            law,
        })
    }

    /// No number stands alone.
    fn keep(&mut self, name: String, value: u64, origin: Origin) -> Result<u64, Wrong> {
        given(&name, origin)?;
        self.0.push(Constant {
            name,
            value,
            source: origin.0.clone(),
            assumption: origin.1.clone(),
        });
        Ok(value)
    }
}

/// Two points or more, the first of 1 or 2, each above the one before.
fn rising(field: &str, raw: &[RawPoint]) -> Result<Vec<BatchPoint>, Wrong> {
    let mut points: Vec<BatchPoint> = Vec::new();
    for (index, point) in raw.iter().enumerate() {
        let (count, units) = (point.count.0, point.units.0);
        let before = points.last();
        if before.is_none() && count > 2 {
            let what = format!(" is {count}: expected 1 or 2 in the first point");
            return Err(Wrong(format!("{field}[{index}].count"), what));
        }
        for (part, value, before) in [
            ("count", count, before.map(|before| before.count)),
            ("units", units, before.map(|before| before.units)),
        ] {
            if let Some(before) = before.filter(|before| value <= *before) {
                let what = format!(" is {value}: expected more than {before}, the one before");
                return Err(Wrong(format!("{field}[{index}].{part}"), what));
            }
        }
        points.push(BatchPoint { count, units });
    }
    match points.len() {
        0 | 1 => Err(Wrong(field.into(), ": expected two points or more".into())),
        _ => Ok(points),
    }
}

fn given(field: &str, (source, assumption): Origin) -> Result<(), Wrong> {
    let mut texts = [source, assumption].into_iter().flatten();
    match texts.any(|text| !text.trim().is_empty()) {
        true => Ok(()),
        false => Err(Wrong(
            field.into(),
            ": expected a `source` or an `assumption`".into(),
        )),
    }
}

fn bad(origin: &str, text: &str, at: usize, detail: &str) -> ProfileError {
    let before = &text.as_bytes()[..at.min(text.len())];
    ProfileError::Bad {
        origin: origin.to_owned(),
        line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        detail: layout::detail(detail),
    }
}

/// The line of a field, from 1, if the text has it.
pub(super) fn line_of(text: &str, field: &str) -> Option<usize> {
    let at = start_of(text, field);
    (at > 0).then(|| 1 + text[..at].matches('\n').count())
}

/// The byte at which a field's value stands, or the innermost one around it that there is.
fn start_of(text: &str, field: &str) -> usize {
    let Ok(whole) = DeTable::parse(text) else {
        return 0;
    };
    let (mut table, mut at) = (Some(whole.get_ref()), 0);
    for part in field.split('.') {
        let (key, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
            Some((key, index)) => (key, index.parse().ok()),
            None => (part, None),
        };
        let found = table.and_then(|table| table.get(key));
        let found = match (found, index) {
            (Some(array), Some(index)) => array
                .get_ref()
                .as_array()
                .and_then(|of| of.get::<usize>(index)),
            (found, _) => found,
        };
        if let Some(value) = found {
            at = value.span().start;
            table = value.get_ref().as_table();
        }
    }
    at
}

/// A field as it is called: which of several points it is of is told by its line.
fn called(field: &str) -> String {
    let parts = field
        .split('.')
        .map(|part| part.split('[').next().unwrap_or(part));
    parts.collect::<Vec<_>>().join(".")
}

/// The field that stands at a byte of the text: its key, after those of the tables around it. None
/// where the text is no TOML, or nothing stands there.
fn field_at(text: &str, at: usize) -> Option<String> {
    let whole = DeTable::parse(text).ok()?;
    let mut keys = Vec::new();
    keys_at(whole.get_ref(), at, &mut keys);
    // A constant is called by its name, and its number is what it is.
    keys.pop_if(|last| last == "value");
    (!keys.is_empty()).then(|| keys.join("."))
}

/// The keys on the way to a byte, by the tables and arrays around it.
fn keys_at(table: &DeTable<'_>, at: usize, keys: &mut Vec<String>) {
    let is_around = |span: std::ops::Range<usize>| span.contains(&at);
    for (key, value) in table {
        // A table under a heading spans its heading alone: what is in it is asked first.
        let before = keys.len();
        keys.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => keys_at(inner, at, keys),
            DeValue::Array(all) => {
                let tables = all.iter().filter_map(|one| one.get_ref().as_table());
                tables.for_each(|inner| {
                    if keys.len() == before + 1 {
                        keys_at(inner, at, keys);
                    }
                });
            }
            _ => {}
        }
        if keys.len() > before + 1 || is_around(key.span()) || is_around(value.span()) {
            return;
        }
        keys.truncate(before);
    }
}
