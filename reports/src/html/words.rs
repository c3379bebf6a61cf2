//! Sentences that stand beside figures: what a rate was bought with, and how to say a list.

use super::lettered;
use crate::{human, runs::NamedRun, summary::assurance_phrases};

/// What a run's rates were bought with: `co-signed every 100, 64 in flight, …`.
pub(super) fn assurance(named: &NamedRun) -> String {
    assurance_phrases(&named.run.assurance).join(", ")
}

/// The assurance of all runs in one sentence each, or one for all if it is the same but for what
/// is measured.
pub(super) fn assurance_of_all(all: &[NamedRun]) -> String {
    let chosen = |named: &NamedRun| {
        let a = &named.run.assurance;
        format!(
            "co-signed every {}, {} in flight, durability {}, {}",
            human::count(a.cosign_every),
            human::count(a.in_flight),
            a.durability,
            if a.both_endpoints_checked {
                "both endpoints checked"
            } else {
                "NOT checked by both endpoints"
            }
        )
    };
    let first = chosen(&all[0]);
    if all.iter().all(|named| chosen(named) == first) {
        let whose = if all.len() > 1 { "All runs: " } else { "" };
        return format!("{whose}{first}.");
    }
    let each = all
        .iter()
        .enumerate()
        .map(|(index, named)| format!("{}: {}", lettered(all, index), chosen(named)));
    format!("{}.", each.collect::<Vec<_>>().join("; "))
}

/// One sentence for each run, each begun with the run's name where there are several.
pub(super) fn each(all: &[NamedRun], say: impl Fn(&NamedRun) -> Option<String>) -> String {
    let sentences = all.iter().enumerate().filter_map(|(index, named)| {
        let said = say(named)?;
        Some(match lettered(all, index) {
            name if name.is_empty() => capitalised(&said) + ".",
            name => format!("{name}: {said}."),
        })
    });
    sentences.collect::<Vec<_>>().join(" ")
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars).collect()
}
