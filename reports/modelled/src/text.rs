//! Modelled costs as text, with the word MODELLED on every section.

use duet_profile::Constant;
use duet_run_file::offload::in_words;
use duet_terminal::dataset::{Cell, Dataset, Kind};
use duet_terminal::layout::{self, clean, sentence};
use duet_terminal::{columns, human};

use crate::exact::Exact;
use crate::exit::MassExit;
use crate::run::RunCost;
use crate::{Deposits, Listed, Row, Share, Table as Answer};

/// What costs in units do not follow from, by the start of its name.
const MARKET: [&str; 4] = ["mempool.", "fees.", "block.bytes", "block.transactions"];

/// The table for people: for each profile its costs, then its mass exit.
#[must_use]
pub fn table_text(answer: &Answer) -> String {
    let mut lines = sentence(
        "",
        &format!(
            "MODELLED, not measured: prices of real chains times counts. Ratio: direct over channel, \
             below 1 where the channel costs more. Even at: the least payments in a session whose \
             transfers cost no less than its channel. Blocks and time are those that the channels \
             of {} fill, one after the other.",
            human::counted(answer.sessions, "session"),
        ),
    );
    for profile in &answer.profiles {
        lines.push(String::new());
        lines.extend(heading(&profile.profile, &profile.unit, &profile.about));
        let is_of = |name: &String| *name == profile.profile;
        let rows: Vec<&Row> = answer
            .rows
            .iter()
            .filter(|row| is_of(&row.profile))
            .collect();
        for group in rows.chunk_by(|one, other| group_of(one) == group_of(other)) {
            lines.extend(group_lines(group));
        }
        let lacks = answer.not_priced.iter().filter(|lack| is_of(&lack.profile));
        lines.extend(lacks.flat_map(|lack| not_priced(&lack.reason)));
        let exits = answer.mass_exit.iter().filter(|exit| is_of(&exit.profile));
        lines.extend(exits.flat_map(exit_lines));
        lines.extend(assumed(profile));
    }
    layout::text(&lines)
}

/// Every number of the profiles, with where it comes from.
#[must_use]
pub fn constants_text(answer: &Answer) -> String {
    let mut lines = Vec::new();
    for profile in &answer.profiles {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(heading(&profile.profile, &profile.unit, &profile.about));
        for constant in &profile.constants {
            let (name, value) = (clean(&constant.name), human::grouped(constant.value));
            lines.push(format!("{name} = {value}"));
            let assumed = constant
                .assumption
                .iter()
                .map(|text| format!("assumed: {text}"));
            let origins = constant.source.iter().cloned().chain(assumed);
            lines.extend(origins.flat_map(|origin| sentence("    ", &origin)));
        }
    }
    layout::text(&lines)
}

/// What a run's own transactions cost on a profile, after an empty line.
#[must_use]
pub fn run_text(cost: &RunCost) -> String {
    let mut lines = vec![String::new()];
    lines.extend(heading(&cost.profile, &cost.unit, &cost.about));
    lines.extend(sentence(
        "",
        "Counts are the run's, prices the profile's; no figure of this section was measured.",
    ));
    if !cost.run_valid {
        lines.push("The run is INVALID: its counts prove nothing.".into());
    }
    let items = std::iter::once(&cost.direct).chain(&cost.channels);
    let items = Dataset::of(
        items,
        columns! { |item|
            "priced_as", "priced as", Text: item.priced_as;
            "count", "count", Figure: item.count;
            "units_each", "each", Figure: item.units_each;
            "units", "units", Figure: item.units.as_ref().map(Exact::to_f64);
            "counted", "counted in the run file", Text: item.counted.replace("achieved.", "");
        },
    );
    lines.extend(items.to_lines());
    let ratio = cost.ratio.map_or_else(|| "no ratio".into(), in_words);
    lines.push(format!(
        "in all  direct {}, channels {}: {ratio}",
        amount(cost.direct_units.as_ref()),
        amount(cost.channel_units.as_ref()),
    ));
    if let (Some(least), Some(mean)) = (cost.break_even_payments, cost.payments_per_session) {
        lines.push(format!(
            "break-even at {} a session, here {} on average",
            human::counted(least, "payment"),
            human::figure(mean),
        ));
    }
    if let (Some(blocks), Some(time)) = (&cost.blocks, &cost.block_time_s) {
        lines.push(format!(
            "blocks  {} for the channels, {}",
            amount(Some(blocks)),
            human::seconds(time.to_f64()),
        ));
    }
    if cost.dispute_transactions_counted > 0 {
        lines.extend(sentence(
            "",
            &format!(
                "disputes: {} transactions in the run's blocks, {} priced: a post, its answers and \
                 a payout",
                human::grouped(cost.dispute_transactions_counted),
                human::grouped(cost.dispute_transactions_priced),
            ),
        ));
    }
    lines.extend(cost.not_priced.iter().flat_map(|lack| not_priced(lack)));
    lines.push("Each open is priced alone. One-way payments: one deposit; others: two.".into());
    layout::text(&lines)
}

