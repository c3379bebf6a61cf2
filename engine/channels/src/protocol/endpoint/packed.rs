//! Proposals in few bytes: what follows from the rest is left out. What a window keeps of a
//! proposal is also what a record says of it.
//!
//! `entries << 2 | tagged << 1 | pass` number · per entry: amount number, and tag number if tagged
//! · own signature 64. A *number* is an LEB128 varint of up to 64 bits, in its shortest form.

use super::super::amount::Amount;
use super::super::entry::{Balance, Entry, EntryBytes, Limits, Payment};
use super::super::message::Message;
use super::super::new_state::NewState;
use super::super::terms::Party;
use crate::crypto::Signature;

/// Entries that are packed at a time.
const GROUP: usize = 64;
/// The longest number.
const LONGEST: usize = 10;

/// Appends a proposal of these entries.
pub(super) fn pack(entries: &[EntryBytes], signature: &Signature, pass: bool, out: &mut Vec<u8>) {
    let tags = entries.iter().map(|entry| Entry::decode(entry).tag);
    let tagged = tags.fold(0, |all, tag| all | tag) != 0;
    let header = (entries.len() as u64) << 2 | u64::from(tagged) << 1 | u64::from(pass);
    number(header, out);
    if tagged {
        for entry in entries {
            let entry = Entry::decode(entry);
            number(entry.amount.units(), out);
            number(entry.tag, out);
        }
    } else {
        pack_amounts(entries, out);
    }
    out.extend_from_slice(&signature.0);
}

/// As [`number`] for each amount, a group at a time: most amounts have one byte or two, and which
/// of both is a matter of arithmetic, not of branches.
fn pack_amounts(entries: &[EntryBytes], out: &mut Vec<u8>) {
    for group in entries.chunks(GROUP) {
        let mut bytes = [0; GROUP * LONGEST];
        let mut len = 0;
        for entry in group {
            let mut amount = Entry::decode(entry).amount.units();
            while amount >= 0x4000 {
                bytes[len] = amount as u8 | 0x80;
                len += 1;
                amount >>= 7;
            }
            let more = u8::from(amount >= 0x80);
            bytes[len] = amount as u8 & 0x7f | more << 7;
            // Nothing, if there is no more: the next amount lies over it.
            bytes[len + 1] = (amount >> 7) as u8;
            len += 1 + usize::from(more);
        }
        out.extend_from_slice(&bytes[..len]);
    }
}

/// Appends a number in its shortest form: seven bits a byte, the lowest first, the top bit set in
/// all but the last.
pub(super) fn number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends the message that a packed proposal was, made again from the state that it led to.
///
/// # Panics
/// If these are not the bytes of that state's proposal by this party: our own bug.
pub(super) fn unpack(
    packed: &[u8],
    state: &NewState,
    me: Party,
    limits: &Limits,
    wire: &mut Vec<u8>,
) {
    let mut rest = packed;
    let header = take(&mut rest);
    let (tagged, pass) = (header & 2 != 0, header & 1 != 0);
    let payments: Vec<Payment> = (0..header >> 2)
        .map(|_| Payment {
            payer: me,
            amount: Amount::new(take(&mut rest)),
            tag: if tagged { take(&mut rest) } else { 0 },
        })
        .collect();
    let paid: u64 = payments.iter().map(|payment| payment.amount.units()).sum();
    let after = state.tip.balance.a.units();
    let mut balance = Balance {
        version: state.from.0,
        a: Amount::new(match me {
            Party::A => after + paid,
            Party::B => after - paid,
        }),
    };
    let mut entries = Vec::with_capacity(payments.len());
    for payment in &payments {
        let (entry, after) = balance
            .step(payment, limits)
            .expect("a payment that was made");
        entries.push(entry.encode());
        balance = after;
    }
    assert_eq!(balance, state.tip.balance, "the state's own payments");
    let signature = Signature(rest.try_into().expect("a signature, and no more"));
    Message::Proposal {
        entries: &entries,
        signature,
        pass,
    }
    .encode(wire);
}

/// Takes off a number of our own.
fn take(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for place in 0..LONGEST {
        let (byte, rest) = bytes.split_first().expect("a number");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return number;
        }
    }
    panic!("a number of more than {LONGEST} bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::burst::Burst;
    use super::super::super::fixture::channel_with;
    use super::super::super::new_state::Tip;
    use super::super::Rules;
    use super::*;
    use crate::crypto::Digest;

    /// Amounts of each number of bytes, and mostly small ones.
    fn amount() -> impl Strategy<Value = u64> {
        prop_oneof![
            8 => 1_u64..0x100,
            8 => 0x70_u64..0x4100,
            2 => 0x3000_u64..1 << 40,
        ]
    }

    fn tag() -> impl Strategy<Value = u64> {
        prop_oneof![4 => Just(0), 1 => 0_u64..1 << 63]
    }

    proptest! {
        /// Numbers are packed as they are alone, and a message comes out again as it was.
        #[test]
        fn a_proposal_comes_back_as_it_was(
            payments in prop::collection::vec((amount(), tag()), 1..200),
            pass: bool,
            first in 0_usize..5,
            by_b: bool,
        ) {
            let rules = Rules { cosign_every: 1000, in_flight: 8 };
            let [mut a, mut b] = channel_with(3, rules, 1 << 46).ends;
            let half = Balance { version: 7, a: Amount::new(1 << 45) };
            for end in [&mut a, &mut b] {
                end.stand_at(Tip { balance: half, head: Digest([5; 32]) });
            }
            let end = if by_b { b } else { a };
            let mut burst = Burst::default();
            burst.begin(&end);
            for (i, &(amount, tag)) in payments.iter().enumerate() {
                let payment = Payment { payer: end.me(), amount: Amount::new(amount), tag };
                // What the balance does not cover is not paid.
                let _ = burst.pay(&payment);
                // The state does not begin at the opening.
                if i < first && burst.uncut() > 0 {
                    burst.cut();
                }
            }
            burst.cut();
            burst.hash();
            prop_assume!(!burst.is_empty());
            let signature = Signature([7; 64]);
            for state in burst.states() {
                let entries = burst.entries_of(state);
                let mut packed = Vec::new();
                pack(entries, &signature, pass, &mut packed);

                let decoded: Vec<Entry> = entries.iter().map(Entry::decode).collect();
                let tagged = decoded.iter().any(|entry| entry.tag != 0);
                let mut plain = Vec::new();
                number((entries.len() as u64) << 2 | u64::from(tagged) << 1 | u64::from(pass), &mut plain);
                for entry in &decoded {
                    number(entry.amount.units(), &mut plain);
                    if tagged {
                        number(entry.tag, &mut plain);
                    }
                }
                plain.extend_from_slice(&signature.0);
                prop_assert_eq!(&packed, &plain);

                let mut sent = Vec::new();
                Message::Proposal { entries, signature, pass }.encode(&mut sent);
                let mut again = Vec::new();
                unpack(&packed, state, end.me(), end.limits(), &mut again);
                prop_assert_eq!(again, sent);
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
            number(of, &mut bytes);
            assert_eq!(bytes, expected, "{of}");
            assert_eq!(take(&mut &bytes[..]), of);
            let entry = Entry {
                version: 1,
                amount: Amount::new(of),
                balance_a: Amount::new(0),
                payer: Party::A,
                tag: 0,
            };
            let mut grouped = Vec::new();
            pack_amounts(&[entry.encode()], &mut grouped);
            assert_eq!(grouped, expected, "{of}");
        }
    }
}
