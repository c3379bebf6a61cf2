//! All points that an honest endpoint can reach, and what of each of them matters on Layer 1.

use std::collections::{BTreeMap, HashMap};

use super::super::claim::Claim;
use super::super::dispute::Posting;
use super::super::transaction::Transaction;
use super::honest::{Bench, Point, secret};
use super::step::Step;
use duet_channels::protocol::{Amount, Balance, Party, Status};

/// What Layer 1 can be shown of a point.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct View {
    /// The honest party.
    pub(super) me: Party,
    /// The opening, and every state that the honest party has signed, oldest first.
    pub(super) states: Vec<Balance>,
    /// Its place among them that the honest party would show.
    pub(super) held: usize,
    /// What the honest party would post.
    pub(super) post: Posting,
    /// The peer can close with both finals.
    pub(super) has_final: bool,
    /// The honest party may still sign.
    pub(super) running: bool,
    /// What it must get.
    pub(super) due: Amount,
}

/// One party's reach.
pub(super) struct Reach {
    pub(super) bench: Bench,
    pub(super) views: Vec<View>,
    /// A point of each view.
    pub(super) points: Vec<Point>,
    /// From each view to others, with a step that leads there. It may start at another point with
    /// the same view: such a path can be longer than any real one, and never shorter.
    pub(super) steps: Vec<BTreeMap<u16, Step>>,
    /// How many points there are in all.
    pub(super) reached: usize,
}

impl Reach {
    /// Takes every step from every point.
    pub(super) fn of(mut bench: Bench) -> Reach {
        let opening = bench.opening();
        let mut known: HashMap<Vec<u8>, usize> = HashMap::from([(opening.key(), 0)]);
        let mut points = vec![opening];
        let mut edges = Vec::new();
        let mut at = 0;
        while at < points.len() {
            let point = points[at].clone();
            check_closing(&mut bench, &point);
            let mut resumed = HashMap::new();
            for step in Step::all(&point, &bench.bounds) {
                let Some(after) = bench.take(&point, &step) else {
                    continue;
                };
                let key = after.key();
                if let Step::Resumed { at, .. } = step {
                    let other = resumed.entry(at).or_insert_with(|| key.clone());
                    assert_eq!(*other, key, "a crash loses no more than a broken link");
                }
                let next = *known.entry(key).or_insert_with(|| {
                    points.push(after);
                    points.len() - 1
                });
                edges.push((at, next, step));
            }
            at += 1;
        }

        let mut places: HashMap<View, u16> = HashMap::new();
        let (mut views, mut of_views) = (Vec::new(), Vec::new());
        let mut view_of = Vec::new();
        for point in &points {
            let view = View::of(&bench, point);
            let place = *places.entry(view.clone()).or_insert_with(|| {
                views.push(view);
                of_views.push(point.clone());
                u16::try_from(views.len() - 1).expect("fewer than 2^16 views")
            });
            view_of.push(place);
        }
        let mut steps = vec![BTreeMap::new(); views.len()];
        for (from, to, step) in edges {
            let (from, to) = (view_of[from], view_of[to]);
            let [before, after]: [&View; 2] = [from, to].map(|place| &views[usize::from(place)]);
            if !before.running {
                assert!(!after.running && before.states == after.states, "{step}");
            }
            if from != to {
                steps[usize::from(from)].entry(to).or_insert(step);
            }
        }
        Reach {
            bench,
            views,
            points: of_views,
            steps,
            reached: points.len(),
        }
    }
}

impl View {
    fn of(bench: &Bench, point: &Point) -> View {
        let end = &point.end;
        let opening = bench.bounds.opening();
        let mut states = vec![opening];
        states.extend(
            point
                .shown
                .iter()
                .map(|shown| shown.state().balance(opening.a)),
        );
        assert!(
            states.is_sorted_by(|before, after| before.version < after.version),
            "S1: one state per version, and none below"
        );
        let newest = *states.last().expect("the opening");
        assert_eq!(newest, end.signed().balance, "it knows what it has signed");
        let held = states
            .iter()
            .position(|state| state.version == end.held_version());
        let held = held.expect("what it holds it has signed");
        let post = posting(bench, point);
        assert_eq!(post.shown, states[held]);
        assert_eq!(post.offer, (states.len() > held + 1).then_some(newest));
        let status = end.status();
        let has_final = matches!(status, Status::Finishing | Status::Finished);
        View {
            me: bench.me,
            states,
            held,
            post,
            has_final,
            running: status == Status::Running,
            due: newest.of(bench.me, &bench.bounds.limits()),
        }
    }

    /// The newest state that the honest party has signed.
    pub(super) fn newest(&self) -> Balance {
        *self.states.last().expect("the opening")
    }
}

/// From its first post on, the endpoint signs no more states, whatever it is sent, and posts always
/// the same; it answers what that beats, and nothing else.
fn check_closing(bench: &mut Bench, point: &Point) {
    let mut closing = point.clone();
    let post = closing.end.close(|order| bench.again(order));
    for step in Step::all(&closing, &bench.bounds) {
        if let Some(mut after) = bench.take(&closing, &step) {
            assert_eq!(after.shown, closing.shown, "{step}");
            let again = after.end.close(|order| bench.again(order));
            assert_eq!(again, post, "{step}");
            assert_eq!(after.end.counted(), point.end.counted(), "{step}");
        }
    }
    for version in (0..=bench.bounds.payments + 1).chain([u64::MAX]) {
        let mut end = point.end.clone();
        let answer = end.posted(version, |order| bench.again(order));
        assert_eq!(answer, Some(post).filter(|_| post.version() > version));
    }
}

/// What the endpoint posts, as Layer 1 reads it.
fn posting(bench: &Bench, point: &Point) -> Posting {
    let post = point.end.clone().close(|order| bench.again(order));
    let transaction = Transaction::Post {
        submitter: secret(bench.me as u8).public(),
        post,
    };
    let Ok(Claim::Post { shown, offer, .. }) = Claim::of(&transaction, &bench.terms.genesis) else {
        panic!("an honest post is in order");
    };
    Posting {
        channel: post.channel,
        poster: Some(bench.me),
        shown: shown.unwrap_or(bench.bounds.opening()),
        offer,
    }
}
