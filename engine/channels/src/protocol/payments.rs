//! A proposal's payments in few bytes: who pays and what results follows from the rest, and is left
//! out. So they travel, so they wait for an answer, and so a record has them.
//!
//! | tags | numbers |
//! | --- | --- |
//! | none: all are 0 | each amount |
//! | in a row: each is one more than the one before | each amount, the first tag |
//! | each | each amount with its tag |
//!
//! A *number* is an LEB128 varint of up to 64 bits, in its shortest form, and the first form of the
//! table that fits is the one: the same payments are the same bytes.

use super::amount::Amount;
use super::entry::{Entry, EntryBytes};
use super::rejection::Rejection;

/// Amounts that are packed, or read, at a time.
const GROUP: usize = 64;
/// The longest number.
const LONGEST: usize = 10;
/// Of each byte the bit that says that the number goes on.
const TOPS: u64 = 0x8080_8080_8080_8080;

/// What is said of the payments' tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tags {
    #[default]
    None,
    InARow,
    Each,
}

impl Tags {
    /// How many numbers payments are.
    fn numbers(self, count: u16) -> usize {
        match self {
            Tags::None => usize::from(count),
            Tags::InARow => usize::from(count) + 1,
            Tags::Each => 2 * usize::from(count),
        }
    }
}

/// What tags are so far.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    any: u64,
    count: u64,
    first: u64,
    /// Nothing as long as each is one more than the one before.
    breaks: u64,
}

impl Row {
    #[inline(always)]
    fn then(&mut self, tag: u64) {
        if self.count == 0 {
            self.first = tag;
        }
        self.any |= tag;
        self.breaks |= self.first.wrapping_add(self.count) ^ tag;
        self.count += 1;
    }

    fn tags(&self) -> Tags {
        match (self.any, self.breaks) {
            (0, _) => Tags::None,
            (_, 0) => Tags::InARow,
            _ => Tags::Each,
        }
    }
}

/// Payments as they are sent. Only how many numbers there are was looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payments<'a> {
    count: u16,
    tags: Tags,
    bytes: &'a [u8],
}

impl<'a> Payments<'a> {
    /// Takes so many payments off `bytes`; gives them and the rest, or none if there are not as
    /// many.
    pub(super) fn decode_first(
        count: u16,
        tags: Tags,
        bytes: &'a [u8],
    ) -> Option<(Payments<'a>, &'a [u8])> {
        let (bytes, rest) = bytes.split_at(end_of(tags.numbers(count), bytes)?);
        Some((Payments { count, tags, bytes }, rest))
    }

