//! SHA-512 of eight messages side by side (FIPS 180-4).

use zeroize::Zeroize;

use crate::machine::{Leaf, Machine, Register, Vector, Work};

/// A row of 32 bytes for each lane.
pub(crate) type Rows32<'a> = [&'a [u8; 32]; 8];

/// The eight words of a hash as an integer of 512 bits, least first, in each lane.
pub(crate) type Wide512<V> = [V; 8];

/// Fractional parts of the square roots of the first 8 primes (FIPS 180-4, 5.3.5).
const START: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// Fractional parts of the cube roots of the first 80 primes (FIPS 180-4, 4.2.3).
const ROUND: [u64; 80] = [
    0x428a_2f98_d728_ae22,
    0x7137_4491_23ef_65cd,
    0xb5c0_fbcf_ec4d_3b2f,
    0xe9b5_dba5_8189_dbbc,
    0x3956_c25b_f348_b538,
    0x59f1_11f1_b605_d019,
    0x923f_82a4_af19_4f9b,
    0xab1c_5ed5_da6d_8118,
    0xd807_aa98_a303_0242,
    0x1283_5b01_4570_6fbe,
    0x2431_85be_4ee4_b28c,
    0x550c_7dc3_d5ff_b4e2,
    0x72be_5d74_f27b_896f,
    0x80de_b1fe_3b16_96b1,
    0x9bdc_06a7_25c7_1235,
    0xc19b_f174_cf69_2694,
    0xe49b_69c1_9ef1_4ad2,
    0xefbe_4786_384f_25e3,
    0x0fc1_9dc6_8b8c_d5b5,
    0x240c_a1cc_77ac_9c65,
    0x2de9_2c6f_592b_0275,
    0x4a74_84aa_6ea6_e483,
    0x5cb0_a9dc_bd41_fbd4,
    0x76f9_88da_8311_53b5,
    0x983e_5152_ee66_dfab,
    0xa831_c66d_2db4_3210,
    0xb003_27c8_98fb_213f,
    0xbf59_7fc7_beef_0ee4,
    0xc6e0_0bf3_3da8_8fc2,
    0xd5a7_9147_930a_a725,
    0x06ca_6351_e003_826f,
    0x1429_2967_0a0e_6e70,
    0x27b7_0a85_46d2_2ffc,
    0x2e1b_2138_5c26_c926,
    0x4d2c_6dfc_5ac4_2aed,
    0x5338_0d13_9d95_b3df,
    0x650a_7354_8baf_63de,
    0x766a_0abb_3c77_b2a8,
    0x81c2_c92e_47ed_aee6,
    0x9272_2c85_1482_353b,
    0xa2bf_e8a1_4cf1_0364,
    0xa81a_664b_bc42_3001,
    0xc24b_8b70_d0f8_9791,
    0xc76c_51a3_0654_be30,
    0xd192_e819_d6ef_5218,
    0xd699_0624_5565_a910,
    0xf40e_3585_5771_202a,
    0x106a_a070_32bb_d1b8,
    0x19a4_c116_b8d2_d0c8,
    0x1e37_6c08_5141_ab53,
    0x2748_774c_df8e_eb99,
    0x34b0_bcb5_e19b_48a8,
    0x391c_0cb3_c5c9_5a63,
    0x4ed8_aa4a_e341_8acb,
    0x5b9c_ca4f_7763_e373,
    0x682e_6ff3_d6b2_b8a3,
    0x748f_82ee_5def_b2fc,
    0x78a5_636f_4317_2f60,
    0x84c8_7814_a1f0_ab72,
    0x8cc7_0208_1a64_39ec,
    0x90be_fffa_2363_1e28,
    0xa450_6ceb_de82_bde9,
    0xbef9_a3f7_b2c6_7915,
    0xc671_78f2_e372_532b,
    0xca27_3ece_ea26_619c,
    0xd186_b8c7_21c0_c207,
    0xeada_7dd6_cde0_eb1e,
    0xf57d_4f7f_ee6e_d178,
    0x06f0_67aa_7217_6fba,
    0x0a63_7dc5_a2c8_98a6,
    0x113f_9804_bef9_0dae,
    0x1b71_0b35_131c_471b,
    0x28db_77f5_2304_7d84,
    0x32ca_ab7b_40c7_2493,
    0x3c9e_be0a_15c9_bebc,
    0x431d_67c4_9c10_0d4c,
    0x4cc5_d4be_cb3e_42b6,
    0x597f_299c_fc65_7e2a,
    0x5fcb_6fab_3ad6_faec,
    0x6c44_198c_4a47_5817,
];

/// Hashes `head ‖ message` for messages of 32 bytes: the usual case, one block. `head` is given as
/// words in memory order, at most eight of them.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(crate) fn hash_short<M: Machine, const H: usize>(
    machine: M,
    head: &[M::V; H],
    message: &[M::V; 4],
) -> Wide512<M::V> {
    const { assert!(H <= 8) };
    let mut block = [machine.splat(0); 16];
    for (to, word) in block.iter_mut().zip(head.iter().chain(message)) {
        *to = word.swap_bytes();
    }
    block[H + 4] = machine.splat(1 << 63);
    block[15] = machine.splat((H as u64 + 4) * 64);
    let mut state = start(machine);
    machine.run(Absorb(&mut state, &block));
    swapped(state)
}

