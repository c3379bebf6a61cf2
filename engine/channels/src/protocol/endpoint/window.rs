//! Proposals in flight: what is needed to complete each when its answer comes, and the message that
//! it was, so that it can be sent again.

use std::collections::VecDeque;

use super::super::new_state::NewState;
use super::super::rejection::Rejection;
use crate::crypto::Signature;

/// What an endpoint has only while proposals are in flight, or once its peer broke a rule.
#[derive(Default)]
#[cfg_attr(any(test, feature = "testing"), derive(Clone))]
pub(super) struct Aside {
    pub(super) window: Window,
    /// The rule that the peer broke.
    pub(super) because: Option<Rejection>,
}

/// One channel's unanswered proposals, oldest first.
#[derive(Default)]
#[cfg_attr(any(test, feature = "testing"), derive(Clone))]
pub(super) struct Window {
    proposals: VecDeque<Sent>,
    /// The messages, back to back; the first `answered` bytes are of answered ones.
    bytes: Vec<u8>,
    answered: usize,
}

/// One proposal that was sent.
#[cfg_attr(any(test, feature = "testing"), derive(Clone))]
pub(super) struct Sent {
    pub(super) state: NewState,
    pub(super) signature: Signature,
    pub(super) pass: bool,
    message_len: usize,
}

impl Window {
    pub(super) fn len(&self) -> u32 {
        self.proposals.len() as u32
    }

    /// Keeps a proposal, and the message that it is.
    pub(super) fn push(
        &mut self,
        state: NewState,
        message: &[u8],
        signature: Signature,
        pass: bool,
    ) {
        let newest = self.proposals.back();
        assert!(
            newest.is_none_or(|newest| newest.state.version() == state.from.0),
            "proposals follow each other"
        );
        self.bytes.extend_from_slice(message);
        self.proposals.push_back(Sent {
            state,
            signature,
            pass,
            message_len: message.len(),
        });
    }

    /// The proposal that led to this version.
    pub(super) fn find(&self, version: u64) -> Option<&Sent> {
        // Answers are completed in the order of their proposals: each is then the oldest one's.
        let oldest = self.proposals.front()?;
        if oldest.state.version() == version {
            return Some(oldest);
        }
        let at = self
            .proposals
            .partition_point(|sent| sent.state.version() < version);
        self.proposals
            .get(at)
            .filter(|sent| sent.state.version() == version)
    }

    pub(super) fn newest(&self) -> Option<&Sent> {
        self.proposals.back()
    }

    /// The unanswered proposals' messages, back to back, oldest first.
    pub(super) fn messages(&self) -> &[u8] {
        &self.bytes[self.answered..]
    }

    /// The unanswered proposals above a version, each with its message, oldest first.
    pub(super) fn after(&self, version: u64) -> impl Iterator<Item = (&Sent, &[u8])> {
        let mut rest = self.messages();
        let each = self.proposals.iter().map(move |sent| {
            let (message, after) = rest.split_at(sent.message_len);
            rest = after;
            (sent, message)
        });
        each.skip_while(move |(sent, _)| sent.state.version() <= version)
    }

    /// Takes off all proposals up to this version and gives the last of them.
    pub(super) fn answer(&mut self, version: u64) -> Option<Sent> {
        let mut last = None;
        while let Some(sent) = self
            .proposals
            .pop_front_if(|sent| sent.state.version() <= version)
        {
            self.answered += sent.message_len;
            last = Some(sent);
        }
        if self.answered > self.bytes.len() / 2 {
            self.bytes.drain(..self.answered);
            self.answered = 0;
        }
        last
    }
}

/// Windows that no channel needs at the moment. A channel has one only while it has proposals in
/// flight, so that idle channels cost nothing and busy ones do not allocate.
#[derive(Default)]
#[allow(clippy::vec_box)] // The boxes themselves move in and out of the endpoints.
pub struct WindowPool(Vec<Box<Aside>>);

impl WindowPool {
    /// A pool without windows; it grows to as many as are in use at once.
    #[must_use]
    pub fn new() -> WindowPool {
        WindowPool::default()
    }

