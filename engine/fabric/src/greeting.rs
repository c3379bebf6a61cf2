//! The first words of two machines: who they are, and that they were told the same. Pure: no I/O.
//!
//! The one that calls speaks first. `hello` is answered with a `hello`; then each sends a proof
//! that it has the token, over both; then the called one says whether it has a place for the
//! other. A stranger does not get past the first eight bytes, and is told nothing.

use std::fmt;

use duet_base::bytes::Reader;
use sha2::{Digest, Sha256};

use crate::error::Difference;

const MAGIC: [u8; 8] = *b"duetfab\n";
const VERSION: u32 = 2;
const SHOWN: usize = 48;

/// What all machines must have been told alike.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// Version and commit of the program.
    pub build: String,
    /// A hash of configuration, workload and seed.
    pub run: [u8; 32],
    /// Who has no part in the run does not know it. May be empty. It never goes over the wire:
    /// machines prove that they have it. Who reads along can try tokens, so it needs as many bits
    /// as a key.
    pub token: String,
}

/// Without the token.
impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms = f.debug_struct("Terms");
        terms.field("build", &self.build).field("run", &self.run);
        terms.finish_non_exhaustive()
    }
}

/// Who a machine is, and what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) me: u32,
    pub(crate) of: u32,
    /// Which of the sockets to a machine it is, counted from 0.
    pub(crate) line: u32,
    build: [u8; 32],
    run: [u8; 32],
    /// The build's first characters, for a message.
    shown: [u8; SHOWN],
    nonce: [u8; 16],
}

impl Hello {
    /// Magic and version: what a stranger gets wrong.
    pub(crate) const START: usize = 12;
    pub(crate) const BYTES: usize = Self::START + 12 + 64 + SHOWN + 16;

    pub(crate) fn new(me: usize, of: usize, terms: &Terms, nonce: [u8; 16]) -> Hello {
        let mut shown = [0; SHOWN];
        let len = terms.build.len().min(SHOWN);
        shown[..len].copy_from_slice(&terms.build.as_bytes()[..len]);
        Hello {
            me: me as u32,
            of: of as u32,
            line: 0,
            build: Sha256::digest(&terms.build).into(),
            run: terms.run,
            shown,
            nonce,
        }
    }

    pub(crate) fn encode(&self) -> [u8; Self::BYTES] {
        let parts: [&[u8]; 9] = [
            &MAGIC,
            &VERSION.to_le_bytes(),
            &self.me.to_le_bytes(),
            &self.of.to_le_bytes(),
            &self.line.to_le_bytes(),
            &self.build,
            &self.run,
            &self.shown,
            &self.nonce,
        ];
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(&parts.concat());
        bytes
    }

    /// What the first bytes are.
    pub(crate) fn start(bytes: &[u8; Self::START]) -> Start {
        match bytes.split_first_chunk() {
            Some((&MAGIC, version)) if *version == VERSION.to_le_bytes() => Start::Ours,
            Some((&MAGIC, _)) => Start::OtherVersion,
            _ => Start::Stranger,
        }
    }

    /// Reads what [`Hello::start`] has found to be of this version.
    pub(crate) fn decode(bytes: &[u8; Self::BYTES]) -> Option<Hello> {
        let mut bytes = Reader::new(&bytes[Self::START..]);
        Some(Hello {
            me: bytes.u32()?,
            of: bytes.u32()?,
            line: bytes.u32()?,
            build: bytes.array()?,
            run: bytes.array()?,
            shown: bytes.array()?,
            nonce: bytes.array()?,
        })
    }

    /// In what a machine differs, its place and token aside. Which of several differences is
    /// named does not depend on who asks.
    pub(crate) fn difference(&self, theirs: &Hello) -> Option<Difference> {
        if self.build != theirs.build {
            return Some(Difference::Build {
                theirs: theirs.shown(),
                ours: self.shown(),
            });
        }
        if self.of != theirs.of {
            return Some(Difference::Machines {
                theirs: theirs.of as usize,
                ours: self.of as usize,
            });
        }
        (self.run != theirs.run).then_some(Difference::Run)
    }