    /// Those of a state, packed.
    ///
    /// # Panics
    /// If there are more than 65,535; the co-sign interval is at most
    /// [`Rules::MOST_ENTRIES`](super::Rules::MOST_ENTRIES).
    pub(super) fn of_state(count: u32, tags: Tags, bytes: &'a [u8]) -> Payments<'a> {
        Payments {
            count: u16::try_from(count).expect("at most 65,535 entries"),
            tags,
            bytes,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn tags(&self) -> Tags {
        self.tags
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Hands each payment's amount and tag to `paid`, up to the first that it refuses.
    ///
    /// # Errors
    /// What `paid` says, or that the payments are malformed.
    pub fn each(
        &self,
        mut paid: impl FnMut(Amount, u64) -> Result<(), Rejection>,
    ) -> Result<(), Rejection> {
        self.groups(|amounts, tag| {
            let mut payments = amounts.iter().zip(0..);
            payments.try_for_each(|(amount, at)| paid(Amount::new(*amount), tag.of(at)))
        })
    }

    /// As [`Payments::each`], many amounts at a time, with the rule for their tags.
    #[inline(always)]
    pub(super) fn groups(
        &self,
        mut paid: impl FnMut(&[u64], TagRule) -> Result<(), Rejection>,
    ) -> Result<(), Rejection> {
        let malformed = Rejection::Malformed { what: "payments" };
        let mut rest = self.bytes;
        let mut rule = TagRule::default();
        match self.tags {
            Tags::None => {}
            Tags::InARow => {
                let (amounts, mut tag) = rest.split_at(last_number(rest));
                rest = amounts;
                rule.first = take(&mut tag).ok_or(malformed)?;
                rule.each = 1;
                if rule.first == 0 && self.count <= 1 {
                    return Err(malformed);
                }
            }
            Tags::Each => {
                let mut row = Row::default();
                for _ in 0..self.count {
                    let (amount, tag) = (take(&mut rest), take(&mut rest));
                    let (amount, tag) = amount.zip(tag).ok_or(malformed)?;
                    row.then(tag);
                    let rule = TagRule {
                        first: tag,
                        each: 0,
                    };
                    paid(&[amount], rule)?;
                }
                return match row.tags() {
                    Tags::Each => Ok(()),
                    Tags::None | Tags::InARow => Err(malformed),
                };
            }
        }
        // Where a number begins is known late: paying does not wait for it.
        let mut left = usize::from(self.count);
        let mut amounts = [0; GROUP];
        while left > 0 {
            let asked = left.min(GROUP);
            let read = take_many(&mut rest, &mut amounts[..asked]);
            paid(&amounts[..read], rule)?;
            if read < asked {
                return Err(malformed);
            }
            rule.first = rule.of(read as u64);
            left -= read;
        }
        Ok(())
    }
}

/// The tags of some payments.
#[derive(Clone, Copy, Default)]
pub(super) struct TagRule {
    first: u64,
    each: u64,
}

impl TagRule {
    /// That of the payment at this place. Beyond the largest there is none that a payment may
    /// have.
    #[inline(always)]
    pub(super) fn of(&self, at: u64) -> u64 {
        self.first.saturating_add(self.each * at)
    }
}

/// The payments of entries, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedPayments {
    count: u32,
    tags: Tags,
    bytes: Vec<u8>,
}

impl PackedPayments {
    /// Those of these entries.
    #[must_use]
    pub fn of(entries: &[EntryBytes]) -> PackedPayments {
        let mut bytes = Vec::new();
        let tags = pack(entries, &mut bytes);
        PackedPayments {
            count: entries.len() as u32,
            tags,
            bytes,
        }
    }

    /// As they are sent.
    ///
    /// # Panics
    /// If there are more than 65,535.
    #[must_use]
    pub fn payments(&self) -> Payments<'_> {
        Payments::of_state(self.count, self.tags, &self.bytes)
    }
}

/// Appends the payments of entries; gives what is said of their tags.
pub(super) fn pack(entries: &[EntryBytes], out: &mut Vec<u8>) -> Tags {
    let mut row = Row::default();
    let tags = entries.iter().map(|entry| Entry::decode(entry).tag);
    tags.for_each(|tag| row.then(tag));
    match row.tags() {
        Tags::None => pack_amounts(entries, out),
        Tags::InARow => {
            pack_amounts(entries, out);
            put_number(row.first, out);
        }
        Tags::Each => {
            for entry in entries {
                let entry = Entry::decode(entry);
                put_number(entry.amount.units(), out);
                put_number(entry.tag, out);
            }
        }
    }
    row.tags()
}

/// As [`put_number`] for each amount, a group at a time.
fn pack_amounts(entries: &[EntryBytes], out: &mut Vec<u8>) {
    for group in entries.chunks(GROUP) {
        let (mut bytes, mut all) = ([0; GROUP], 0);
        for (byte, entry) in bytes.iter_mut().zip(group) {
            let amount = Entry::decode(entry).amount.units();
            *byte = amount as u8;
            all |= amount;
        }
        // A byte each, which most are.
        if all < 0x80 {
            out.extend_from_slice(&bytes[..group.len()]);
            continue;
        }
        let amounts = group.iter().map(|entry| Entry::decode(entry).amount);
        amounts.for_each(|amount| put_number(amount.units(), out));
    }
}

/// Appends a number in its shortest form: seven bits a byte, the lowest first, the top bit set in
/// all but the last.
pub(super) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes off a number; none if it is not in its shortest form, or above 64 bits.
#[inline(always)]
fn take(bytes: &mut &[u8]) -> Option<u64> {
    // One byte or two, whichever: that is no branch.
    if let [low, high, ..] = **bytes {
        let more = low >> 7;
        if more == 0 || (1..0x80).contains(&high) {
            *bytes = &bytes[1 + usize::from(more)..];
            return Some(u64::from(low & 0x7f) | u64::from(more * high) << 7);
        }
    }
    take_long(bytes)
}

/// As many numbers as there is room for; gives how many there were before one that is none.
#[inline(always)]
fn take_many(bytes: &mut &[u8], numbers: &mut [u64]) -> usize {
    let mut read = 0;
    while read < numbers.len() {
        let room = &mut numbers[read..];
        // Eight of a byte each, which most are.
        if let Some((word, rest)) = bytes.split_first_chunk::<8>()
            && let Some(room) = room.first_chunk_mut::<8>()
            && u64::from_le_bytes(*word) & TOPS == 0
        {
            *room = word.map(u64::from);
            *bytes = rest;
            read += 8;
            continue;
        }
        for one in room.iter_mut().take(8) {
            let Some(number) = take(bytes) else {
                return read;
            };
            *one = number;
            read += 1;
        }
    }
    read
}

/// As [`take`], of any length.
#[cold]
fn take_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..LONGEST {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        let last = byte & 0x80 == 0;
        // A last byte of nothing is longer than it need be; the tenth has room for one bit.
        if last && bits == 0 && place > 0 || place + 1 == LONGEST && byte > 1 {
            return None;
        }
        number |= bits << (7 * place);
        if last {
            return Some(number);
        }
    }
    None
}

/// Where the last of some numbers begins.
fn last_number(bytes: &[u8]) -> usize {
    let before = bytes.split_last().map_or(&[][..], |(_, before)| before);
    let end = before.iter().rposition(|byte| *byte < 0x80);
    end.map_or(0, |end| end + 1)
}

/// Where so many numbers end; none if there are not as many.
fn end_of(numbers: usize, bytes: &[u8]) -> Option<usize> {
    let mut left = numbers;
    let (words, tail) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        if left == 0 {
            return Some(8 * at);
        }
        // The bytes that end a number, by their top bits.
        let mut ends = !u64::from_le_bytes(*word) & TOPS;
        let here = ends.count_ones() as usize;
        if here < left {
            left -= here;
            continue;
        }
        for _ in 1..left {
            ends &= ends - 1;
        }
        return Some(8 * at + ends.trailing_zeros() as usize / 8 + 1);
    }
    let start = bytes.len() - tail.len();
    if left == 0 {
        return Some(start);
    }
    let mut ends = tail.iter().enumerate().filter(|(_, byte)| **byte < 0x80);
    ends.nth(left - 1).map(|(at, _)| start + at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::terms::Party;
    use super::*;

    /// Amounts of each number of bytes, and mostly small ones.
    fn amount() -> impl Strategy<Value = u64> {
        prop_oneof![
            8 => 1_u64..0x100,
            8 => 0x70_u64..0x4100,
            2 => 0x3000_u64..1 << 40,
            1 => any::<u64>(),
        ]
    }

    /// Of each form, and nearly of each.
    fn tags() -> impl Strategy<Value = Vec<u64>> {
        let tag = prop_oneof![4 => Just(0), 1 => 0_u64..1 << 63];
        prop_oneof![
            Just(vec![0; 200]),
            (0_u64..1 << 62).prop_map(|first| (first..first + 200).collect()),
            (0_u64..4, 0_usize..200, 0_u64..4).prop_map(|(first, at, other)| {
                let mut tags: Vec<u64> = (first..first + 200).collect();
                tags[at] = other;
                tags
            }),
            prop::collection::vec(tag, 200),
        ]
    }

    fn paid(payments: &Payments<'_>) -> Result<Vec<(u64, u64)>, Rejection> {
        let mut paid = Vec::new();
        payments.each(|amount, tag| {
            paid.push((amount.units(), tag));
            Ok(())
        })?;
        Ok(paid)
    }

    fn entry(amount: u64, tag: u64) -> EntryBytes {
        let entry = Entry {
            version: 1,
            amount: Amount::new(amount),
            balance_a: Amount::new(3),
            payer: Party::B,
            tag,
        };
        entry.encode()
    }

    proptest! {
        /// Numbers are packed as they are alone; what follows is left; and payments come out as
        /// they went in.
        #[test]
        fn payments_come_back_as_they_were(
            amounts in prop::collection::vec(amount(), 0..200),
            tags in tags(),
            after in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let payments: Vec<(u64, u64)> = amounts.into_iter().zip(tags).collect();
            let entries: Vec<EntryBytes> =
                payments.iter().map(|&(amount, tag)| entry(amount, tag)).collect();
            let packed = PackedPayments::of(&entries);
            let are_zero = payments.iter().all(|&(_, tag)| tag == 0);
            let in_a_row = payments.windows(2).all(|two| two[0].1 + 1 == two[1].1);
            let mut plain = Vec::new();
            for &(amount, tag) in &payments {
                put_number(amount, &mut plain);
                if !(are_zero || in_a_row) {
                    put_number(tag, &mut plain);
                }
            }
            if in_a_row && !are_zero {
                put_number(payments[0].1, &mut plain);
            }
            prop_assert_eq!(&packed.bytes, &plain);
            plain.extend_from_slice(&after);
            let count = payments.len() as u16;
            let (read, rest) = Payments::decode_first(count, packed.tags, &plain).unwrap();
            prop_assert_eq!(rest, &after[..]);
            prop_assert_eq!(read, packed.payments());
            prop_assert_eq!(paid(&read), Ok(payments));
        }

        /// Bytes that say payments at all are the ones that these payments make.
        #[test]
        fn no_payments_have_two_forms(
            count in 1_u16..6,
            tags in prop_oneof![Just(Tags::None), Just(Tags::InARow), Just(Tags::Each)],
            bytes in prop::collection::vec(
                prop_oneof![any::<u8>(), 0_u8..4, Just(0), Just(0x80)],
                0..40,
            ),
        ) {
            let Some((read, rest)) = Payments::decode_first(count, tags, &bytes) else {
                let ends = bytes.iter().filter(|byte| **byte < 0x80).count();
                prop_assert!(ends < tags.numbers(count));
                return Ok(());
            };
            prop_assert_eq!(read.bytes().len() + rest.len(), bytes.len());
            if let Ok(payments) = paid(&read) {
                prop_assert_eq!(payments.len(), read.len());
                // A larger tag is refused as a payment's.
                prop_assume!(payments.iter().all(|&(_, tag)| tag >> 63 == 0));
                let entries: Vec<EntryBytes> = payments
                    .iter()
                    .map(|&(amount, tag)| entry(amount, tag))
                    .collect();
                let packed = PackedPayments::of(&entries);
                prop_assert_eq!(packed.payments(), read);
            }
        }
    }

    #[test]
    fn numbers_take_as_few_bytes_as_they_can() {
        for (of, expected) in [
            (0, &[0][..]),
            (0x7f, &[0x7f]),
            (0x80, &[0x80, 1]),
            (0x3fff, &[0xff, 0x7f]),
            (0x4000, &[0x80, 0x80, 1]),
            (
                u64::MAX,
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            ),
        ] {
            let mut bytes = Vec::new();
            put_number(of, &mut bytes);
            assert_eq!(bytes, expected, "{of}");
            // With something after it, and without.
            for more in [0, 1, 9] {
                let mut bytes = bytes.clone();
                bytes.resize(bytes.len() + more, 0x85);
                let mut rest = &bytes[..];
                assert_eq!(take(&mut rest), Some(of));
                assert_eq!(rest.len(), more);
            }
            let mut packed = Vec::new();
            pack_amounts(&[entry(of, 0)], &mut packed);
            assert_eq!(packed, expected, "{of}");
        }
        for longer in [
            &[0x80, 0][..],
            &[0xff, 0x80, 0],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            &[0x80; 12],
            &[0x80],
            &[],
        ] {
            assert_eq!(take(&mut &longer[..]), None, "{longer:?}");
        }
    }
}