    pub(super) fn lend<'w>(&mut self, place: &'w mut Option<Box<Aside>>) -> &'w mut Aside {
        place.get_or_insert_with(|| self.0.pop().unwrap_or_default())
    }

    /// Takes the window back if it is empty.
    pub(super) fn take_back(&mut self, place: &mut Option<Box<Aside>>) {
        let unused =
            |aside: &mut Box<Aside>| aside.window.proposals.is_empty() && aside.because.is_none();
        if let Some(aside) = place.take_if(unused) {
            debug_assert_eq!(aside.window.answered, aside.window.bytes.len());
            self.0.push(aside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::fixture::states;

    /// A window over proposals of 3, 3, 3, … entries.
    fn window(proposals: usize, passes: bool) -> Window {
        let mut window = Window::default();
        for (i, state) in states(3, proposals).into_iter().enumerate() {
            push(&mut window, state, passes && i + 1 == proposals);
        }
        window
    }

    fn push(window: &mut Window, state: NewState, pass: bool) {
        let version = state.version();
        window.push(state, &message(version), signature(version), pass);
    }

    /// As long as the version, so that no two proposals are as long.
    fn message(version: u64) -> Vec<u8> {
        vec![version as u8; version as usize]
    }

    fn signature(version: u64) -> Signature {
        Signature([version as u8; 64])
    }

    fn messages(versions: &[u64]) -> Vec<u8> {
        versions
            .iter()
            .flat_map(|version| message(*version))
            .collect()
    }

    fn after(window: &Window, version: u64) -> Vec<u8> {
        window
            .after(version)
            .flat_map(|(_, message)| message.to_vec())
            .collect()
    }

    #[test]
    fn only_versions_that_were_proposed_are_found() {
        let window = window(4, false);
        for version in 0..20 {
            let found = window.find(version).map(|sent| sent.state.version());
            let expected = [3, 6, 9, 12].contains(&version).then_some(version);
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_answer_takes_off_all_that_it_covers() {
        for (version, left) in [
            (2, &[3, 6, 9, 12][..]),
            (3, &[6, 9, 12]),
            (6, &[9, 12]),
            (7, &[9, 12]),
            (12, &[]),
            (u64::MAX, &[]),
        ] {
            let mut window = window(4, false);
            let answered = window.answer(version).map(|sent| sent.state.version());
            let newest = [3, 6, 9, 12].into_iter().rfind(|v| *v <= version);
            assert_eq!(answered, newest);
            assert_eq!(window.len() as usize, left.len());
            assert_eq!(
                window.messages(),
                messages(left),
                "after an answer to {version}"
            );
        }
    }

    #[test]
    fn what_is_sent_again_is_what_was_sent_above_a_version() {
        for (signed, left) in [
            (0, &[3, 6, 9][..]),
            (3, &[6, 9]),
            (5, &[6, 9]),
            (6, &[9]),
            (9, &[]),
            (u64::MAX, &[]),
        ] {
            assert_eq!(after(&window(3, false), signed), messages(left), "{signed}");
            let window = window(3, true);
            let last = window.after(signed).last().map(|(sent, _)| sent.pass);
            // A pass that the peer has seen already is not made again.
            assert_eq!(last, (!left.is_empty()).then_some(true), "above {signed}");
        }
    }

    /// Answers and proposals in turn: proposals stay whole while the answered ones are let go.
    #[test]
    fn a_window_that_slides_keeps_its_proposals_and_no_others() {
        let states = states(1, 200);
        let mut window = Window::default();
        for (i, &state) in states.iter().enumerate() {
            push(&mut window, state, false);
            let version = state.version();
            if i >= 4 {
                let answered = window.answer(version - 4).map(|sent| sent.state.version());
                assert_eq!(answered, Some(version - 4));
                let left: Vec<u64> = (version - 3..=version).collect();
                assert_eq!(window.messages(), messages(&left));
                assert!(window.bytes.len() <= 3 * messages(&left).len());
            }
        }
    }

    #[test]
    #[should_panic(expected = "proposals follow each other")]
    fn a_gap_between_proposals_is_our_own_bug() {
        let states = states(1, 3);
        let mut window = Window::default();
        push(&mut window, states[0], false);
        push(&mut window, states[2], false);
    }

    #[test]
    fn windows_are_lent_and_come_back_empty() {
        let mut pool = WindowPool::new();
        let mut place = None;
        for state in states(1, 3) {
            push(&mut pool.lend(&mut place).window, state, false);
        }
        pool.take_back(&mut place);
        assert_eq!(
            place.as_ref().map(|aside| aside.window.len()),
            Some(3),
            "not while it is in use"
        );
        let newest = place.as_mut().and_then(|aside| aside.window.answer(3));
        assert_eq!(newest.map(|sent| sent.state.version()), Some(3));
        pool.take_back(&mut place);
        assert!(place.is_none());
        assert_eq!(pool.0.len(), 1);
        let again = &pool.lend(&mut place).window;
        assert_eq!((again.len(), again.messages()), (0, &[][..]));
        assert_eq!(pool.0.len(), 0, "the same one");
    }
}
