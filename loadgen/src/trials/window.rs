//! Which challenge window a search for the least one tries next: from those tried so far alone.
//! Pure.

/// A window that was tried, in blocks, and whether nothing was lost with it.
pub(super) type Tried = (u64, bool);

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A run with this window.
    Try(u64),
    /// Nothing is lost from this one on, and something with one block less, if there is such a one.
    Found(u64),
    /// With this one, the longest, something is still lost.
    NotEvenWith(u64),
}

/// What to do after these. A window that is safe is so with each block more. The search begins at
/// `start` and tries no longer ones than `most`.
pub(super) fn next(tried: &[Tried], start: u64, most: u64) -> Next {
    let safe = tried.iter().filter(|(_, safe)| *safe).map(|(at, _)| *at);
    let lost = tried.iter().filter(|(_, safe)| !*safe).map(|(at, _)| *at);
    // No window at all is never enough.
    let (safe, lost) = (safe.min(), lost.max().unwrap_or(0));
    let doubled = 1 << tried.len().min(40);
    match safe {
        None if lost == 0 => Next::Try(start.clamp(1, most)),
        None if lost >= most => Next::NotEvenWith(lost),
        None => Next::Try((lost + doubled / 2).min(most)),
        Some(safe) if safe <= lost + 1 => Next::Found(safe),
        // Down in growing steps until something is lost, and then between the two.
        Some(safe) if lost == 0 => Next::Try(safe.saturating_sub(doubled / 2).max(1)),
        Some(safe) => Next::Try(lost + (safe - lost) / 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The windows that a search tries where the least is this one.
    fn search(least: u64, start: u64, most: u64) -> (Vec<u64>, Next) {
        let mut tried: Vec<Tried> = Vec::new();
        loop {
            match next(&tried, start, most) {
                Next::Try(window) => {
                    assert!(tried.iter().all(|(at, _)| *at != window), "{tried:?}");
                    tried.push((window, window >= least));
                }
                end => return (tried.into_iter().map(|(at, _)| at).collect(), end),
            }
        }
    }

    #[test]
    fn a_search_that_begins_right_takes_two_runs() {
        assert_eq!(search(36, 36, 1_000), (vec![36, 35], Next::Found(36)));
        assert_eq!(search(1, 1, 1_000), (vec![1], Next::Found(1)));
        assert_eq!(search(1, 9, 1_000).1, Next::Found(1));
    }

    #[test]
    fn every_least_window_is_found_from_everywhere() {
        for least in [1, 2, 7, 36, 99, 100] {
            for start in [1, 3, 36, 77, 100, 5_000] {
                let (runs, end) = search(least, start, 100);
                assert_eq!(end, Next::Found(least), "from {start}");
                assert!(runs.len() <= 14, "{least} from {start}: {runs:?}");
            }
        }
        assert_eq!(search(101, 5, 100).1, Next::NotEvenWith(100));
    }
}
