//! Latency distributions as a run file has them: HDR histograms in their V2 encoding, in base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2Serializer},
};

/// What begins the V2 encoding: cookie, payload's length, offset, digits, least value, greatest,
/// ratio.
const HEADER_BYTES: usize = 4 * 4 + 3 * 8;
const V2_COOKIE: u32 = 0x1c84_9313;

/// What runs record with: with as many digits every value up to 2^64 takes 442 kB, with two more 49
/// MB.
const MOST_DIGITS: u32 = 3;

/// More payments than any run makes; sums of counts stay far from 2^64.
const MOST_COUNTED: u64 = 1 << 53;

/// Reads base64 of the V2 encoding, as a run file has it.
///
/// # Errors
/// What is wrong with the text, and what was expected.
pub fn decode(text: &str) -> Result<Histogram<u64>, String> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|error| format!("not base64: {error}"))?;
    check_header(&bytes)?;
    let mut rest = bytes.as_slice();
    let histogram: Histogram<u64> = Deserializer::new()
        .deserialize(&mut rest)
        .map_err(|error| format!("not an HDR histogram of the V2 encoding: {error}"))?;
    if !rest.is_empty() {
        return Err(format!(
            "{} bytes after the end of the HDR histogram",
            rest.len()
        ));
    }
    if histogram.len() > MOST_COUNTED {
        return Err(format!(
            "the HDR histogram counts {}: expected at most {MOST_COUNTED}",
            histogram.len()
        ));
    }
    Ok(histogram)
}

/// Refuses a header that claims more than follows, or more than a run records: the decoder takes
/// memory on its word.
fn check_header(bytes: &[u8]) -> Result<(), String> {
    let Some((header, payload)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(format!(
            "not an HDR histogram: it has {} bytes, and a header alone has {HEADER_BYTES}",
            bytes.len()
        ));
    };
    let field = |at: usize| {
        let bytes = header[at..].first_chunk();
        u32::from_be_bytes(*bytes.expect("within the header"))
    };
    let (cookie, claimed, digits) = (field(0), field(4), field(12));
    if cookie != V2_COOKIE {
        return Err(format!(
            "it begins with {cookie:#010x}: expected an HDR histogram of the V2 encoding, \
             {V2_COOKIE:#010x}"
        ));
    }
    if claimed as usize > payload.len() {
        return Err(format!(
            "the HDR histogram claims {claimed} bytes of counts and has {}",
            payload.len()
        ));
    }
    // -2^63, which the decoder negates.
    if payload.windows(9).any(|nine| nine == [0xff; 9]) {
        return Err("the HDR histogram has a count of -2^63: expected none below 0".to_owned());
    }
    if digits > MOST_DIGITS {
        return Err(format!(
            "the HDR histogram claims {digits} significant digits: expected at most {MOST_DIGITS}"
        ));
    }
    Ok(())
}

/// Writes the V2 encoding in base64.
#[must_use]
pub fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2Serializer::new()
        .serialize(histogram, &mut bytes)
        .expect("writing to memory cannot fail, and counts are below 2^63");
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thousand() -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        for nth in 1..=1_000 {
            histogram.record(nth * 1_000_000).unwrap();
        }
        histogram
    }

    fn encoded(histogram: &Histogram<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(histogram, &mut bytes)
            .unwrap();
        bytes
    }

    #[test]
    fn what_was_encoded_is_read_back() {
        let text = STANDARD.encode(encoded(&thousand()));
        assert_eq!(decode(&text).unwrap(), thousand());
    }

    #[test]
    fn damage_is_named() {
        let whole = encoded(&thousand());
        let mut longer = whole.clone();
        longer.push(0);
        let with = |at: usize, field: &[u8]| {
            let mut bytes = whole.clone();
            bytes[at..at + field.len()].copy_from_slice(field);
            bytes
        };
        let other = with(0, &[0xe3]);
        let table = [
            ("HIST*".to_owned(), "not base64: "),
            ("HISTF".to_owned(), "not base64: "),
            (String::new(), "not an HDR histogram: it has 0 bytes"),
            (
                STANDARD.encode(&whole[..whole.len() / 2]),
                "the HDR histogram claims ",
            ),
            (STANDARD.encode(other), "it begins with 0xe3849313: "),
            (
                STANDARD.encode(with(4, &u32::MAX.to_be_bytes())),
                "the HDR histogram claims 4294967295 bytes of counts and has ",
            ),
            (
                STANDARD.encode(with(12, &5_u32.to_be_bytes())),
                "the HDR histogram claims 5 significant digits: expected at most 3",
            ),
            (
                STANDARD.encode(with(16, &0_u64.to_be_bytes())),
                "not an HDR histogram of the V2 encoding: ",
            ),
            (
                STANDARD.encode(longer),
                "1 bytes after the end of the HDR histogram",
            ),
        ];
        for (text, expected) in table {
            let error = decode(&text).expect_err(expected);
            assert!(error.starts_with(expected), "{expected}: {error}");
        }
    }
}
