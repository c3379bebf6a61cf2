//! The searches that the test run makes, and the larger ones behind
//! `cargo test -p duet-ledger --lib games -- --ignored --nocapture`.

use std::time::Instant;

use super::super::dispute::Posting;
use super::court::Law;
use super::honest::Bench;
use super::play::{Play, Position, Watch};
use super::reach::{Reach, View};
use super::script::What;
use super::{Bounds, both, replay};
use duet_channels::protocol::Party;

fn reach(bounds: Bounds, me: Party) -> Reach {
    Reach::of(Bench::new(bounds, me, replay::genesis_id()))
}

/// Searches all games in which this party is honest, and prints how many that were.
fn search(bounds: Bounds, me: Party) {
    let start = Instant::now();
    let reach = reach(bounds, me);
    let mut play = Play::new(&reach, bounds, Law::AsItIs);
    let games = match play.games(Position::START) {
        Ok(games) => games,
        Err(what) => panic!("{}", script(&mut play, what)),
    };
    println!(
        "{me:?} honest, {} · {} points, {} views, {} disputes · {} positions, {games:.3e} games, {:.2?}",
        bounds.told(),
        reach.reached,
        reach.views.len(),
        play.court.cases().len(),
        play.positions(),
        start.elapsed(),
    );
}

#[test]
fn no_game_costs_an_honest_party_its_due() {
    for me in Party::BOTH {
        for (deposit_a, window, delay) in [(2, 1, 0), (2, 2, 1), (3, 2, 1)] {
            let bounds = Bounds {
                deposit_a,
                window,
                delay,
                ..Bounds::SMALL
            };
            search(bounds, me);
        }
    }
}

#[test]
#[ignore = "minutes"]
fn no_longer_game_does_either() {
    for me in Party::BOTH {
        for deposit_a in [4, 2] {
            let bounds = Bounds {
                capacity: 4,
                deposit_a,
                amounts: &[1, 2, 3],
                payments: 4,
                in_flight: 3,
                window: 3,
                delay: 2,
                ..Bounds::SMALL
            };
            search(bounds, me);
        }
    }
}

/// The shortest game that goes wrong, where one does.
fn script(play: &mut Play<'_>, what: What) -> String {
    let loss = play.shortest_loss(&[Position::START]);
    loss.map_or_else(|| format!("{what:?}"), |loss| loss.script(play))
}

/// The shortest game that goes wrong, if one does, among those with the fewest payments.
fn lost(bounds: Bounds, law: Law, me: Party) -> Option<(What, String)> {
    (0..=bounds.payments).find_map(|payments| {
        let bounds = Bounds { payments, ..bounds };
        let reach = reach(bounds, me);
        let mut play = Play::new(&reach, bounds, law);
        let loss = play.shortest_loss(&[Position::START])?;
        Some((loss.what, loss.script(&play)))
    })
}

fn name(what: What) -> &'static str {
    match what {
        What::PaidTooLittle { .. } => "paid too little",
        What::FreePass { .. } => "free pass",
        What::NotConserved => "not conserved",
        What::Forfeited => "forfeited",
        What::LiarPaid { .. } => "liar paid",
        What::NotAsSettled { .. } => "not as settled",
        What::BelowSigned { .. } => "below signed",
    }
}

/// Whatever waits or is evicted, for however long: an answer that gets in costs nothing, and one
/// that does not costs what the dispute settles at, and no punishment.
fn search_scarce(bounds: Bounds, watch: Watch, me: Party) {
    let start = Instant::now();
    let bounds = Bounds {
        scarce: true,
        ..bounds
    };
    let reach = reach(bounds, me);
    let towers: Vec<View> = match watch {
        Watch::Itself => reach.views.clone(),
        // One that has the newest state that both hold.
        _ => (reach.views.iter())
            .map(|view| shown_by_others(view, view.held))
            .collect(),
    };
    let mut play = Play::watched(&reach, &towers, bounds, Law::AsItIs, watch);
    let starts: Vec<Position> = match watch {
        Watch::Itself => vec![Position::START],
        _ => (0..towers.len() as u16).map(Position::at).collect(),
    };
    let games: Result<f64, What> = starts.iter().map(|start| play.games(*start)).sum();
    let games = games.unwrap_or_else(|what| {
        let loss = play.shortest_loss(&starts).map(|loss| loss.script(&play));
        panic!("{what:?}\n{}", loss.unwrap_or_default())
    });
    println!(
        "{watch:?}, {me:?} honest, {} · {} positions, {games:.3e} games, {} ends with a loss, {:.2?}",
        bounds.told(),
        play.positions(),
        play.losses,
        start.elapsed(),
    );
    assert!(play.losses > 0, "scarce blocks cost something");
}

#[test]
fn scarce_blocks_cost_what_the_rules_say_and_no_more() {
    for me in Party::BOTH {
        search_scarce(Bounds::TIGHT, Watch::Itself, me);
        search_scarce(Bounds::SMALL, Watch::Itself, me);
        search_scarce(Bounds::SMALL, Watch::Tower, me);
    }
}

#[test]
#[ignore = "minutes"]
fn longer_waits_cost_no_more_either() {
    for me in Party::BOTH {
        for deposit_a in [4, 2] {
            let bounds = Bounds {
                capacity: 4,
                deposit_a,
                payments: 4,
                window: 3,
                ..Bounds::SMALL
            };
            search_scarce(bounds, Watch::Itself, me);
        }
    }
}

