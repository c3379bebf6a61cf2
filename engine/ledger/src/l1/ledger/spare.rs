//! Places that are empty, a bit each, from which the lowest can be taken.

/// Empty places.
#[derive(Clone, Default)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Spare {
    /// Bit i of word w is place 64 w + i.
    words: Vec<u64>,
    /// No word before this one has a place.
    first: usize,
}

impl Spare {
    /// Adds a place.
    pub(super) fn put(&mut self, place: u32) {
        let (word, bit) = (place as usize / 64, place % 64);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << bit;
        self.first = self.first.min(word);
    }

    /// Moves the lowest places, at most so many, to the empty list `lowest`, the lowest at its end.
    pub(super) fn take_lowest(&mut self, most: usize, lowest: &mut Vec<u32>) {
        while let Some(word) = self.words.get_mut(self.first) {
            while *word != 0 {
                if lowest.len() >= most {
                    lowest.reverse();
                    return;
                }
                lowest.push(self.first as u32 * 64 + word.trailing_zeros());
                *word &= *word - 1;
            }
            self.first += 1;
        }
        lowest.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_come_first_whatever_the_order() {
        let mut spare = Spare::default();
        let take = |spare: &mut Spare, most| {
            let mut lowest = Vec::new();
            spare.take_lowest(most, &mut lowest);
            lowest
        };
        assert_eq!(take(&mut spare, 3), []);
        for place in [700, 3, 64, 63, 0, 5000] {
            spare.put(place);
        }
        assert_eq!(take(&mut spare, 3), [63, 3, 0]);
        assert_eq!(take(&mut spare, 0), []);
        spare.put(1);
        assert_eq!(take(&mut spare, 2), [64, 1]);
        assert_eq!(take(&mut spare, 9), [5000, 700]);
        assert_eq!(take(&mut spare, 9), []);
        spare.put(2);
        assert_eq!(take(&mut spare, 9), [2]);
    }
}
