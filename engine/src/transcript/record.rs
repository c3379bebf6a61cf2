//! What an audit log's records say, as bytes. Compact: of a log entry only the amount and the tag
//! are kept, since version, balance and payer follow from the entries before, and what both parties
//! signed proves that they were those.
//!
//! | record | bytes |
//! | --- | --- |
//! | any | `length u32 · kind u8 · content` |
//! | 1 burst | `session u64 · channel 32 · version before u64 · payer u8 · proposals u32 · answers u32`, proposals, answers |
//! | a proposal | `entries and pass`, entries, `signature 64` |
//! | an entry | `amount`, `tag` |
//! | an answer | `proposals answered`, `signature 64` |
//! | 2 genesis | `block transactions u32 · block bytes u64 · fee u64 · accounts u64 · label` |
//! | 3 account | `key 32 · amount u64` |
//! | 4 block | *header*, `body` |
//! | a header | `parent 32 · height u64 · transactions u32 · body hash 32`, and a state root's 32 |
//! | 5 scarcity | what else Layer 1 is set up with: [`Config::scarcity`] |
//! | 6 validators | their keys, 32 each |
//! | 7 certificate | of the block before, or of one of nothing: [`Certificate::encode`] |
//!
//! A scarcity follows the genesis at once, and is there only where it says something. Validators
//! follow the last account, and are there only where Layer 1 has some: then each block is followed
//! by its certificate, and where they decided for one of nothing, there is its certificate alone.
//!
//! Numbers without a size are LEB128 in its shortest form: *entries and pass* is twice the number
//! of entries, plus one if the turn passes with them; *tag* is the difference to the tag before
//! plus one (in a burst's first entry: to the version before), zigzag, modulo 2^63.

use duet_channels::crypto::PublicKey;
use duet_channels::protocol::{Amount, ChannelId, Message, Party, Payments};
use duet_consensus::Certificate;
use duet_ledger::l1::{Config, Header};

const BURST: u8 = 1;
const GENESIS: u8 = 2;
const ACCOUNT: u8 = 3;
const BLOCK: u8 = 4;
const SCARCITY: u8 = 5;
const VALIDATORS: u8 = 6;
const CERTIFICATE: u8 = 7;
/// A burst has no more bytes: at most 10,000 entries of 20, and 4,096 proposals
/// and as many answers with their signatures. An auditor takes no longer one.
const MOST_BURST_BYTES: usize = 1 << 20;

/// One channel's part of a wave, once its payer has completed it.
#[derive(Clone, Copy)]
pub(crate) struct Burst<'a> {
    pub(crate) session: u64,
    pub(crate) channel: &'a ChannelId,
    /// The version before its first entry.
    pub(crate) before: u64,
    /// How many entries are co-signed. What was proposed beyond was never answered, and is no part
    /// of the log.
    pub(crate) completed: u64,
    pub(crate) payer: Party,
    /// As they were on the wire.
    pub(crate) proposals: &'a [u8],
    /// As they were on the wire.
    pub(crate) answers: &'a [u8],
}

/// Appends a record; `content` appends what it says.
fn record(bytes: &mut Vec<u8>, kind: u8, content: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0, 0, 0, 0, kind]);
    content(bytes);
    let length = u32::try_from(bytes.len() - start - 5).expect("a record below 4 GiB");
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Appends a burst. `ends` is scratch memory.
///
/// # Panics
/// If the bytes are not what a payer completed: they were checked by both parties.
pub(super) fn put_burst(bytes: &mut Vec<u8>, burst: &Burst<'_>, ends: &mut Vec<u64>) {
    let start = bytes.len();
    record(bytes, BURST, |bytes| {
        bytes.extend_from_slice(&burst.session.to_le_bytes());
        bytes.extend_from_slice(&burst.channel.0.0);
        bytes.extend_from_slice(&burst.before.to_le_bytes());
        bytes.push(match burst.payer {
            Party::A => 0,
            Party::B => 1,
        });
        let counts = bytes.len();
        bytes.extend_from_slice(&[0; 8]);
        put_proposals(bytes, burst, ends);
        let answers = put_answers(bytes, burst, ends);
        let proposals = ends.len() as u32;
        bytes[counts..counts + 4].copy_from_slice(&proposals.to_le_bytes());
        bytes[counts + 4..counts + 8].copy_from_slice(&answers.to_le_bytes());
    });
    let length = bytes.len() - start - 5;
    assert!(length <= MOST_BURST_BYTES, "a burst of {length} bytes");
}