    /// What only a machine that has the token can say, and only in this very greeting.
    pub(crate) fn proof(&self, to: &Hello, token: &str) -> [u8; 32] {
        // The token's own hash comes first, so that it has the same length in all proofs.
        let key = Sha256::digest([b"duet-fabric token", token.as_bytes()].concat());
        let said = [&self.encode()[..], &to.encode()[..]].concat();
        Sha256::digest([&key[..], &said].concat()).into()
    }

    /// The build in printable characters: it is shown to a person.
    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.shown);
        let text = text.trim_end_matches('\0').chars();
        text.map(|c| if c.is_control() { '?' } else { c }).collect()
    }
}

/// What the first bytes of somebody are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Ours,
    OtherVersion,
    Stranger,
}

/// What a machine that was called says last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Welcome,
    /// Another process has that number.
    Twice,
}

impl Verdict {
    pub(crate) fn encode(self) -> [u8; 1] {
        match self {
            Verdict::Welcome => [1],
            Verdict::Twice => [2],
        }
    }

    pub(crate) fn decode(byte: [u8; 1]) -> Option<Verdict> {
        let all = [Verdict::Welcome, Verdict::Twice];
        all.into_iter().find(|verdict| verdict.encode() == byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(build: &str, run: u8, token: &str) -> Terms {
        Terms {
            build: build.to_owned(),
            run: [run; 32],
            token: token.to_owned(),
        }
    }

    #[test]
    fn a_greeting_comes_back() {
        let hello = Hello::new(1, 3, &terms("0.1.0", 7, "t"), [9; 16]);
        let bytes = hello.encode();
        assert_eq!(Hello::start(bytes.first_chunk().unwrap()), Start::Ours);
        assert_eq!(Hello::decode(&bytes), Some(hello));
        let mut other = bytes;
        other[8] ^= 1;
        let start = |bytes: &[u8]| Hello::start(bytes.first_chunk().unwrap());
        assert_eq!(start(&other), Start::OtherVersion);
        assert_eq!(start(b"GET / HTTP/1.1\r\n"), Start::Stranger);
        assert_eq!(start(&[0; 12]), Start::Stranger);
    }

    #[test]
    fn what_differs_is_named() {
        let check = |other: Terms, of: usize, expected: &str| {
            let ours = Hello::new(0, 2, &terms("0.1.0 (abc)", 7, ""), [1; 16]);
            let theirs = Hello::new(1, of, &other, [2; 16]);
            let said = ours.difference(&theirs).map(|other| other.to_string());
            assert_eq!(said.unwrap_or_default(), expected);
            assert_eq!(theirs.difference(&ours).is_some(), !expected.is_empty());
        };
        check(terms("0.1.0 (abc)", 7, "x"), 2, "");
        let run = "was told another run: its configuration, workload or seed differs";
        check(terms("0.1.0 (abc)", 8, ""), 2, run);
        check(
            terms("0.1.0 (abc)", 8, ""),
            3,
            "was told of 3 machines, this one of 2",
        );
        let build = "is another build: \"0.2.0?\", here \"0.1.0 (abc)\"";
        check(terms("0.2.0\x1b", 8, ""), 3, build);
        // The whole build counts, even if only its beginning is shown.
        let long = |end: &str| terms(&["x".repeat(60).as_str(), end].concat(), 7, "");
        let [one, two] = [long("a"), long("b")].map(|of| Hello::new(0, 2, &of, [0; 16]));
        assert!(matches!(
            one.difference(&two),
            Some(Difference::Build { .. })
        ));
    }

    #[test]
    fn a_token_is_not_shown() {
        let shown = format!("{:?}", terms("0.1.0", 7, "secret"));
        assert!(
            shown.contains("0.1.0") && !shown.contains("secret"),
            "{shown}"
        );
    }

    #[test]
    fn a_proof_is_of_one_token_one_direction_and_one_greeting() {
        let of = |me: usize, nonce: u8| Hello::new(me, 2, &terms("", 0, ""), [nonce; 16]);
        let (zero, one) = (of(0, 1), of(1, 2));
        let proof = zero.proof(&one, "token");
        assert_eq!(proof, zero.proof(&one, "token"));
        assert_ne!(proof, zero.proof(&one, "Token"));
        assert_ne!(proof, zero.proof(&one, ""));
        assert_ne!(proof, one.proof(&zero, "token"));
        assert_ne!(proof, zero.proof(&of(1, 3), "token"));
        assert_ne!(proof, of(0, 3).proof(&one, "token"));
    }
}
