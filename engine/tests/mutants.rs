//! Every rule, broken on purpose, one at a time: a test must notice.
//!
//! By hand, since each row compiles the engine once more (about 20 minutes on two cores):
//! `cargo test -p duet-engine --test mutants -- --ignored --nocapture`, and with a part of a row's
//! name in `MUTANT` only those rows. The default run only looks whether each row's text is still
//! to be found in the sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which tests are asked.
#[derive(Clone, Copy)]
enum Ask {
    /// The engine's unit tests of Layer 1: tables, model, games.
    L1,
    /// The channel's rules between two endpoints.
    Protocol,
    /// The durable log's oracle and tables.
    Log,
    /// Whole runs on a Layer 1 that is scarce, and the clocks and wallets of one.
    Pipeline,
}

struct Row {
    /// The rule, and how it is broken.
    name: &'static str,
    file: &'static str,
    /// Text that occurs once in the file, and what stands there instead.
    is: &'static str,
    becomes: &'static str,
    ask: Ask,
}

const fn row(
    name: &'static str,
    file: &'static str,
    is: &'static str,
    becomes: &'static str,
    ask: Ask,
) -> Row {
    Row {
        name,
        file,
        is,
        becomes,
        ask,
    }
}

const DISPUTE: &str = "l1/dispute.rs";
const RECORD: &str = "protocol/endpoint/record/mod.rs";
const DECIDE: &str = "l1/ledger/decide.rs";

const CHAIN: &str = "l1/chain.rs";
const POOL: &str = "l1/pool.rs";
const ASKS: &str = "l1/asks.rs";
const MARKET: &str = "l1/market.rs";
const UNSETTLED: &str = "pipeline/unsettled.rs";
const LEDGER: &str = "l1/ledger/mod.rs";

