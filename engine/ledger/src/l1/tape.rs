//! What was asked of a chain, to be asked of another one like it. Knows no rule.

use duet_channels::crypto::PublicKey;

/// All that a chain was asked for, in order: its blocks follow from that and from its genesis.
#[derive(Debug, Default)]
pub struct Tape {
    kept: Vec<Kept>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Kept {
    /// The transaction's bytes end here, and start where those of the one before end.
    Submit(usize),
    Seal(bool),
    PassOver(u64),
    Withdraw(PublicKey, u64),
}

/// One thing that a chain was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'t> {
    /// To queue a transaction of these bytes.
    Submit(&'t [u8]),
    /// To seal a block; whether even an empty one.
    Seal(bool),
    /// To let so many blocks pass with nothing in them.
    PassOver(u64),
    /// To forget what an account has numbered so and above.
    Withdraw(PublicKey, u64),
}

impl Tape {
    pub(super) fn submit(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.kept.push(Kept::Submit(self.bytes.len()));
    }

    pub(super) fn seal(&mut self, even_empty: bool) {
        self.kept.push(Kept::Seal(even_empty));
    }

    pub(super) fn pass_over(&mut self, blocks: u64) {
        self.kept.push(Kept::PassOver(blocks));
    }

    pub(super) fn withdraw(&mut self, account: PublicKey, from: u64) {
        self.kept.push(Kept::Withdraw(account, from));
    }

    /// All of it, in order. What was refused is among it, and is refused again.
    pub fn asked(&self) -> impl Iterator<Item = Asked<'_>> {
        let mut start = 0;
        self.kept.iter().map(move |kept| match *kept {
            Kept::Submit(end) => {
                Asked::Submit(&self.bytes[std::mem::replace(&mut start, end)..end])
            }
            Kept::Seal(even_empty) => Asked::Seal(even_empty),
            Kept::PassOver(blocks) => Asked::PassOver(blocks),
            Kept::Withdraw(account, from) => Asked::Withdraw(account, from),
        })
    }
}
