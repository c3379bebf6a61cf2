//! The searches that the test run makes.

use std::time::Instant;

use super::Bounds;
use super::court::Broken;
use super::honest::Bench;
use super::play::{Play, Position};
use super::reach::Reach;
use crate::crypto::Digest;
use crate::protocol::Party;

#[test]
fn count_points() {
    for (k, amounts) in [(1, &[1u64][..]), (2, &[1, 2])] {
        for me in [Party::A, Party::B] {
            for (window, delay) in [(2, 0), (2, 1), (3, 2)] {
                let start = Instant::now();
                let bounds = Bounds {
                    cosign_every: k,
                    amounts,
                    window,
                    delay,
                    ..Bounds::SMALL
                };
                let reach = Reach::of(Bench::new(bounds, me, Digest([9; 32])));
                let mut play = Play::new(&reach, bounds, Broken::Nothing);
                let games = play.games(Position::START);
                println!(
                    "k {k} {amounts:?} {me:?} W {window} D {delay}: {} points, {} views, {} edges {} positions, {} cases, {:?}",
                    reach.reached,
                    reach.views.len(),
                    reach.steps.iter().map(|s| s.len()).sum::<usize>(),
                    play.positions(),
                    play.court.cases().len(),
                    start.elapsed()
                );
                match games {
                    Ok(games) => println!("  {games:e}"),
                    Err(loss) => println!("{}", loss.script(&play)),
                }
            }
        }
    }
}