const ROWS: &[Row] = &[
    row(
        "S1: a version is signed twice",
        "protocol/endpoint/receive.rs",
        "        self.moves_to(claim.state.tip);\n",
        "",
        Ask::Protocol,
    ),
    row(
        "S1, S2: a state need not extend the newest one",
        "protocol/endpoint/propose.rs",
        "if head != self.head() {",
        "if false {",
        Ask::Protocol,
    ),
    row(
        "S2: more than the payer has",
        "protocol/entry.rs",
        "self.have.saturating_sub(self.reserve)",
        "self.have",
        Ask::Protocol,
    ),
    row(
        "S2: a payment of nothing",
        "protocol/entry.rs",
        "units.wrapping_sub(1) < self.may_spend()",
        "units <= self.may_spend()",
        Ask::Protocol,
    ),
    row(
        "S2: payments of nothing, many at a time",
        "protocol/entry.rs",
        "            && !nothing\n",
        "",
        Ask::Protocol,
    ),
    row(
        "S2: more than the payer has, many at a time",
        "protocol/entry.rs",
        "            && sum <= self.may_spend()\n",
        "",
        Ask::Protocol,
    ),
    row(
        "S2: a proposal has two forms",
        "protocol/payments.rs",
        "Tags::None | Tags::InARow => Err(malformed),",
        "Tags::None | Tags::InARow => Ok(()),",
        Ask::Protocol,
    ),
    row(
        "S2: a number has two forms",
        "protocol/payments.rs",
        "if last && bits == 0 && place > 0 ||",
        "if",
        Ask::Protocol,
    ),
    row(
        "S3: what was in flight is not stored",
        RECORD,
        "(aside.window, aside.because) = (window, because);",
        "(aside.window, aside.because) = (Window::default(), because);",
        Ask::Protocol,
    ),
    row(
        "S3: a post is forgotten in a crash",
        RECORD,
        "_ => Phase::Closing(tail),",
        "_ => Phase::Running(tail),",
        Ask::Protocol,
    ),
    row(
        "S3: what the peer has not signed comes back from a crash",
        "protocol/endpoint/record/recovered.rs",
        "let held = self.end.peers_signature();",
        "let held = self.end.peers_signature().filter(|_| false);",
        Ask::Protocol,
    ),
    row(
        "S4: this party's own proposal comes back as the peer's",
        "protocol/endpoint/receive.rs",
        " || last.payer == self.me()",
        "",
        Ask::Protocol,
    ),
    row(
        "S4: payments are counted after a post",
        "protocol/endpoint/mod.rs",
        "Phase::Running(_) if !self.flags.has(Flag::FinalOrdered) => Ok(()),",
        "Phase::Running(_) | Phase::Closing(_) if !self.flags.has(Flag::FinalOrdered) => Ok(()),",
        Ask::Protocol,
    ),
    row(
        "S5: out of turn",
        "protocol/endpoint/receive.rs",
        "if self.turn_holder() == self.me() || self.in_flight() > 0 {",
        "if false {",
        Ask::Protocol,
    ),
    row(
        "S6: a final while something is in flight",
        "protocol/endpoint/finish.rs",
        "        self.nothing_in_flight()?;\n        Ok(self.order_final())",
        "        Ok(self.order_final())",
        Ask::Protocol,
    ),
    row(
        "S6: a signature after the final",
        "protocol/endpoint/mod.rs",
        "Phase::Running(_) if !self.flags.has(Flag::FinalOrdered) => Ok(()),",
        "Phase::Running(_) | Phase::Finishing(_) => Ok(()),",
        Ask::Protocol,
    ),
    row(
        "S7: a post that can be beaten is not answered",
        "protocol/endpoint/close.rs",
        "(self.held_version() > version).then(|| self.close(sign))",
        "(self.held_version() > version + 1).then(|| self.close(sign))",
        Ask::Protocol,
    ),
    row(
        "S7: the unanswered proposal is not offered",
        "protocol/endpoint/close.rs",
        "offer: newest.map(|sent| sent.state.half_signed(sent.signature)),",
        "offer: newest.filter(|_| false).map(|sent| sent.state.half_signed(sent.signature)),",
        Ask::Protocol,
    ),
    row(
        "S8: the reason is lost",
        "protocol/endpoint/mod.rs",
        "because: self.because(),",
        "because: self.because().filter(|_| false),",
        Ask::Protocol,
    ),
    row(
        "L1: B's deposit without its balance",
        DECIDE,
        "            if have < deposits.b {\n                let failure = deposit_above(Party::B, have, deposits.b);\n                return Ok(Decision::failed(opener, failure, 2));",
        "            if false {\n                let failure = deposit_above(Party::B, have, deposits.b);\n                return Ok(Decision::failed(opener, failure, 2));",
        Ask::L1,
    ),
    row(
        "L1: a channel with a key that nobody can sign for",
        "l1/witness.rs",
        "            id.map_err(Refusal::Key)?;\n",
        "            let _ = id;\n",
        Ask::L1,
    ),
    row(
        "L2: a state above the capacity",
        DISPUTE,
        "if self.shown.a > capacity {",
        "if false {",
        Ask::L1,
    ),
    row(
        "L2: a state without B's signature",
        "l1/witness.rs",
        "                for party in Party::BOTH {\n                    let signature = &shown.signatures[party];",
        "                for party in [Party::A] {\n                    let signature = &shown.signatures[party];",
        Ask::L1,
    ),
    row(
        "L3: a final above the capacity",
        "l1/channel.rs",
        "if balance.a > self.limits.capacity {",
        "if false {",
        Ask::L1,
    ),
    row(
        "L4: an answer in the block of the first post",
        DISPUTE,
        "if height <= self.opened {",
        "if height < self.opened {",
        Ask::L1,
    ),
    row(
        "L4: an answer after the window",
        DISPUTE,
        "if height > self.until {",
        "if height > self.until + 1 {",
        Ask::L1,
    ),
    row(
        "L4: an answer in the window's last block is refused",
        DISPUTE,
        "if height > self.until {",
        "if height >= self.until {",
        Ask::L1,
    ),
    row(
        "L4: a post that beats nothing",
        DISPUTE,
        "if posting.shown.version <= self.highest {",
        "if posting.shown.version < self.highest {",
        Ask::L1,
    ),
    row(
        "L4: an answer extends the window",
        DISPUTE,
        "            standing,\n            ..*self",
        "            standing,\n            until: self.until + 1,\n            ..*self",
        Ask::L1,
    ),
    row(
        "L4: a stranger opens",
        DISPUTE,
        "if posting.poster.is_none() {",
        "if false {",
        Ask::L1,
    ),
    row(
        "L4: an offer raises its poster",
        DISPUTE,
        "if got > have {",
        "if false {",
        Ask::L1,
    ),
    row(
        "L4: an offer that is not higher",
        DISPUTE,
        "if offer.version <= self.shown.version {",
        "if offer.version < self.shown.version {",
        Ask::L1,
    ),
    row(
        "L4: an offer above the capacity",
        DISPUTE,
        "if offer.a > capacity {",
        "if false {",
        Ask::L1,
    ),
    row(
        "L5: payout in the window's last block",
        DISPUTE,
        "if height <= self.until {",
        "if height < self.until {",
        Ask::L1,
    ),
    row(
        "L5: an offer does not bind",
        DISPUTE,
        "settles: promised(&standing, posting, limits).unwrap_or(posting.shown),",
        "settles: posting.shown,",
        Ask::L1,
    ),
    row(
        "L5: an offer that covers does not bind when somebody else's post settles",
        DISPUTE,
        "settles: promised(&standing, posting, limits).unwrap_or(posting.shown),",
        "settles: posting.offer.unwrap_or(posting.shown),",
        Ask::L1,
    ),
    row(
        "L6: an offer covers by version alone",
        DISPUTE,
        "if version < shown.version || balance > shown.of(party, limits) =>",
        "if version < shown.version =>",
        Ask::L1,
    ),
    row(
        "L6: an offer covers by amount alone",
        DISPUTE,
        "if version < shown.version || balance > shown.of(party, limits) =>",
        "if balance > shown.of(party, limits) =>",
        Ask::L1,
    ),
    row(
        "L6: an offer covers nothing",
        DISPUTE,
        "Some(offer) => Standing::Covers {\n                version: offer.version,",
        "Some(offer) => Standing::Covers {\n                version: self.shown.version.min(offer.version),",
        Ask::L1,
    ),
    row(
        "L6: a later post replaces what an earlier one covers",
        DISPUTE,
        "version: version.min(of_post),",
        "version: of_post.max(version),",
        Ask::L1,
    ),
    row(
        "L6: a later post replaces what an earlier one promised",
        DISPUTE,
        "balance: balance.max(balance_of_post),",
        "balance: balance.min(balance_of_post),",
        Ask::L1,
    ),
    row(
        "L6: a stale party is not punished",
        DISPUTE,
        "(Standing::Stale, _) => Some(Party::A),",
        "(Standing::Stale, _) => None,",
        Ask::L1,
    ),
    row(
        "L6: two stale parties, and one is punished",
        DISPUTE,
        "(Standing::Stale, Standing::Stale) => None,",
        "(Standing::Stale, Standing::Stale) => Some(Party::A),",
        Ask::L1,
    ),
    row(
        "L7: a payout that is not the capacity",
        DISPUTE,
        "            Some(Party::A) => Pair {\n                a: Amount::ZERO,",
        "            Some(Party::A) => Pair {\n                a,",
        Ask::L1,
    ),
    row(
        "L8: an open or transfer without its nonce",
        DECIDE,
        "&& got != account.nonce",
        "&& got > account.nonce",
        Ask::L1,
    ),
    row(
        "L8: an account that cannot pay the fee posts",
        DECIDE,
        "        let (submitter, _) = self.payable(submitter, None, fee)?;\n        Ok(Decision::unnumbered(submitter, dispute, 2))",
        "        let _ = fee;\n        let submitter = self.accounts.find(submitter).expect(\"known\");\n        Ok(Decision::unnumbered(submitter, dispute, 2))",
        Ask::L1,
    ),
    row(
        "L8: a signature of another Layer 1",
        "l1/transaction/mod.rs",
        "hasher.update(&genesis.0).update(unsigned);",
        "hasher.update(&genesis.0[..0]).update(unsigned);",
        Ask::L1,
    ),
    row(
        "L8: no room for answers",
        CHAIN,
        "(self.ledger).decide(&claim, fee, self.height + 1)?;",
        "(self.ledger).decide(&claim, fee, 0)?;",
        Ask::L1,
    ),
    row(
        "scarcity: eviction takes the highest bid",
        POOL,
        "let mut ends = (self.ends.iter()).filter(",
        "let mut ends = (self.ends.iter().rev()).filter(",
        Ask::L1,
    ),
    row(
        "scarcity: an eviction leaves a gap",
        POOL,
        "            self.ends.remove(&(standing, Reverse(last)));\n",
        "            let _ = (standing, last);\n",
        Ask::L1,
    ),
    row(
        "scarcity: an account evicts what its own waits for",
        POOL,
        "if end.payer == *payer && end.nonce.is_some() && end.nonce < nonce {",
        "if false {",
        Ask::L1,
    ),
    row(
        "scarcity: a higher bid for a nonce takes any bytes",
        POOL,
        "(count, sum) = (count - 1, sum - bytes.len());",
        "(count, sum) = (0, bytes.len() - bytes.len());",
        Ask::L1,
    ),
    row(
        "scarcity: another's transaction waits many times",
        POOL,
        "if self.said.contains(&sent.says) {",
        "if false {",
        Ask::L1,
    ),
    row(
        "scarcity: the lowest bid goes first",
        "l1/heads.rs",
        "let mut whole = self.whole.iter().rev().copied()",
        "let mut whole = self.whole.iter().copied()",
        Ask::L1,
    ),
    row(
        "scarcity: an account's order is not kept",
        POOL,
        "if nonce > *next {",
        "if false {",
        Ask::L1,
    ),
    row(
        "scarcity: what is withdrawn goes on waiting",
        POOL,
        "by_nonce.range(from..)",
        "by_nonce.range(from..from)",
        Ask::L1,
    ),
    row(
        "scarcity: what will be refused evicts others",
        CHAIN,
        "        if way.evicts() {",
        "        if false {",
        Ask::L1,
    ),
    row(
        "scarcity: an account evicts by the same money many times",
        CHAIN,
        "if cost > account.balance.units().into() {",
        "if false {",
        Ask::L1,
    ),
    row(
        "scarcity: what comes after a gap evicts others",
        CHAIN,
        "if !self.pool.is_in_turn(sent, account.nonce) {",
        "if false {",
        Ask::L1,
    ),
    row(
        "scarcity: a flood that nobody could pay",
        CHAIN,
        "if *balance < fee {",
        "if false {",
        Ask::L1,
    ),
    row(
        "scarcity: a flood of what is past",
        CHAIN,
        "transaction.nonce().filter(|got| got < nonce)",
        "transaction.nonce().filter(|_| false)",
        Ask::L1,
    ),
    row(
        "scarcity: a bid that waits for ever",
        CHAIN,
        "if bid.most.0 < base {",
        "if false {",
        Ask::L1,
    ),
    row(
        "scarcity: answers that compete have room kept",
        CHAIN,
        "            && self.config.answers == Answers::Reserved\n",
        "",
        Ask::L1,
    ),
    row(
        "scarcity: empty blocks leave the base fee",
        CHAIN,
        "            self.set_base(0);\n",
        "",
        Ask::L1,
    ),
    row(
        "scarcity: the base fee never rises",
        MARKET,
        "Some(above) => base.0.saturating_add(change(above).max(1)),",
        "Some(_) => base.0,",
        Ask::L1,
    ),
    row(
        "scarcity: a tip above the bid",
        MARKET,
        "Some(Rate(left.min(self.tip.0)))",
        "Some(Rate(left.max(self.tip.0)))",
        Ask::L1,
    ),
    row(
        "scarcity: the base fee is not paid",
        ASKS,
        "Ok(Rate(base + tip.0).of(units))",
        "Ok(tip.of(units))",
        Ask::L1,
    ),
    row(
        "scarcity: an answer takes what a first post does",
        ASKS,
        "if is_disputed(&post.channel) => prices.answer,",
        "if is_disputed(&post.channel) => prices.post,",
        Ask::L1,
    ),
    row(
        "scarcity: channels take none of their part",
        ASKS,
        "                _ => units,\n",
        "                _ => 0,\n",
        Ask::L1,
    ),
    row(
        "scarcity: a step settles before its transactions do",
        UNSETTLED,
        "pop_front_if(|step| step.left == 0)?",
        "pop_front_if(|step| step.left <= 1)?",
        Ask::Pipeline,
    ),
    row(
        "scarcity: finality is ignored",
        "pipeline/block_time.rs",
        "self.at(height + u64::from(self.pace.finality_blocks))",
        "self.at(height)",
        Ask::Pipeline,
    ),
    row(
        "scarcity: a bid is raised nine times",
        UNSETTLED,
        "transaction.raises == MOST_RAISES;",
        "transaction.raises > MOST_RAISES;",
        Ask::Pipeline,
    ),
    row(
        "scarcity: later opens of one that gave up go on waiting",
        UNSETTLED,
        "            ended.extend(chain.withdraw(&keys.a, *nonce).into_iter().map(at));\n",
        "            let _ = nonce;\n",
        Ask::Pipeline,
    ),
    row(
        "scarcity: room is kept by transactions and bytes alone",
        "l1/mempool.rs",
        "            || !config.units.as_ref().is_none_or(has_units)\n",
        "            || !config.units.as_ref().is_none_or(has_units) && false\n",
        Ask::L1,
    ),
    row(
        "scarcity: a flood about channels that are gone",
        CHAIN,
        "            self.ledger.open_channel(channel)?;\n",
        "            let _ = channel;\n",
        Ask::L1,
    ),
    row(
        "root: a header's hash does not cover it",
        "l1/block.rs",
        "hash(Domain::Block, &bytes[..self.bytes()])",
        "hash(Domain::Block, &bytes[..Header::BYTES])",
        Ask::L1,
    ),
    row(
        "root: places follow from when channels ended",
        "l1/root.rs",
        "            ledger.put_lowest_first(self.block_channels);\n",
        "",
        Ask::L1,
    ),
    row(
        "root: a proof of a place that is none",
        "l1/root/proof.rs",
        "self.place >= self.places || ",
        "",
        Ask::L1,
    ),
    row(
        "root: a proof of any length",
        "l1/root/proof.rs",
        " || self.siblings.len() != height(self.places)",
        "",
        Ask::L1,
    ),
    row(
        "root: a party without an account has one",
        "l1/root/proof.rs",
        "if self.account.nonce == NO_ACCOUNT {",
        "if false {",
        Ask::L1,
    ),
    row(
        "root: a channel's leaf does not say how long it is",
        "l1/root/leaf.rs",
        "        terms[28] = u8::from(len > 2);\n",
        "",
        Ask::L1,
    ),
    row(
        "log: a batch is not synced",
        "log/committer.rs",
        "            self.statistics.sync(head).during(\"sync\", &name)?;\n",
        "",
        Ask::Log,
    ),
    row(
        "log: a segment has its name before it is durable",
        "log/committer.rs",
        "            self.statistics.sync(&mut file).during(\"sync\", &before)?;\n",
        "",
        Ask::Log,
    ),
    row(
        "log: names are not synced",
        "log/committer.rs",
        "            self.disk\n                .sync_directory()\n                .during(\"sync the directory of\", &self.place.stream)?;\n",
        "",
        Ask::Log,
    ),
    row(
        "log: a file goes after one slot of the floor",
        "log/committer.rs",
        "if frees {",
        "if false {",
        Ask::Log,
    ),
    row(
        "log: it goes on after a failure",
        "log/committer.rs",
        "            return Err(error.clone());\n",
        "            let _ = error;\n",
        Ask::Log,
    ),
    row(
        "log: the floor is not synced",
        "log/floor.rs",
        "            timed(&mut self.file).during(\"sync\", &self.name)?;\n",
        "            let _ = timed;\n",
        Ask::Log,
    ),
    row(
        "log: the floor's slots do not alternate",
        "log/floor.rs",
        "        self.slot = 1 - self.slot;\n",
        "",
        Ask::Log,
    ),
    row(
        "log: the older slot of the floor counts",
        "log/floor.rs",
        "slot.writes > other.writes",
        "slot.writes < other.writes",
        Ask::Log,
    ),
    row(
        "log: the floor is not looked at",
        "log/scan.rs",
        "opened.max().unwrap_or(0).max(floor.sequence)",
        "opened.max().unwrap_or(0)",
        Ask::Log,
    ),
    row(
        "log: what opened segments say is not looked at",
        "log/scan.rs",
        "opened.max().unwrap_or(0).max(floor.sequence)",
        "floor.sequence",
        Ask::Log,
    ),
    row(
        "log: what later batches say is not looked at",
        "log/scan.rs",
        "acknowledged.max(later)",
        "acknowledged",
        Ask::Log,
    ),
    row(
        "log: a batch's hash is not checked",
        "log/scan.rs",
        "!= header.body {",
        "!= header.body && false {",
        Ask::Log,
    ),
    row(
        "log: a batch's place is not checked",
        "log/scan.rs",
        "(header.segment, header.offset) != (expected.segment, expected.offset)",
        "false",
        Ask::Log,
    ),
    row(
        "log: the chain is not checked",
        "log/scan.rs",
        "header.previous != expected.previous",
        "false",
        Ask::Log,
    ),
    row(
        "log: the salt is not checked",
        "log/format.rs",
        "found.salt != self.salt",
        "false",
        Ask::Log,
    ),
    row(
        "log: the stream is not checked",
        "log/format.rs",
        "found.stream != self.stream",
        "false",
        Ask::Log,
    ),
    row(
        "log: the tail is not written again",
        "log/recover.rs",
        "if found.sequence > self.floor.sequence {",
        "if false {",
        Ask::Log,
    ),
    row(
        "log: segments that a start finds are not synced",
        "log/recover.rs",
        "                segment.window.file().sync().during(\"sync\", &name)?;\n",
        "                let _ = (segment, name);\n",
        Ask::Log,
    ),
    row(
        "log: the log's header is not synced by a start that finds it",
        "log/recover.rs",
        "            meta.sync().during(\"sync\", META)?;\n",
        "            let _ = &mut meta;\n",
        Ask::Log,
    ),
    row(
        "log: two processes at once",
        "log/directory.rs",
        "match disk.lock().during(\"lock\", \"the log's directory\")? {",
        "match disk.lock().is_ok() {",
        Ask::Log,
    ),
    row(
        "log: a needed segment is freed",
        "log/index.rs",
        "self.segments[0].live_records == 0 && self.segments.len() > 1",
        "self.segments.len() > 6",
        Ask::Log,
    ),
    row(
        "log: nothing is refreshed",
        "log/index.rs",
        "self.capacity_bytes <= bound || self.segments.len() < 2",
        "true",
        Ask::Log,
    ),
    row(
        "S3: a log without the account of a new party",
        LEDGER,
        "        // It may be new.\n        self.account_changed(peer);\n",
        "",
        Ask::L1,
    ),
    row(
        "S3: a log that keeps an ended channel",
        LEDGER,
        "        } = self.channels.remove(place);\n        self.channel_changed(place);\n",
        "        } = self.channels.remove(place);\n",
        Ask::L1,
    ),
    row(
        "S3: a log without a dispute",
        LEDGER,
        "                self.channel_changed(place);\n",
        "",
        Ask::L1,
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
}

/// The rules are in these crates' rooms.
fn source(file: &str) -> PathBuf {
    let (room, _) = file.split_once('/').expect("a file of a room");
    Path::new("engine").join(match room {
        "protocol" => format!("channels/src/{file}"),
        "l1" => format!("ledger/src/{file}"),
        "pipeline" => format!("src/{file}"),
        _ => file.replacen("log/", "log/src/", 1),
    })
}

/// A rule that moved takes its row along.
#[test]
fn every_row_says_what_the_sources_say() {
    for row in ROWS {
        let text = fs::read_to_string(root().join(source(row.file))).expect("a source file");
        let found = text.matches(row.is).count();
        assert_eq!(found, 1, "{}: `{}` in {}", row.name, row.is, row.file);
        assert_ne!(row.is, row.becomes);
    }
}

#[test]
#[ignore = "compiles the engine once for each row"]
fn every_broken_rule_is_noticed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    let copy = folder.join("sources");
    // What was built of dependencies stays; sources that are no more must not.
    let _ = fs::remove_dir_all(&copy);
    copy_sources(root(), &copy);
    let wanted = std::env::var("MUTANT").unwrap_or_default();
    let mut survivors = Vec::new();
    for row in ROWS.iter().filter(|row| row.name.contains(&wanted)) {
        let path = copy.join(source(row.file));
        let text = fs::read_to_string(&path).expect("a source file");
        fs::write(&path, text.replacen(row.is, row.becomes, 1)).expect("a writable copy");
        let verdict = verdict(&copy, row.ask);
        fs::write(&path, text).expect("a writable copy");
        println!("{:58} {verdict}", row.name);
        if !verdict.starts_with("noticed") {
            survivors.push(row.name);
        }
    }
    assert!(survivors.is_empty(), "not noticed: {survivors:#?}");
}

