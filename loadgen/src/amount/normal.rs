//! Turns uniform random words into normal and log-normal values, bit for bit the same on every
//! platform: IEEE arithmetic, and logarithm and exponential from the pure-Rust `libm`.

use self::coefficients::{
    CENTRE_ABOVE, CENTRE_BELOW, MIDDLE_ABOVE, MIDDLE_BELOW, TAIL_ABOVE, TAIL_BELOW,
};

/// No |z| that [`standard_normal`] returns is above this: a word's 52 bits reach z = ±8.21.
pub(crate) const LARGEST_Z: f64 = 8.25;

/// A uniform value strictly between 0 and 1: the middle of one of 2^52 equal steps.
#[inline]
pub(crate) fn open_unit(word: u64) -> f64 {
    ((word >> 12) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64)
}

/// A standard normal value by inversion, so that one word makes one value.
#[inline]
pub(crate) fn standard_normal(word: u64) -> f64 {
    inverse_normal(open_unit(word))
}

/// `exp(mu + sigma·z)` to the nearest integer, at least 1 and at most `largest`.
#[inline]
pub(crate) fn lognormal_integer(mu: f64, sigma: f64, z: f64, largest: u64) -> u64 {
    // A cast from f64 saturates, so an infinite value ends at `largest` too.
    ((libm::exp(mu + sigma * z) + 0.5) as u64).clamp(1, largest)
}

/// The quantile function of the standard normal distribution, to about 1 part in 10^16: Wichura,
/// Algorithm AS 241 (PPND16), Applied Statistics 37 (1988) 477–484. `p` strictly within (0, 1).
fn inverse_normal(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * horner(&CENTRE_ABOVE, r) / horner(&CENTRE_BELOW, r);
    }
    let r = libm::sqrt(-libm::log(if q < 0.0 { p } else { 1.0 - p }));
    let z = if r <= 5.0 {
        horner(&MIDDLE_ABOVE, r - 1.6) / horner(&MIDDLE_BELOW, r - 1.6)
    } else {
        horner(&TAIL_ABOVE, r - 5.0) / horner(&TAIL_BELOW, r - 5.0)
    };
    z.copysign(q)
}

/// The polynomial with these coefficients, the highest power first.
#[inline]
fn horner(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients
        .iter()
        .fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// The coefficients as AS 241 prints them, the highest power first.
#[expect(
    clippy::excessive_precision,
    reason = "the published digits, to be compared by eye"
)]
mod coefficients {
    pub(super) const CENTRE_ABOVE: [f64; 8] = [
        2.509_080_928_730_122_672_7e3,
        3.343_057_558_358_812_810_5e4,
        6.726_577_092_700_870_085_3e4,
        4.592_195_393_154_987_145_7e4,
        1.373_169_376_550_946_112_5e4,
        1.971_590_950_306_551_442_7e3,
        1.331_416_678_917_843_774_5e2,
        3.387_132_872_796_366_608_0,
    ];
    pub(super) const CENTRE_BELOW: [f64; 8] = [
        5.226_495_278_852_854_561_0e3,
        2.872_908_573_572_194_267_4e4,
        3.930_789_580_009_271_061_0e4,
        2.121_379_430_158_659_586_7e4,
        5.394_196_021_424_751_107_7e3,
        6.871_870_074_920_579_083_0e2,
        4.231_333_070_160_091_125_2e1,
        1.0,
    ];
    pub(super) const MIDDLE_ABOVE: [f64; 8] = [
        7.745_450_142_783_414_076_40e-4,
        2.272_384_498_926_918_458_33e-2,
        2.417_807_251_774_506_117_70e-1,
        1.270_458_252_452_368_382_58,
        3.647_848_324_763_204_605_04,
        5.769_497_221_460_691_405_50,
        4.630_337_846_156_545_295_90,
        1.423_437_110_749_683_577_34,
    ];
    pub(super) const MIDDLE_BELOW: [f64; 8] = [
        1.050_750_071_644_416_843_24e-9,
        5.475_938_084_995_344_946_00e-4,
        1.519_866_656_361_645_719_66e-2,
        1.481_039_764_274_800_745_90e-1,
        6.897_673_349_851_000_045_50e-1,
        1.676_384_830_183_803_849_40,
        2.053_191_626_637_758_821_87,
        1.0,
    ];
    pub(super) const TAIL_ABOVE: [f64; 8] = [
        2.010_334_399_292_288_132_65e-7,
        2.711_555_568_743_487_578_15e-5,
        1.242_660_947_388_078_438_60e-3,
        2.653_218_952_657_612_309_30e-2,
        2.965_605_718_285_048_912_30e-1,
        1.784_826_539_917_291_335_80,
        5.463_784_911_164_114_369_90,
        6.657_904_643_501_103_777_20,
    ];
    pub(super) const TAIL_BELOW: [f64; 8] = [
        2.044_263_103_389_939_785_64e-15,
        1.421_511_758_316_445_888_70e-7,
        1.846_318_317_510_054_681_80e-5,
        7.868_691_311_456_132_591_00e-4,
        1.487_536_129_085_061_485_25e-2,
        1.369_298_809_227_358_053_10e-1,
        5.998_322_065_558_879_376_90e-1,
        1.0,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_equal_published_values() {
        // Round values of p, from tables of the normal distribution (and AS 241's own test values).
        for (p, z) in [
            (0.5, 0.0),
            (0.25, -0.674_489_750_196_081_7),
            (0.001, -3.090_232_306_167_813),
            (1e-20, -9.262_340_089_798_408),
            (0.975, 1.959_963_984_540_054),
            (0.999_999, 4.753_424_308_822_899),
        ] {
            let found = inverse_normal(p);
            assert!(
                (found - z).abs() < 1e-10_f64.max(1e-14 * z.abs()),
                "{p}: {found} for {z}"
            );
        }
    }

    #[test]
    fn extreme_words_stay_in_range() {
        for word in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let unit = open_unit(word);
            assert!(unit > 0.0 && unit < 1.0, "{word}: {unit}");
            assert!(standard_normal(word).abs() < LARGEST_Z, "{word}");
        }
        assert_eq!(lognormal_integer(1e9, 0.0, 0.0, 77), 77);
        assert_eq!(lognormal_integer(-50.0, 1.0, 0.0, 77), 1);
    }
}
