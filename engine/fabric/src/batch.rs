//! What machines say to each other: opaque bytes of one step of one shard. Copies them once, into
//! the socket's queue; bytes from a socket are used where they lie.

use std::fmt;
use std::io::Write;

use duet_base::bytes::Reader;
use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::communication::Push;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::progress::Stamp;

/// Bytes of a batch at most: 1 GiB.
pub const MOST_BYTES: usize = 1 << 30;

/// Opaque bytes of one step, from one shard.
///
/// The step, the shard and the tag are the caller's, and the fabric orders by the first two only.
#[derive(Clone, Default)]
pub struct Batch {
    /// The step that it belongs to.
    pub step: u64,
    /// The shard that it comes from, or that it answers.
    pub from: u32,
    /// The machine that it goes to. [`Gate`](crate::Gate) sets it.
    pub to: u32,
    /// What the caller likes: a kind, a count.
    pub tag: u32,
    body: Body,
}

#[derive(Clone, Default)]
enum Body {
    /// No batch: what is left when a batch is taken out.
    #[default]
    None,
    Own(Vec<u8>),
    Wire {
        bytes: Bytes,
        len: usize,
    },
}

impl Batch {
    /// A batch that owns its bytes.
    ///
    /// # Panics
    ///
    /// If there are more than [`MOST_BYTES`].
    pub fn new(step: u64, from: u32, tag: u32, body: Vec<u8>) -> Batch {
        assert!(body.len() <= MOST_BYTES, "a batch of {} bytes", body.len());
        Batch {
            step,
            from,
            to: 0,
            tag,
            body: Body::Own(body),
        }
    }

    /// Its bytes.
    pub fn body(&self) -> &[u8] {
        match &self.body {
            Body::None => &[],
            Body::Own(body) => body,
            Body::Wire { bytes, len } => &bytes[Head::BYTES..Head::BYTES + len],
        }
    }

    /// An empty vector with the memory of its bytes, to be used again. It has none if the bytes
    /// came over a socket: that memory is the socket's.
    pub fn into_memory(self) -> Vec<u8> {
        match self.body {
            Body::Own(mut body) => {
                body.clear();
                body
            }
            _ => Vec::new(),
        }
    }

    /// Its bytes in a vector. Copies those that came over a socket.
    pub fn into_body(self) -> Vec<u8> {
        match self.body {
            Body::Own(body) => body,
            _ => self.body().to_vec(),
        }
    }

    fn head(&self) -> Head {
        Head {
            step: self.step,
            from: self.from,
            to: self.to,
            tag: self.tag,
            body_bytes: self.body().len() as u32, // at most MOST_BYTES
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head().fmt(f)
    }
}

/// How a batch begins on the wire: step 8 · from 4 · to 4 · tag 4 · bytes 4, little-endian. The
/// bytes follow, and zeros up to a multiple of 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    step: u64,
    from: u32,
    pub(crate) to: u32,
    tag: u32,
    body_bytes: u32,
}

impl Head {
    pub(crate) const BYTES: usize = 24;

    fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.step.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.from.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.to.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.tag.to_le_bytes());
        bytes[20..].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes
    }

    /// Reads a head. None: too few bytes, or a body longer than any batch's.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Head> {
        let mut bytes = Reader::new(bytes);
        let head = Head {
            step: bytes.u64()?,
            from: bytes.u32()?,
            to: bytes.u32()?,
            tag: bytes.u32()?,
            body_bytes: bytes.u32()?,
        };
        (head.body_bytes as usize <= MOST_BYTES).then_some(head)
    }

    /// Bytes of the whole batch on the wire.
    pub(crate) fn batch_bytes(self) -> usize {
        (Self::BYTES + self.body_bytes as usize).next_multiple_of(8)
    }
}

/// One batch is one record.
impl Accountable for Batch {
    fn record_count(&self) -> i64 {
        i64::from(!matches!(self.body, Body::None))
    }
}

impl ContainerBytes for Batch {
    /// Only whole batches come here (`frame.rs`). Other bytes become an empty batch that
    /// goes nowhere, which the receiver refuses.
    fn from_bytes(bytes: Bytes) -> Batch {
        match Head::decode(&bytes) {
            Some(head) if head.batch_bytes() == bytes.len() => Batch {
                step: head.step,
                from: head.from,
                to: head.to,
                tag: head.tag,
                body: Body::Wire {
                    bytes,
                    len: head.body_bytes as usize,
                },
            },
            _ => Batch {
                to: u32::MAX,
                ..Batch::new(0, 0, 0, Vec::new())
            },
        }
    }

    fn length_in_bytes(&self) -> usize {
        self.head().batch_bytes()
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        let head = self.head();
        let padding = head.batch_bytes() - Head::BYTES - self.body().len();
        for part in [&head.encode()[..], self.body(), &[0; 7][..padding]] {
            let written = writer.write_all(part);
            assert!(written.is_ok(), "a message has as many bytes as it says");
        }
    }
}

/// Sends a batch to the machine that it names.
pub(crate) struct Route;

impl Distributor<Batch> for Route {
    fn partition<T: Clone, P: Push<Message<T, Batch>>>(
        &mut self,
        batch: &mut Batch,
        stamp: &Stamp<T>,
        machines: &mut [P],
    ) {
        let to = batch.to as usize;
        Message::push_at(batch, stamp.clone(), &mut machines[to]);
    }

    fn flush<T: Clone, P: Push<Message<T, Batch>>>(&mut self, _: &Stamp<T>, _: &mut [P]) {}
}

#[cfg(test)]
mod tests {
    use timely::bytes::arc::BytesMut;

    use super::*;

    fn wire(batch: &Batch) -> Vec<u8> {
        let mut bytes = Vec::new();
        batch.into_bytes(&mut bytes);
        assert_eq!(bytes.len(), batch.length_in_bytes());
        bytes
    }

    fn read(bytes: Vec<u8>) -> Batch {
        Batch::from_bytes(BytesMut::from(bytes).freeze())
    }

    #[test]
    fn batches_come_back_from_the_wire() {
        for len in 0..=17 {
            let batch = Batch {
                to: 3,
                ..Batch::new(u64::MAX, 7, 9, (0..len).collect())
            };
            let back = read(wire(&batch));
            assert_eq!((back.head(), back.body()), (batch.head(), batch.body()));
            assert_eq!((batch.record_count(), back.record_count()), (1, 1));
            assert_eq!(wire(&back), wire(&batch));
            assert_eq!(back.into_body(), batch.into_body());
        }
    }

    #[test]
    fn other_bytes_are_no_batch() {
        let whole = wire(&Batch::new(1, 2, 3, vec![5; 20]));
        for cut in 0..whole.len() {
            assert_eq!(read(whole[..cut].to_vec()).to, u32::MAX, "{cut}");
        }
        for body_bytes in [
            0,
            12,
            26,
            MOST_BYTES as u32,
            MOST_BYTES as u32 + 1,
            u32::MAX,
        ] {
            let mut bytes = whole.clone();
            bytes[20..24].copy_from_slice(&body_bytes.to_le_bytes());
            let batch = read(bytes);
            assert_eq!(
                (batch.to, batch.body(), batch.record_count()),
                (u32::MAX, &[][..], 1)
            );
        }
        assert_eq!(Head::decode(&[0xff; 24]), None);
    }

    #[test]
    fn a_batch_that_was_taken_out_counts_for_nothing() {
        let mut batch = Batch::new(1, 2, 3, Vec::new());
        assert_eq!(std::mem::take(&mut batch).record_count(), 1);
        assert_eq!(batch.record_count(), 0);
    }
}
