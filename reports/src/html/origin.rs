//! Where the figures come from: for each run its command, its machine, its engine, its setting.

use maud::{Markup, html};

use duet_terminal::{columns, named};

use super::{figure::table, lettered, words};
use crate::{
    dataset::{self, Dataset},
    human,
    layout::quoted,
    machines::Kinship,
    run_file::RunFile,
    runs::{NamedRun, Runs},
    tables::setting_rows,
};

pub(super) fn section(runs: &Runs) -> Markup {
    let all = runs.all();
    let kinships: Vec<Kinship> = all
        .iter()
        .skip(1)
        .map(|named| Kinship::of(&all[0].run.machine, &named.run.machine))
        .collect();
    let has = |same: Option<bool>| kinships.iter().any(|kinship| kinship.is_same() == same);
    html! {
        @if has(Some(false)) {
            p.notice { "These runs were not made on machines of one kind: their times compare the machines too." }
        } @else if has(None) {
            p.notice { "These runs do not say enough of their machines to tell whether these are of one kind." }
        }
        @for (index, named) in all.iter().enumerate() {
            @let heading = format!("origin-{index}");
            article aria-labelledby=(heading) {
                h3 id=(heading) {
                    @if all.len() > 1 { (lettered(all, index)) } @else { (named.name) }
                }
                p { "The command, from the folder of its paths:" }
                pre tabindex="0" { code {
                    @for word in &named.run.command { span { (quoted(word)) } " " }
                } }
                p { (machine(&named.run)) }
                p.assurance { (words::assurance(named)) }
                (folded("Setting", named, &setting(named)))
                (folded("Phases", named, &dataset::phases(std::slice::from_ref(named))))
            }
        }
    }
}

fn machine(run: &RunFile) -> String {
    let machine = &run.machine;
    format!(
        "{}, {}, {}, {}; {} back end",
        machine.cpu_name(),
        human::counted(machine.cores, "core"),
        human::bytes(machine.memory_bytes as f64),
        machine.os,
        run.engine.backend
    )
}

fn setting(named: &NamedRun) -> Dataset {
    let mut rows = named! {
        "file": named.path.display().to_string();
        "started": utc(named.run.started_unix_s);
    };
    rows.extend(setting_rows(&named.run));
    Dataset::of(
        rows,
        columns! { |(name, value)|
            "name", "Setting", Text: *name;
            "value", "Value", Text: value.clone();
        },
    )
}

/// A table of what is one run's, out of sight until it is asked for.
fn folded(what: &str, named: &NamedRun, data: &Dataset) -> Markup {
    let caption = format!("{what} of {}", named.name);
    html! {
        @if !data.rows.is_empty() {
            details {
                summary { "Table: " (what.to_lowercase()) " of " (named.name) }
                (table(data, std::slice::from_ref(named), &caption, false))
            }
        }
    }
}

/// Seconds since 1970 as a date and time: `2026-01-01 00:00:00 UTC`.
pub(super) fn utc(unix_s: u64) -> String {
    let (days, seconds) = (unix_s / 86_400, unix_s % 86_400);
    // Days to a date of the Gregorian calendar, its years taken to begin in March (H. Hinnant,
    // "chrono-compatible low-level date algorithms", civil_from_days).
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year + u64::from(month <= 2);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (unix_s, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_767_225_600, "2026-01-01 00:00:00 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(unix_s), expected);
        }
        // Whatever a file says, there is a date.
        assert!(utc(u64::MAX).ends_with(" UTC"));
    }
}