/// Hashes `head ‖ message` for messages of any length, each lane its own. `head` is given as rows.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(crate) fn hash_any<M: Machine>(
    machine: M,
    heads: [&[u8]; 8],
    messages: [&[u8]; 8],
) -> Wide512<M::V> {
    let blocks = |lane: usize| (heads[lane].len() + messages[lane].len() + 17).div_ceil(128);
    let most = (0..8).map(blocks).max().unwrap_or(0);
    let mut state = start(machine);
    let mut rows = [[0; 128]; 8];
    for block in 0..most {
        let mut running = 0;
        for lane in 0..8 {
            if block < blocks(lane) {
                running |= 1 << lane;
                padded_block(heads[lane], messages[lane], block, &mut rows[lane]);
            }
        }
        let mut words = [machine.splat(0); 16];
        for (part, words) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let rows: Rows32<'_> = rows.each_ref().map(|row| &row.as_chunks::<32>().0[part]);
            *words = machine.load_32(rows);
            for word in words {
                *word = word.swap_bytes();
            }
        }
        let mut next = state;
        machine.run(Absorb(&mut next, &words));
        let running = state[0].mask(running);
        for (state, next) in state.iter_mut().zip(next) {
            *state = state.blend(running, next);
        }
    }
    rows.zeroize();
    swapped(state)
}

/// `SHA-512(R ‖ A ‖ M)`, with R as words.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(crate) fn challenge<M: Machine>(
    machine: M,
    r: &[M::V; 4],
    publics: Rows32<'_>,
    messages: [&[u8]; 8],
) -> Wide512<M::V> {
    if let Some(messages) = all_of_32(messages) {
        let [a0, a1, a2, a3] = machine.load_32(publics);
        let head = [r[0], r[1], r[2], r[3], a0, a1, a2, a3];
        return hash_short(machine, &head, &machine.load_32(messages));
    }
    let heads: [[u8; 64]; 8] = {
        let rs = M::V::store_32(*r);
        std::array::from_fn(|lane| {
            let mut head = [0; 64];
            head[..32].copy_from_slice(&rs[lane]);
            head[32..].copy_from_slice(publics[lane]);
            head
        })
    };
    hash_any(machine, heads.each_ref().map(|head| &head[..]), messages)
}

/// The messages, if all are of 32 bytes.
#[inline]
pub(crate) fn all_of_32(messages: [&[u8]; 8]) -> Option<Rows32<'_>> {
    let mut rows = [&[0; 32]; 8];
    for (row, message) in rows.iter_mut().zip(messages) {
        *row = message.try_into().ok()?;
    }
    Some(rows)
}

/// Block number `block` of `head ‖ message`, padded.
fn padded_block(head: &[u8], message: &[u8], block: usize, to: &mut [u8; 128]) {
    let length = head.len() + message.len();
    let start = block * 128;
    to.fill(0);
    for (at, part) in [(0, head), (head.len(), message)] {
        let from = start.clamp(at, at + part.len());
        let until = (start + 128).clamp(at, at + part.len());
        if from < until {
            to[from - start..until - start].copy_from_slice(&part[from - at..until - at]);
        }
    }
    if (start..start + 128).contains(&length) {
        to[length - start] = 0x80;
    }
    if length + 17 <= start + 128 {
        to[112..].copy_from_slice(&(length as u128 * 8).to_be_bytes());
    }
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn start<M: Machine>(machine: M) -> Wide512<M::V> {
    let [h0, h1, h2, h3, h4, h5, h6, h7] = START;
    [
        machine.splat(h0),
        machine.splat(h1),
        machine.splat(h2),
        machine.splat(h3),
        machine.splat(h4),
        machine.splat(h5),
        machine.splat(h6),
        machine.splat(h7),
    ]
}

/// Between the byte orders.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn swapped<V: Register>(mut words: Wide512<V>) -> Wide512<V> {
    for word in &mut words {
        *word = word.swap_bytes();
    }
    words
}

/// Takes one more block into the state, in a function of its own.
struct Absorb<'a, V>(&'a mut Wide512<V>, &'a [V; 16]);

impl<M: Machine> Work<M> for Absorb<'_, M::V> {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, _: M) {
        let Absorb(state, block) = self;
        *state = M::V::apply::<Compress, 8, 16, 8>(state, block);
    }
}

/// A state and a block to the next state.
struct Compress;

impl<R: Register> Leaf<R, 8, 16, 8> for Compress {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(state: &[R; 8], block: &[R; 16]) -> [R; 8] {
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
        // The schedule's window.
        let mut w = *block;
        for (turn, constants) in ROUND.as_chunks::<16>().0.iter().enumerate() {
            for i in 0..16 {
                if turn > 0 {
                    let (w2, w7, w15) = (w[(i + 14) % 16], w[(i + 9) % 16], w[(i + 1) % 16]);
                    let s0 = w15.ror(1).xor3(w15.ror(8), w15.shr(7));
                    let s1 = w2.ror(19).xor3(w2.ror(61), w2.shr(6));
                    w[i] = (w[i] + s0) + (w7 + s1);
                }
                let s1 = e.ror(14).xor3(e.ror(18), e.ror(41));
                let t1 = ((h + e.splat(constants[i])) + w[i]) + (s1 + e.choose(f, g));
                let s0 = a.ror(28).xor3(a.ror(34), a.ror(39));
                let majority = a.majority(b, c);
                h = g;
                g = f;
                f = e;
                e = d + t1;
                d = c;
                c = b;
                b = a;
                a = t1 + (s0 + majority);
            }
        }
        let [h0, h1, h2, h3, h4, h5, h6, h7] = *state;
        [
            h0 + a,
            h1 + b,
            h2 + c,
            h3 + d,
            h4 + e,
            h5 + f,
            h6 + g,
            h7 + h,
        ]
    }
}
