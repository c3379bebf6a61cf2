//! What signing leaves on the stack: nothing below the caller's frame that it did not overwrite.
//!
//! The stack below a test's frame is painted, keys and signatures are made, and the process reads
//! its own memory: work that went deeper than what is overwritten shows as paint that is gone.
#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::ptr::from_ref;

use duet_lanes::{Expanded, Lanes, Signer};

/// Bytes that are read.
const LOOKED_AT: usize = 256 << 10;
/// Bytes that are painted: more, since each frame begins elsewhere.
const PAINTED: usize = LOOKED_AT + 1024;
/// What `Signer` overwrites below its own frame.
const WIPED: usize = 32 << 10;
/// Frames of the function that overwrites and of what it calls.
const CALLS: usize = 512;
/// The most that a frame of `Signer` itself takes: its jobs and its signatures.
const FRAME: usize = 24 << 10;
const PAINT: [u8; 8] = 0xa5c3_96f0_5a3c_690f_u64.to_le_bytes();

/// Where the stack ends that is in use.
#[inline(never)]
fn here() -> usize {
    let local = 0_u8;
    from_ref(black_box(&local)).addr()
}

#[inline(never)]
fn paint() {
    let mut area = [PAINT; PAINTED / 8];
    black_box(&mut area);
}

/// The stack below `top` as 64-bit words, from the deepest that is looked at.
struct Stack {
    memory: File,
    words: Vec<[u8; 8]>,
    top: usize,
}

impl Stack {
    fn of_this_thread() -> Stack {
        Stack {
            memory: File::open("/proc/self/mem").expect("a process may read itself"),
            words: vec![[0; 8]; LOOKED_AT / 8],
            top: 0,
        }
    }

    /// Paints the stack, does the work, and reads what is there afterwards.
    #[inline(never)]
    fn look_below(&mut self, work: &mut dyn FnMut()) {
        paint();
        // Whatever is less deep than this belongs to frames in use, or to reading.
        self.top = here() & !7;
        work();
        let from = (self.top - LOOKED_AT) as u64;
        let bytes = self.words.as_flattened_mut();
        (self.memory.read_exact_at(bytes, from)).expect("the stack is mapped");
    }

    /// The deepest address that lost its paint.
    fn deepest(&self) -> usize {
        let intact = self.words.iter().take_while(|word| **word == PAINT).count();
        assert!(intact > 0, "work went {LOOKED_AT} bytes deep or more");
        self.top - LOOKED_AT + 8 * intact
    }

    /// Where these bytes stand, as bytes below the top.
    fn places_of(&self, secret: &[u8; 32]) -> Vec<usize> {
        let halves = secret.as_chunks::<8>().0;
        let found = self.words.iter().enumerate();
        let found = found.filter(|(_, word)| halves.contains(word));
        found.map(|(at, _)| LOOKED_AT - 8 * at).collect()
    }
}

#[test]
fn the_paint_shows_how_deep_work_went_and_what_it_left() {
    #[inline(never)]
    fn work(secret: [u8; 32]) {
        let mut area = [[0_u8; 32]; 1024];
        area[5] = secret;
        black_box(&mut area);
    }
    let mut stack = Stack::of_this_thread();
    let secret = std::array::from_fn(|at| 100 + at as u8);
    stack.look_below(&mut || work(secret));
    let depth = stack.top - stack.deepest();
    assert!((WIPED..WIPED + CALLS).contains(&depth), "{depth}");
    assert!(!stack.places_of(&secret).is_empty());
}

#[test]
fn keys_and_signatures_go_no_deeper_than_is_overwritten() {
    let mut stack = Stack::of_this_thread();
    let seeds: Vec<[u8; 32]> = (0..300_u16)
        .map(|seed| std::array::from_fn(|at| (usize::from(seed) + 31 * at) as u8))
        .collect();
    let seeds: Vec<&[u8; 32]> = seeds.iter().collect();
    for lanes in Lanes::all() {
        let name = lanes.unit().name();
        let mut signer = Signer::new(lanes);
        // The first keys make the table of the base point's multiples, which is no secret.
        drop(signer.keys(&seeds[..1]));
        stack.look_below(&mut || drop(signer.keys(&seeds)));
        let depth = stack.top - stack.deepest();
        println!("{name}: keys reach {depth} bytes");
        assert!(depth <= WIPED + CALLS + FRAME / 8, "{name}: {depth}");

        // Secrets that are nowhere else on the stack; keys need not fit them.
        let secret: Box<[[u8; 32]; 2]> = Box::new([[0x17; 32], [0x2b; 32]]);
        let key = Expanded::from_parts(&secret[0], &secret[1], &[9; 32]);
        // Longer messages than a block are hashed by code of their own.
        for message in [&[1; 32][..], &[2; 200]] {
            let frame = Cell::new(0);
            let job = |_| {
                frame.set(here());
                (key, message)
            };
            stack.look_below(&mut || signer.sign(300, job, |_| {}));
            let (frame, depth) = (stack.top - frame.get(), frame.get() - stack.deepest());
            println!("{name}: a signature's frame takes {frame} bytes, what it calls {depth}");
            assert!(frame <= FRAME, "{name}: {frame}");
            assert!(depth <= WIPED + CALLS, "{name}: {depth}");
            for secret in secret.iter() {
                assert_eq!(stack.places_of(secret), [], "{name}");
            }
        }
    }
}