/// Whether a test failed, and which; a mutant that does not compile proves nothing.
fn verdict(copy: &Path, ask: Ask) -> String {
    let arguments: &[&str] = match ask {
        Ask::L1 => &["duet-ledger", "--lib"],
        Ask::Protocol => &["duet-engine", "--test", "protocol"],
        Ask::Log => &["duet-engine", "--test", "log"],
        Ask::Pipeline => &["duet-engine", "--lib", "--test", "pipeline"],
    };
    let output = Command::new(env!("CARGO"))
        .args(["test", "--offline", "-q", "-p"])
        .args(arguments)
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", copy.with_file_name("target"))
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let failures: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "failures:")
        .map(str::trim)
        .filter(|line| line.contains("::") && !line.contains(' '))
        .collect();
    match (output.status.success(), failures.first()) {
        (true, _) => "NOT NOTICED".to_owned(),
        (false, Some(first)) => format!("noticed by {first}"),
        (false, None) => format!(
            "BROKEN: {}",
            String::from_utf8_lossy(&output.stderr)
                .chars()
                .take(2000)
                .collect::<String>()
        ),
    }
}

/// Everything that the engine's tests need, and nothing that was built.
fn copy_sources(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder for the copy");
    for entry in fs::read_dir(from).expect("a readable folder") {
        let entry = entry.expect("a readable folder");
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text == "target" || text.starts_with('.') {
            continue;
        }
        let (from, to) = (entry.path(), to.join(&name));
        if from.is_dir() {
            copy_sources(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a writable copy");
        }
    }
}
