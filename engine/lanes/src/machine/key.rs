//! Public keys, decoded once for many verifications.

use super::buckets::PointRow;
use super::decode::decode;
use super::point::Point;
use super::rows::load_32;
use crate::Lanes;

/// A public key, decoded once for many verifications.
#[derive(Clone, Copy, Debug)]
pub struct VerifyingKey {
    pub(super) bytes: [u8; 32],
    pub(super) point: PointRow,
    small_order: bool,
}

impl VerifyingKey {
    /// Decodes keys by ZIP 215's rule for encodings, non-canonical ones included; `each` receives
    /// them in order, or nothing where there is no point.
    pub fn decode_many(
        Lanes(()): Lanes,
        encodings: &[[u8; 32]],
        mut each: impl FnMut(Option<VerifyingKey>),
    ) {
        for encodings in encodings.chunks(8) {
            // SAFETY: a `Lanes` is proof of the features.
            let (rows, points, small) = unsafe { decode_eight(lane_rows(encodings)) };
            for (lane, (bytes, point)) in encodings.iter().zip(rows).enumerate() {
                each((points & (1 << lane) != 0).then_some(VerifyingKey {
                    bytes: *bytes,
                    point,
                    small_order: small & (1 << lane) != 0,
                }));
            }
        }
    }

    /// Decodes one key, at the price of eight; `None` if it encodes no point.
    #[must_use]
    pub fn decode(lanes: Lanes, encoding: &[u8; 32]) -> Option<VerifyingKey> {
        let mut decoded = None;
        VerifyingKey::decode_many(lanes, std::slice::from_ref(encoding), |key| decoded = key);
        decoded
    }

    /// Whether it is a point of order 1, 2, 4 or 8, for which anyone can sign. ZIP 215 has no
    /// objection to such keys; whoever hands out money should.
    #[must_use]
    pub fn is_small_order(&self) -> bool {
        self.small_order
    }

    /// The encoding it was decoded from.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

/// Up to eight rows for eight lanes: the last one is repeated.
fn lane_rows(rows: &[[u8; 32]]) -> [&[u8; 32]; 8] {
    std::array::from_fn(|lane| &rows[lane.min(rows.len() - 1)])
}

/// The points in memory; which lanes are points; which of them are of small order.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn decode_eight(encodings: [&[u8; 32]; 8]) -> ([PointRow; 8], u8, u8) {
    let [(niels, points)] = decode(&[load_32(encodings)]);
    let mut rows = [PointRow::ZERO; 8];
    PointRow::store(&niels, &mut rows);
    let small = Point::identity()
        .add_niels(&niels)
        .double_times(3)
        .is_identity();
    (rows, points, small)
}
