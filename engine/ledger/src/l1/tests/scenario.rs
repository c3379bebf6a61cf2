//! A channel's life in one line, and the check that it ends as that line says.
//!
//! `open 60/40 · A posts v0 · B shows v1 (45/55) · h+4: C pays out → A 0, B 100 at v1, A forfeits`
//!
//! A and B are the parties, C is anyone else. Each step has a block of its own, but for those that
//! start with `&`: they are in the block of the one before. `h` is the height of the first post;
//! the challenge window is 3 blocks unless the opening says `window 1`. Steps:
//!
//! * `A posts v1 (45/55) offering v2 (30/70)`, the offer if there is one; `shows` is the same;
//! * `A pays out`; `A closes v1 (45/55)`, signed as final by both;
//! * `they roll over v1 (45/55) into 30/20`.
//!
//! A step that ends in `✗ window_closed` is refused by that name, changes nothing and costs
//! nothing. The line ends in what both get, or `→ locked`: the channel is still there.
//!
//! Every line is played twice, the second time with B as the opener: no rule knows who opened.

use super::*;

/// A line, while it is played.
struct Play<'s> {
    scenario: &'s str,
    world: World,
    terms: Terms,
    /// B is the channel's party A.
    flipped: bool,
    /// The height of the first post.
    posted_at: Option<u64>,
    /// Fees paid by A, B and C.
    fees: [u64; 3],
    ending: Option<Ending>,
    /// What A and B lock in the successor.
    rolled: [u64; 2],
}

/// What a channel paid out.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    a: u64,
    b: u64,
    version: u64,
    forfeits: Option<Who>,
}

/// One step: what to submit, and what comes of it.
struct Step {
    by: Who,
    bytes: Bytes,
    expected: Expected,
}

enum Expected {
    Refused(String),
    Posted(u64),
    Ends,
}

/// Plays a line both ways round.
#[track_caller]
pub(super) fn check(scenario: &str) {
    for flipped in [false, true] {
        Play::run(scenario, flipped);
    }
}

impl<'s> Play<'s> {
    #[track_caller]
    fn run(scenario: &'s str, flipped: bool) {
        let (script, end) = scenario.split_once(" → ").expect("an end");
        let mut steps = script.split(" · ").peekable();
        let mut play = Play::open(scenario, steps.next().expect("an opening"), flipped);
        while let Some(first) = steps.next() {
            let mut block = vec![play.wait(first)];
            while let Some(step) = steps.next_if(|step| step.starts_with("& ")) {
                block.push(&step[2..]);
            }
            let block = block.into_iter().map(|step| play.read(step)).collect();
            play.play(block);
        }
        play.end(end);
    }