/// The proposals that were answered, and the versions that they end at.
fn put_proposals(bytes: &mut Vec<u8>, burst: &Burst<'_>, ends: &mut Vec<u64>) {
    ends.clear();
    let end = burst.before + burst.completed;
    let (mut version, mut next_tag) = (burst.before, burst.before);
    let mut rest = burst.proposals;
    while version < end {
        let (message, after) = Message::decode_first(rest).expect("the payee has decoded it");
        let Message::Proposal {
            payments,
            signature,
            pass,
        } = message
        else {
            unreachable!("the payee has taken it as a proposal")
        };
        rest = after;
        put_number(bytes, 2 * payments.len() as u64 + u64::from(pass));
        next_tag = put_payments(bytes, &payments, next_tag);
        bytes.extend_from_slice(&signature.0);
        version += payments.len() as u64;
        ends.push(version);
    }
    assert_eq!(version, end, "a payer completes whole proposals");
}

/// Amounts and tags; gives the tag that is expected next.
fn put_payments(bytes: &mut Vec<u8>, payments: &Payments<'_>, mut next_tag: u64) -> u64 {
    // Nearly all take two bytes: those are gathered, and appended many at a time.
    let mut gathered = [0; 128];
    let mut filled = 0;
    let put = |amount: Amount, tag: u64| {
        let amount = amount.units();
        let difference = zigzag(tag.wrapping_sub(next_tag));
        next_tag = tag + 1;
        let is_short = (amount | difference) < 0x80;
        if filled == gathered.len() || !is_short {
            bytes.extend_from_slice(&gathered[..filled]);
            filled = 0;
        }
        if is_short {
            gathered[filled] = amount as u8;
            gathered[filled + 1] = difference as u8;
            filled += 2;
        } else {
            put_number(bytes, amount);
            put_number(bytes, difference);
        }
        Ok(())
    };
    let put = payments.each(put);
    put.expect("the payee has taken them");
    bytes.extend_from_slice(&gathered[..filled]);
    next_tag
}

/// The answers that completed them; gives their number.
fn put_answers(bytes: &mut Vec<u8>, burst: &Burst<'_>, ends: &[u64]) -> u32 {
    let mut count = 0;
    let mut unanswered = ends;
    let mut rest = burst.answers;
    while !unanswered.is_empty() {
        let (message, after) = Message::decode_first(rest).expect("the payer has decoded it");
        let Message::Acknowledgement { version, signature } = message else {
            unreachable!("the payer has taken it as an answer")
        };
        rest = after;
        let answered = unanswered.partition_point(|end| *end <= version);
        if answered > 0 {
            put_number(bytes, answered as u64);
            bytes.extend_from_slice(&signature.0);
            unanswered = &unanswered[answered..];
            count += 1;
        }
    }
    count
}

/// A difference modulo 2^63, small ones of either sign to small numbers.
fn zigzag(difference: u64) -> u64 {
    let signed = (difference << 1) as i64 >> 1;
    ((signed << 1) ^ (signed >> 63)) as u64
}

fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Appends what a Layer 1 starts from, all but its first balances. One with no more than a fee and
/// bounds on transactions and bytes has no record of its scarcity.
pub(super) fn put_genesis(bytes: &mut Vec<u8>, label: &str, accounts: u64, config: &Config) {
    record(bytes, GENESIS, |bytes| {
        bytes.extend_from_slice(&config.block_transactions.to_le_bytes());
        bytes.extend_from_slice(&config.block_bytes.to_le_bytes());
        bytes.extend_from_slice(&config.fee.units().to_le_bytes());
        bytes.extend_from_slice(&accounts.to_le_bytes());
        bytes.extend_from_slice(label.as_bytes());
    });
    let scarcity = config.scarcity();
    if !scarcity.is_empty() {
        record(bytes, SCARCITY, |bytes| bytes.extend_from_slice(&scarcity));
    }
}

