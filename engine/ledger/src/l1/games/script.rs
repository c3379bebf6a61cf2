//! A game that went wrong, told move by move.

use std::fmt::Write as _;

use super::super::dispute::Posting;
use super::play::{Move, Play, Position, Watch};
use duet_channels::protocol::{Amount, Balance, Party};

/// A game in which something went wrong.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) what: What,
    /// Its moves, and from where each was made.
    pub(super) moves: Vec<(Position, Move)>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The honest party was paid less than its due.
    PaidTooLittle { due: Amount, got: Amount },
    /// So was an honest party that slept, and the peer would have risked nothing had it been awake.
    FreePass { due: Amount, got: Amount },
    /// The payouts do not sum to the capacity.
    NotConserved,
    /// The honest party forfeited.
    Forfeited,
    /// The peer lied and was paid.
    LiarPaid { got: Amount },
    /// Its answer came too late, and it was paid other than the dispute settles at.
    NotAsSettled { settled: Amount, got: Amount },
    /// Its answer came too late, and it was paid less than in any state that it has signed.
    BelowSigned { least: Amount, got: Amount },
}

impl Loss {
    /// The whole game, one line a move.
    pub(super) fn script(&self, play: &Play<'_>) -> String {
        let bounds = play.bounds;
        let me = play.reach.bench.me;
        let mut script = format!(
            "A locks {}, B {} · window {}, delay {} · {me:?} is honest\n",
            bounds.deposit_a,
            bounds.capacity - bounds.deposit_a,
            bounds.window,
            bounds.delay,
        );
        let view = &play.views[usize::from(self.moves[0].0.view)];
        if view.states.len() > 1 {
            let signed: Vec<String> = view.states.iter().map(state).collect();
            let (signed, held) = (signed.join(", "), view.states[view.held].version);
            let _ = writeln!(script, "       it has signed {signed}; both hold v{held}");
        }
        for (now, one) in &self.moves {
            let when = match now.case {
                None => "      ".to_owned(),
                Some(_) => format!("h + {} ", now.blocks),
            };
            let _ = writeln!(script, "{when} {}", play.told(now, one));
        }
        let _ = write!(script, "       {:?}", self.what);
        script
    }
}

impl Play<'_> {
    fn told(&self, now: &Position, one: &Move) -> String {
        let post = |who: String, posting: &Posting| {
            let offer = posting
                .offer
                .map_or(String::new(), |offer| format!(", offers {}", state(&offer)));
            format!("{who} posts {}{offer}", state(&posting.shown))
        };
        let who =
            |party: Option<Party>| party.map_or("a stranger".to_owned(), |p| format!("{p:?}"));
        match one {
            Move::OffChain(to) => {
                let step = &self.reach.steps[usize::from(now.view)][to];
                let [before, after] = [now.view, *to].map(|view| &self.views[usize::from(view)]);
                let stops = before.running && !after.running && !after.has_final;
                let refused = if stops {
                    ", which is refused: it stops"
                } else {
                    ""
                };
                format!("{step}{refused}")
            }
            Move::Closes => "honest party closes".to_owned(),
            Move::Sees => match self.watch {
                Watch::Itself => "honest party sees the post".to_owned(),
                Watch::Tower => "watchtower sees the post".to_owned(),
                Watch::Nobody { .. } => "honest party sleeps".to_owned(),
            },
            Move::Honest => {
                let posting = self.honest_post(now);
                post(format!("honest {}", who(posting.poster)), &posting)
            }
            Move::Evicted => "honest party's transaction is evicted".to_owned(),
            Move::Other(at) => {
                let posting = &self.posts(now)[usize::from(*at)];
                post(who(posting.poster), posting)
            }
            Move::NextBlock => "next block".to_owned(),
            Move::Final => "closed with both finals".to_owned(),
            Move::PayOut => "payout".to_owned(),
        }
    }
}

fn state(balance: &Balance) -> String {
    format!("v{} (A {})", balance.version, balance.a.units())
}
