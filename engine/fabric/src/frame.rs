//! The messages on a socket: checks each before the dataflow engine sees it, which panics on what
//! it does not expect. Pure: no I/O.
//!
//! A message begins with the engine's header (six big-endian words: channel, source, first target,
//! end of targets, bytes, number). Our own go on a channel of their own, which the engine never
//! sees.

use std::collections::BTreeMap;

use duet_base::bytes::Reader;
use timely::communication::networking::MessageHeader;

use crate::batch::{Head, MOST_BYTES};
use crate::fall::{Fall, Why};

pub(crate) const HEADER: usize = 48;
/// What the engine writes before a batch: source 8, number 8, count of times 8, one time 8.
const STAMP: usize = 32;
/// What it writes before and after changes of progress: source 8, number 8, count 8; clean 8.
const PROGRESS: usize = 24 + 8;
/// One change: node 8, kind of port 4, port 8, time 8, difference 8.
const CHANGE: usize = 36;
const MOST_PROGRESS_BYTES: usize = 16 << 20;
/// The most that is looked at before a message is let in, header aside.
pub(crate) const MOST_PREFIX: usize = STAMP + Head::BYTES;

/// The channel of our own messages.
const CONTROL: usize = usize::MAX;
/// What they have after the header: kind 4, machine 4.
const CONTROL_BYTES: usize = 8;

/// The engine's channels.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    /// Those of batches: the only machine that sends on each.
    pub(crate) batches: BTreeMap<usize, usize>,
    /// All are below this.
    pub(crate) end: usize,
}

/// What a header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    Batch,
    Progress,
    Control,
    /// The sender is through.
    End,
}

impl Announced {
    /// Bytes after the header to be checked before the message is let in.
    pub(crate) fn prefix(self) -> usize {
        match self {
            Announced::Batch => MOST_PREFIX,
            Announced::Progress => 24,
            Announced::Control => CONTROL_BYTES,
            Announced::End => 0,
        }
    }
}

pub(crate) fn header(bytes: &[u8; HEADER]) -> MessageHeader {
    let (words, _) = bytes.as_chunks::<8>();
    let word = |at: usize| u64::from_be_bytes(words[at]) as usize;
    MessageHeader {
        channel: word(0),
        source: word(1),
        target_lower: word(2),
        target_upper: word(3),
        length: word(4),
        seqno: word(5),
    }
}

/// Checks a header that `from` has sent to `me`.
pub(crate) fn check_header(
    header: &MessageHeader,
    from: usize,
    me: usize,
    channels: &Channels,
) -> Result<Announced, String> {
    let length = header.length;
    if length == 0 {
        let rest = [
            header.channel,
            header.source,
            header.target_lower,
            header.target_upper,
        ];
        return match rest == [0; 4] {
            true => Ok(Announced::End),
            false => Err("an empty message".to_owned()),
        };
    }
    if (header.source, header.target_lower, header.target_upper) != (from, me, me.wrapping_add(1)) {
        return Err("a message from or to other machines".to_owned());
    }
    let channel = header.channel;
    let (announced, most) = match channels.batches.get(&channel) {
        _ if channel == CONTROL => (Announced::Control, CONTROL_BYTES),
        Some(sender) if *sender == from => (Announced::Batch, MOST_PREFIX + MOST_BYTES),
        None if channel < channels.end => (Announced::Progress, MOST_PROGRESS_BYTES),
        _ => {
            return Err(format!(
                "a message on channel {channel}, which is not its own"
            ));
        }
    };
    if length < announced.prefix() || length > most {
        return Err(format!("a message of {length} bytes"));
    }
    Ok(announced)
}

/// Checks how a message of `length` bytes begins.
pub(crate) fn check_prefix(
    announced: Announced,
    length: usize,
    prefix: &[u8],
    me: usize,
) -> Result<(), String> {
    let count = prefix.get(16..24).and_then(|bytes| bytes.first_chunk());
    let count = count.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let is_whole = match announced {
        Announced::Control | Announced::End => true,
        Announced::Batch => {
            let head = prefix.get(STAMP..).and_then(Head::decode);
            let fits = |head: Head| {
                head.batch_bytes() == length - STAMP && head.to as usize == me && count == 1
            };
            head.is_some_and(fits)
        }
        Announced::Progress => {
            let bytes = usize::try_from(count).ok();
            let bytes = bytes.and_then(|count| count.checked_mul(CHANGE));
            let bytes = bytes.and_then(|changes| changes.checked_add(PROGRESS));
            bytes.is_some_and(|bytes| bytes.next_multiple_of(8) == length)
        }
    };
    match is_whole {
        true => Ok(()),
        false => Err("a message whose length contradicts its contents".to_owned()),
    }
}

/// What machines say to each other outside of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// "I am there."
    Pulse,
    Gone(u32),
    Silent(u32),
    Garbled(u32),
    Left(u32),
}

impl Control {
    /// What others are told of a fall.
    pub(crate) fn of(fall: &Fall) -> Control {
        let machine = fall.machine as u32;
        match fall.why {
            Why::Gone(_) => Control::Gone(machine),
            Why::Silent => Control::Silent(machine),
            Why::Garbled(_) => Control::Garbled(machine),
            Why::Left => Control::Left(machine),
        }
    }