/// Appends a first balance.
pub(super) fn put_account(bytes: &mut Vec<u8>, key: &PublicKey, amount: Amount) {
    record(bytes, ACCOUNT, |bytes| {
        bytes.extend_from_slice(&key.0);
        bytes.extend_from_slice(&amount.units().to_le_bytes());
    });
}

/// Appends a block. Its hash follows from the header.
pub(super) fn put_block(bytes: &mut Vec<u8>, header: &Header, body: &[u8]) {
    record(bytes, BLOCK, |bytes| {
        bytes.extend_from_slice(&header.parent.0);
        bytes.extend_from_slice(&header.height.to_le_bytes());
        bytes.extend_from_slice(&header.transactions.to_le_bytes());
        bytes.extend_from_slice(&header.body.0);
        if let Some(root) = &header.state_root {
            bytes.extend_from_slice(&root.0);
        }
        bytes.extend_from_slice(body);
    });
}

/// Appends the keys of those who decide blocks.
pub(super) fn put_validators(bytes: &mut Vec<u8>, keys: &[PublicKey]) {
    record(bytes, VALIDATORS, |bytes| {
        keys.iter().for_each(|key| bytes.extend_from_slice(&key.0));
    });
}

/// Appends why the last block is final.
pub(super) fn put_certificate(bytes: &mut Vec<u8>, certificate: &Certificate) {
    record(bytes, CERTIFICATE, |bytes| certificate.encode(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use duet_channels::crypto::{Digest, Signature};
    use duet_channels::protocol::{Entry, EntryBytes, PackedPayments};

    fn entry(version: u64, amount: u64, tag: u64) -> EntryBytes {
        Entry {
            version,
            amount: Amount::new(amount),
            balance_a: Amount::new(1 << 40),
            payer: Party::B,
            tag,
        }
        .encode()
    }

    fn wire(messages: &[Message<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        messages
            .iter()
            .for_each(|message| message.encode(&mut bytes));
        bytes
    }

    #[test]
    fn a_burst_is_what_was_answered() {
        let first = [entry(8, 5, 7), entry(9, 300, 8)];
        let second = [entry(10, 1, 20)];
        let lost = [entry(11, 1, 21)];
        let packed = [&first[..], &second, &lost].map(PackedPayments::of);
        let proposal = |at: usize, pass, byte| Message::Proposal {
            payments: packed[at].payments(),
            signature: Signature([byte; 64]),
            pass,
        };
        let proposals = wire(&[
            proposal(0, false, 1),
            proposal(1, true, 2),
            proposal(2, false, 3),
        ]);
        let answer = |version, byte| Message::Acknowledgement {
            version,
            signature: Signature([byte; 64]),
        };
        // One answer for both, and one that nobody took.
        let answers = wire(&[answer(10, 4), answer(11, 5)]);
        let channel = ChannelId(Digest([9; 32]));
        let mut bytes = vec![0xff];
        let burst = Burst {
            session: 6,
            channel: &channel,
            before: 7,
            completed: 3,
            payer: Party::B,
            proposals: &proposals,
            answers: &answers,
        };
        put_burst(&mut bytes, &burst, &mut Vec::new());

        let mut expected = vec![0xff];
        let content = 8 + 32 + 8 + 1 + 8 + (1 + 2 + 3 + 64) + (1 + 2 + 64) + 65_u32;
        expected.extend(content.to_le_bytes());
        expected.push(BURST);
        expected.extend(6_u64.to_le_bytes());
        expected.extend([9; 32]);
        expected.extend(7_u64.to_le_bytes());
        expected.push(1);
        expected.extend(2_u32.to_le_bytes());
        expected.extend(1_u32.to_le_bytes());
        expected.extend([4, 5, 0, 0xac, 2, 0]);
        expected.extend([1; 64]);
        expected.extend([3, 1, 22]);
        expected.extend([2; 64]);
        expected.push(2);
        expected.extend([4; 64]);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn tags_of_either_direction_are_small() {
        let modulus = u64::MAX >> 1;
        for (difference, number) in [
            (0, 0),
            (1, 2),
            (u64::MAX, 1),
            (u64::MAX - 1, 3),
            (modulus, 1),
            (1 << 62, (1 << 63) - 1),
        ] {
            assert_eq!(zigzag(difference), number, "{difference:#x}");
        }
    }
}