/// Where blocks are scarce, the search still sees broken rules.
#[test]
fn scarce_blocks_hide_no_broken_rule() {
    let bounds = Bounds {
        scarce: true,
        ..Bounds::SMALL
    };
    for (law, expected) in [
        (Law::EvidenceIsAPost, "forfeited"),
        (Law::OffersRaise, "paid too little"),
        (Law::HonestSignsOn, "forfeited"),
    ] {
        let found = Party::BOTH.map(|me| lost(bounds, law, me));
        let names: Vec<_> = (found.iter().flatten())
            .map(|(what, _)| name(*what))
            .collect();
        assert!(names.contains(&expected), "{law:?}: {names:?}");
    }
}

/// Late by the whole window, an honest party loses, and the search says so.
#[test]
fn an_answer_after_the_window_is_too_late() {
    for me in Party::BOTH {
        for (window, delay) in [(1, 1), (2, 2), (2, 3)] {
            let bounds = Bounds {
                window,
                delay,
                ..Bounds::SMALL
            };
            let (what, script) = lost(bounds, Law::AsItIs, me).expect("a loss");
            println!("{script}\n");
            let too_little = ["paid too little", "liar paid"];
            assert!(too_little.contains(&name(what)), "{script}");
        }
    }
}

/// Without any one of these rules, a game goes wrong, and the search finds it.
#[test]
fn every_rule_is_needed() {
    let table = [
        (Law::OffersIgnored, "forfeited"),
        (Law::CoveredByVersionOnly, "liar paid"),
        (Law::OffersRaise, "paid too little"),
        (Law::EvidenceIsAPost, "forfeited"),
        (Law::NoPunishment, "liar paid"),
        (Law::HonestOffersNothing, "forfeited"),
        (Law::HonestSleeps, "paid too little"),
        (Law::HonestSignsOn, "forfeited"),
    ];
    for (law, expected) in table {
        let found = Party::BOTH.map(|me| lost(Bounds::SMALL, law, me));
        for (what, script) in found.iter().flatten() {
            println!("{law:?}: {}\n{script}\n", name(*what));
        }
        let names = found.iter().flatten().map(|(what, _)| name(*what));
        assert!(
            names.clone().any(|name| name == expected),
            "{law:?}: {:?}",
            names.collect::<Vec<_>>()
        );
    }
}

/// An honest party that never looks, and a watchtower with a state that it had, perhaps an old one:
/// it gets no less than its smallest balance from that state on, and the tower costs it nothing.
#[test]
fn a_watchtower_is_worth_what_it_was_given() {
    let limits = Bounds::TIGHT.limits();
    for me in Party::BOTH {
        let reach = reach(Bounds::TIGHT, me);
        let towers = reach.views.iter().flat_map(|view| {
            (1..=view.held).map(|held| {
                let from_there_on = view.states[held..].iter();
                let due = from_there_on.map(|state| state.of(me, &limits)).min();
                View {
                    held,
                    due: due.expect("the tower's own at least"),
                    ..shown_by_others(view, held)
                }
            })
        });
        let views: Vec<View> = towers.collect();
        let law = Law::AsItIs;
        let mut play = Play::watched(&reach, &views, Bounds::TIGHT, law, Watch::Tower);
        let starts = (0..views.len() as u16).map(Position::at);
        let games: Result<f64, What> = starts.map(|start| play.games(start)).sum();
        let games = games.expect("no game that goes wrong");
        println!(
            "{me:?} asleep, {} towers · {} positions, {games:.3e} games",
            views.len(),
            play.positions(),
        );
    }
}

/// A view whose honest party leaves it to others to show the state at this place.
fn shown_by_others(view: &View, place: usize) -> View {
    View {
        has_final: false,
        post: Posting {
            poster: None,
            shown: view.states[place],
            offer: None,
            ..view.post
        },
        ..view.clone()
    }
}

/// The shortest game in which the peer is paid above its due because the honest party sleeps, and
/// would have lost nothing had it been awake.
fn free_pass(law: Law, strangers: bool, me: Party) -> Option<String> {
    let reach = reach(Bounds::TIGHT, me);
    let views = reach.views.iter().map(|view| shown_by_others(view, 0));
    let views: Vec<View> = views.collect();
    let watch = Watch::Nobody { strangers };
    let mut play = Play::watched(&reach, &views, Bounds::TIGHT, law, watch);
    let starts: Vec<Position> = (0..views.len() as u16).map(Position::at).collect();
    let loss = play.shortest_loss(&starts)?;
    assert_eq!(name(loss.what), "free pass");
    Some(loss.script(&play))
}

/// Whoever tries to get more than its due puts its own balance at risk. It was not always so: when
/// an offer bound only with its own post, whoever posted an old state with an offer that covers all
/// that came later, and then showed another old state from a stranger's account, had lifted its
/// offer. It got that state if the honest party slept, and its due if not. (That cost no honest
/// party anything that answered in time.)
#[test]
fn whoever_tries_for_more_than_its_due_takes_a_risk() {
    for me in Party::BOTH {
        assert_eq!(free_pass(Law::AsItIs, true, me), None);
        assert_eq!(free_pass(Law::OffersLifted, false, me), None);
        let script = free_pass(Law::OffersLifted, true, me).expect("the stranger");
        println!("{script}\n");
        assert!(script.contains("a stranger posts"));
    }
}

#[test]
fn two_that_cheat_only_share_out_their_own() {
    let start = Instant::now();
    let bounds = Bounds::SMALL;
    println!("{:?}, {:.2?}", both::search(&bounds), start.elapsed());
}

#[test]
fn the_chain_plays_the_same_games() {
    let start = Instant::now();
    let mut moves = 0;
    for me in Party::BOTH {
        let reach = reach(Bounds::SMALL, me);
        let mut play = Play::new(&reach, Bounds::SMALL, Law::AsItIs);
        for view in 0..reach.views.len() as u16 {
            moves += replay::game(&mut play, view, u64::from(view));
        }
    }
    println!("{moves} moves, {:.2?}", start.elapsed());
}