fn not_priced(lack: &str) -> Vec<String> {
    sentence("", &format!("not in profile: {lack}"))
}

fn heading(profile: &str, unit: &str, about: &str) -> Vec<String> {
    let text = match about {
        "" => format!("MODELLED on {profile} ({unit})"),
        _ => format!("MODELLED on {profile} ({unit}): {about}"),
    };
    sentence("", &text)
}

/// The rows of one table differ in payments only.
fn group_of(row: &Row) -> (Deposits, u64, u64, Share, &str) {
    (
        row.deposits,
        row.open_batch,
        row.transfer_batch,
        row.disputes,
        row.dispute_kind,
    )
}

fn group_lines(rows: &[&Row]) -> Vec<String> {
    let Some(first) = rows.first() else {
        return Vec::new();
    };
    let deposits = match first.deposits {
        Deposits::One => "one deposit",
        Deposits::Two => "two deposits",
    };
    let table = Dataset::of(
        rows,
        columns! { |row|
            "payments", "payments", Figure: row.payments as f64;
            "direct_units", "direct", Figure: row.direct_units.as_ref().map(amount_cell);
            "channel_units", "channel", Figure: row.channel_units.as_ref().map(amount_cell);
            "ratio", "ratio", Ratio: row.ratio;
            "break_even_payments", "even at", Figure: row.break_even_payments;
            "blocks", "blocks", Figure: row.blocks.as_ref().map(amount_cell);
            "block_time_s", "time", Seconds: row.block_time_s.as_ref().map(Exact::to_f64);
        },
    );
    let opened = match first.open_batch {
        1 => "opened alone".to_owned(),
        batch => format!("opened {} at a time", human::count(batch)),
    };
    let transfers = match first.transfer_batch {
        1 => "direct transfers alone".to_owned(),
        batch => format!("direct transfers {} in a transaction", human::count(batch)),
    };
    let disputes = match first.dispute_kind {
        "none" => "no disputes".to_owned(),
        kind => format!("{} disputed, {kind}", first.disputes.percent()),
    };
    let mut lines = sentence(
        "",
        &format!("{deposits}, {opened}; {transfers}; {disputes}"),
    );
    lines.extend(table.to_lines());
    lines
}

fn exit_lines(exit: &MassExit) -> Vec<String> {
    let verdict = if exit.within_window {
        "within"
    } else {
        "NOT within"
    };
    let window = human::grouped(exit.window_blocks);
    let mut lines = sentence(
        "mass exit  ",
        &format!(
            "{} closed at once need {} blocks ({}) for posts and answers, {verdict} the window of {window} blocks; \
             {} blocks with payouts; largest safe number {}",
            human::counted(exit.channels, "channel"),
            amount(Some(&exit.blocks_needed)),
            human::seconds(exit.blocks_needed_s.to_f64()),
            amount(Some(&exit.blocks_to_the_end)),
            amount(Some(&exit.largest_safe_channels)),
        ),
    );
    lines.extend(sentence(
        "  formula  ",
        &format!(
            "largest safe = floor({} blocks x {} {} of each / {} for a post and an answer), bound by the {}",
            human::grouped(exit.window_blocks),
            amount(Some(&exit.block_units_for_exits)),
            exit.unit,
            human::grouped(exit.units_in_window),
            exit.bound_by,
        ),
    ));
    for assumption in &exit.assumptions {
        lines.extend(sentence("  assumes  ", assumption));
    }
    lines
}

/// The profile's assumptions about what costs follow from, each once.
fn assumed(profile: &Listed) -> Vec<String> {
    let mut seen: Vec<(&str, Vec<&str>)> = Vec::new();
    let counts = |constant: &&Constant| !MARKET.iter().any(|of| constant.name.starts_with(of));
    for constant in profile.constants.iter().filter(counts) {
        let Some(assumption) = constant.assumption.as_deref() else {
            continue;
        };
        match seen.iter_mut().find(|(text, _)| *text == assumption) {
            Some((_, names)) => names.push(&constant.name),
            None => seen.push((assumption, vec![&constant.name])),
        }
    }
    seen.iter()
        .flat_map(|(text, names)| {
            let others = match names.len() {
                1 => String::new(),
                more => format!(" and {} more", more - 1),
            };
            sentence("assumed  ", &format!("{}{others}: {text}", names[0]))
        })
        .collect()
}

/// From a thousand to a billion in full, rounded to a whole unit; whole numbers below it too;
/// others to three digits.
fn amount_cell(value: &Exact) -> Cell {
    match (value.whole(), value.to_f64()) {
        (Some(whole), _) if whole < 1_000_000_000 => whole.into(),
        (None, figure) if (999.5..999_999_999.5).contains(&figure) => {
            (figure.round() as u64).into()
        }
        (_, figure) => figure.into(),
    }
}

fn amount(value: Option<&Exact>) -> String {
    Cell::from(value.map(amount_cell)).shown(Kind::Figure)
}