    pub(crate) fn message(self, from: usize, to: usize) -> Vec<u8> {
        let (kind, machine) = match self {
            Control::Pulse => (0_u32, 0),
            Control::Gone(machine) => (1, machine),
            Control::Silent(machine) => (2, machine),
            Control::Garbled(machine) => (3, machine),
            Control::Left(machine) => (4, machine),
        };
        let words = [CONTROL, from, to, to + 1, CONTROL_BYTES, 0];
        let mut message: Vec<u8> = Vec::with_capacity(HEADER + CONTROL_BYTES);
        message.extend(
            words
                .into_iter()
                .flat_map(|word| (word as u64).to_be_bytes()),
        );
        message.extend(kind.to_le_bytes());
        message.extend(machine.to_le_bytes());
        message
    }

    /// Reads what stands after the header.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Control> {
        let mut bytes = Reader::new(bytes);
        let (kind, machine) = (bytes.u32()?, bytes.u32()?);
        match kind {
            0 => Some(Control::Pulse),
            1 => Some(Control::Gone(machine)),
            2 => Some(Control::Silent(machine)),
            3 => Some(Control::Garbled(machine)),
            4 => Some(Control::Left(machine)),
            _ => None,
        }
    }

    /// The fall that `from` tells of, if it tells of one among so many machines.
    pub(crate) fn fall(self, from: usize, machines: usize) -> Result<Option<Fall>, String> {
        let (machine, why) = match self {
            Control::Pulse => return Ok(None),
            Control::Gone(machine) => (machine, Why::Gone("its connection is lost".to_owned())),
            Control::Silent(machine) => (machine, Why::Silent),
            Control::Left(machine) => (machine, Why::Left),
            Control::Garbled(machine) => (machine, Why::Garbled("a broken message".to_owned())),
        };
        let machine = machine as usize;
        match machine < machines {
            true => Ok(Some(Fall {
                machine,
                why,
                told_by: (machine != from).then_some(from),
            })),
            false => Err(format!("tells of machine {machine}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: [usize; 6]) -> MessageHeader {
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| (*word as u64).to_be_bytes())
            .collect();
        header(bytes.first_chunk().unwrap())
    }

    #[test]
    fn a_header_is_let_in_if_its_sender_may_send_it() {
        let channels = Channels {
            batches: BTreeMap::from([(3, 1), (5, 0)]),
            end: 8,
        };
        let check = |header: [usize; 6], expected: Option<Announced>| {
            let checked = check_header(&words(header), 1, 2, &channels);
            assert_eq!(checked.ok(), expected, "{header:?}");
        };
        check([3, 1, 2, 3, 56, 9], Some(Announced::Batch));
        check(
            [3, 1, 2, 3, MOST_PREFIX + MOST_BYTES, 9],
            Some(Announced::Batch),
        );
        check([3, 1, 2, 3, MOST_PREFIX + MOST_BYTES + 1, 9], None);
        check([3, 1, 2, 3, 55, 9], None);
        check([3, 1, 2, 3, usize::MAX, 9], None);
        check([5, 1, 2, 3, 56, 9], None);
        check([4, 1, 2, 3, 32, 9], Some(Announced::Progress));
        check([4, 1, 2, 3, MOST_PROGRESS_BYTES + 1, 9], None);
        check([8, 1, 2, 3, 32, 9], None);
        check([4, 0, 2, 3, 32, 9], None);
        check([4, 1, 1, 3, 32, 9], None);
        check([4, 1, 2, 4, 32, 9], None);
        check([CONTROL, 1, 2, 3, 8, 0], Some(Announced::Control));
        check([CONTROL, 1, 2, 3, 16, 0], None);
        check([0; 6], Some(Announced::End));
        check([4, 1, 2, 3, 0, 9], None);
    }

    #[test]
    fn a_length_must_fit_what_the_message_has() {
        let check = |announced: Announced, count: u64, length: usize, is_whole: bool| {
            let mut prefix = [0; MOST_PREFIX];
            prefix[16..24].copy_from_slice(&count.to_le_bytes());
            prefix[STAMP + 12] = 2; // The machine that a batch goes to.
            prefix[STAMP + 20] = 9; // Its bytes.
            let prefix = &prefix[..announced.prefix()];
            let checked = check_prefix(announced, length, prefix, 2);
            assert_eq!(checked.is_ok(), is_whole, "{announced:?} {count} {length}");
        };
        check(Announced::Progress, 0, 32, true);
        check(Announced::Progress, 1, 72, true);
        check(Announced::Progress, 2, 104, true);
        check(Announced::Progress, 2, 103, false);
        check(Announced::Progress, 3, 104, false);
        check(Announced::Progress, u64::MAX, 104, false);
        check(Announced::Progress, u64::MAX / 36 + 1, 104, false);
        check(Announced::Batch, 1, STAMP + 24 + 16, true);
        check(Announced::Batch, 1, STAMP + 24 + 8, false);
        check(Announced::Batch, 1, STAMP + 24 + 24, false);
        check(Announced::Batch, 0, STAMP + 24 + 16, false);
        check(Announced::Batch, u64::MAX, STAMP + 24 + 16, false);
    }

    #[test]
    fn our_own_messages_come_back() {
        for control in [
            Control::Pulse,
            Control::Gone(1),
            Control::Silent(2),
            Control::Garbled(3),
            Control::Left(4),
        ] {
            let message = control.message(1, 2);
            assert_eq!(Control::decode(&message[HEADER..]), Some(control));
            assert_eq!(Control::decode(&message[HEADER..HEADER + 7]), None);
            let fall = control.fall(1, 5).unwrap();
            let told = fall
                .map(|fall| Control::of(&fall))
                .unwrap_or(Control::Pulse);
            assert_eq!(told, control);
        }
        assert!(Control::Gone(5).fall(1, 5).is_err());
    }
}