    fn open(scenario: &'s str, opening: &str, flipped: bool) -> Play<'s> {
        let opening = opening.strip_prefix("open ").expect("an opening");
        let (deposits, window) = opening.split_once(" window ").unwrap_or((opening, "3"));
        let [a, b] = shares(deposits);
        // A fee of 0 where there is nothing left to pay one from.
        let purse = 1000;
        let rich = a
            .checked_add(b)
            .is_none_or(|sum| sum > u64::MAX - 3 * purse);
        let (fee, purse) = if rich { (0, 0) } else { (FEE, purse) };
        let config = Config {
            fee: Amount::new(fee),
            ..config()
        };
        let mut world = World::funded("channels", config, &[a + purse, b + purse, purse]);
        let terms = if flipped {
            world.terms(BOB, 0, ALICE, b, a)
        } else {
            world.terms(ALICE, 0, BOB, a, b)
        };
        let terms = Terms {
            challenge_window_blocks: window.parse().expect("a window in blocks"),
            ..terms
        };
        world.submit(&world.open(&terms)).unwrap();
        assert_eq!(world.pass()[0].outcome, opened(&terms), "{scenario}");
        let opener = if flipped { BOB } else { ALICE };
        let mut fees = [0; 3];
        fees[opener] = fee;
        Play {
            scenario,
            world,
            terms,
            flipped,
            posted_at: None,
            fees,
            ending: None,
            rolled: [0, 0],
        }
    }

    /// Lets time pass up to the height that a step names; gives the rest of the step.
    fn wait<'t>(&mut self, step: &'t str) -> &'t str {
        let Some((height, rest)) = step
            .strip_prefix("h+")
            .and_then(|step| step.split_once(": "))
        else {
            return step;
        };
        let posted_at = self.posted_at.expect("a post before");
        let height = posted_at + height.parse::<u64>().expect("a number of blocks");
        while self.world.chain.height() + 1 < height {
            assert_eq!(self.world.pass(), []);
        }
        assert_eq!(self.world.chain.height() + 1, height, "{}", self.scenario);
        rest
    }

    fn read(&self, step: &str) -> Step {
        let (step, refused) = match step.split_once(" ✗ ") {
            Some((step, name)) => (step, Some(format!("l1_{name}"))),
            None => (step, None),
        };
        let mut words = step.split(' ');
        let mut word = || words.next().unwrap_or("");
        let actor = word();
        let opener = if self.flipped { BOB } else { ALICE };
        let by = match actor {
            "A" => ALICE,
            "B" => BOB,
            "C" => CAROL,
            "they" => opener,
            other => panic!("{other} in {step}"),
        };
        let (bytes, expected) = match word() {
            "posts" | "shows" => {
                let (version, shown) = self.state(&mut word);
                let offer = (word() == "offering").then(|| self.state(&mut word).1);
                let bytes = self.world.post(by, &self.terms, shown, offer);
                (bytes, Expected::Posted(version))
            }
            "pays" => {
                assert_eq!(word(), "out");
                let channel = self.terms.channel_id();
                (self.world.payout(by, channel), Expected::Ends)
            }
            "closes" => {
                let (_, state) = self.state(&mut word);
                (self.world.close(by, &self.terms, state), Expected::Ends)
            }
            "roll" => {
                assert_eq!((actor, word()), ("they", "over"));
                let (_, state) = self.state(&mut word);
                assert_eq!(word(), "into");
                let successor = self.successor(shares(word()));
                let bytes = self.world.roll_over(&self.terms, state, &successor);
                (bytes, Expected::Ends)
            }
            other => panic!("{other} in {step}"),
        };
        assert_eq!(words.next(), None, "{step}");
        Step {
            by,
            bytes,
            expected: refused.map_or(expected, Expected::Refused),
        }
    }

    fn successor(&self, [a, b]: [u64; 2]) -> Terms {
        let [a, b] = if self.flipped { [b, a] } else { [a, b] };
        Terms {
            nonce: 1,
            deposits: Pair {
                a: Amount::new(a),
                b: Amount::new(b),
            },
            ..self.terms
        }
    }

    /// `v0`, or `v1 (45/55)`.
    fn state<'t>(&self, word: &mut impl FnMut() -> &'t str) -> (u64, State) {
        let version = word().strip_prefix('v').expect("a version");
        let version: u64 = version.parse().expect("a version");
        if version == 0 {
            return (0, State::Opening);
        }
        let balances = word()
            .strip_prefix('(')
            .and_then(|word| word.strip_suffix(')'));
        let [a, b] = shares(balances.expect("balances"));
        let capacity = self.terms.capacity().unwrap().units();
        assert_eq!(a.checked_add(b), Some(capacity), "{}", self.scenario);
        (version, after(version, if self.flipped { b } else { a }))
    }

    /// Seals one block and compares what became of its steps.
    #[track_caller]
    fn play(&mut self, block: Vec<Step>) {
        let scenario = self.scenario;
        let before = self.world.chain.ledger().clone();
        let mut at_once = Vec::new();
        for (place, step) in block.iter().enumerate() {
            let refused = self.world.submit_any(&step.bytes);
            at_once.extend(refused.map(|refusal| (place, Err(refusal))));
        }
        let mut receipts = self.world.pass();
        for (place, outcome) in at_once {
            let (ticket, height) = (u64::MAX, self.world.chain.height());
            let receipt = Receipt {
                ticket,
                height,
                fee: Amount::ZERO,
                outcome,
            };
            receipts.insert(place, receipt);
        }
        assert_eq!(receipts.len(), block.len(), "{scenario}");
        let mut changed = false;
        let mut notices = Vec::new();
        for (step, receipt) in block.into_iter().zip(receipts) {
            let channel = self.terms.channel_id();
            match (step.expected, receipt.outcome) {
                (Expected::Refused(name), outcome) => {
                    let found = outcome.map_err(|refusal| refusal.name());
                    assert_eq!(found, Err(name.as_str()), "{scenario}");
                    continue;
                }
                (Expected::Posted(version), outcome) => {
                    let height = *self.posted_at.get_or_insert(receipt.height);
                    let until = height + u64::from(self.terms.challenge_window_blocks);
                    let by = [self.terms.keys.a, self.terms.keys.b]
                        .iter()
                        .position(|key| *key == self.world.key(step.by))
                        .map(|place| Party::BOTH[place]);
                    let posted = Executed::Posted { version, by, until };
                    assert_eq!(outcome, Ok(posted), "{scenario}");
                    notices.push(Notice::Posted {
                        channel,
                        by,
                        version,
                        until,
                    });
                }
                (Expected::Ends, Ok(executed)) => {
                    self.end_by(&executed);
                    notices.push(Notice::Ended { channel });
                }
                (Expected::Ends, Err(refusal)) => panic!("{scenario}: {refusal}"),
            }
            changed = true;
            self.fees[step.by] += self.world.chain.config().fee.units();
        }
        assert_eq!(self.world.chain.notices(), notices, "{scenario}");
        if !changed {
            assert!(before == *self.world.chain.ledger(), "{scenario}");
        }
    }

    #[track_caller]
    fn end_by(&mut self, executed: &Executed) {
        let (payouts, version, forfeited) = match *executed {
            Executed::PaidOut {
                payouts,
                version,
                forfeited,
            } => (payouts, version, forfeited),
            Executed::Closed { payouts, version } => (payouts, version, None),
            Executed::RolledOver { closed, successor } => {
                let record = self.world.chain.channel(&successor).unwrap();
                let a = record.deposit_a.units();
                let b = record.limits.capacity.units() - a;
                self.rolled = if self.flipped { [b, a] } else { [a, b] };
                assert_eq!(self.successor(self.rolled).channel_id(), successor);
                (closed.payouts, closed.version, None)
            }
            ref other => panic!("{}: {other:?}", self.scenario),
        };
        let [a, b] = [payouts.a.units(), payouts.b.units()];
        let [a, b] = if self.flipped { [b, a] } else { [a, b] };
        let ending = Ending {
            a,
            b,
            version,
            forfeits: forfeited.map(|party| self.world.who(&self.terms.keys[party])),
        };
        assert_eq!(self.ending.replace(ending), None, "{}", self.scenario);
    }

    /// `A 0, B 100 at v1, A forfeits`, the last part if it is so; or `locked`.
    #[track_caller]
    fn end(self, end: &str) {
        let scenario = self.scenario;
        let record = self.world.chain.channel(&self.terms.channel_id());
        let deposits = [ALICE, BOB].map(|who| {
            let party = if (who == ALICE) == self.flipped {
                Party::B
            } else {
                Party::A
            };
            self.terms.deposits[party].units()
        });
        let mut paid = [0, 0, 0];
        if end == "locked" {
            assert!(record.is_some() && self.ending.is_none(), "{scenario}");
        } else {
            let (payouts, forfeits) = end.split_once(", A forfeits").map_or_else(
                || match end.split_once(", B forfeits") {
                    Some((payouts, _)) => (payouts, Some(BOB)),
                    None => (end, None),
                },
                |(payouts, _)| (payouts, Some(ALICE)),
            );
            let (payouts, version) = payouts.split_once(" at v").expect("a version");
            let payouts = payouts.strip_prefix("A ").expect("what A gets");
            let (a, b) = payouts.split_once(", B ").expect("what B gets");
            let [a, b, version] = [a, b, version].map(|number| number.parse().unwrap());
            let ending = Ending {
                a,
                b,
                version,
                forfeits,
            };
            assert_eq!(self.ending, Some(ending), "{scenario}");
            assert_eq!(record, None, "{scenario}");
            paid = [a, b, 0];
        }
        let purse = if self.world.chain.config().fee.is_zero() {
            0
        } else {
            1000
        };
        for who in [ALICE, BOB, CAROL] {
            let rolled = self.rolled.get(who).unwrap_or(&0);
            let expected = purse + paid[who] - rolled - self.fees[who];
            assert_eq!(self.world.balance(who), expected, "{scenario}: {who}");
        }
        let fees = self.world.chain.totals().fees.units();
        assert_eq!(fees, self.fees.iter().sum::<u64>(), "{scenario}");
        let locked = self.world.chain.totals().locked.units();
        let open: u64 = if end == "locked" {
            deposits.iter().sum()
        } else {
            0
        };
        assert_eq!(locked, open + self.rolled.iter().sum::<u64>(), "{scenario}");
    }
}

/// `45/55`.
fn shares(text: &str) -> [u64; 2] {
    let (a, b) = text.split_once('/').expect("two amounts");
    [a, b].map(|amount| amount.parse().expect("an amount"))
}
