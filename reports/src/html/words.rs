//! Sentences that stand beside figures: what a rate was bought with, and how to say a list.

use super::lettered;
use crate::{
    human,
    runs::NamedRun,
    summary::{assurance_phrases, checked},
};

/// What a run's rates were bought with: `co-signed every 100, 64 in flight, …`.
pub(super) fn assurance(named: &NamedRun) -> String {
    assurance_phrases(&named.run.assurance).join(", ")
}

/// What all runs' rates were bought with: what they have in common, then a sentence for each run
/// on what is its own.
pub(super) fn assurance_of_all(all: &[NamedRun]) -> String {
    let chosen: Vec<[String; 4]> = all.iter().map(chosen).collect();
    let is_common = |part: &usize| chosen.iter().all(|of| of[*part] == chosen[0][*part]);
    let (common, own): (Vec<usize>, Vec<usize>) = (0..4).partition(is_common);
    let parts = |of: &[String; 4], which: &[usize]| {
        let parts: Vec<&str> = which.iter().map(|part| of[*part].as_str()).collect();
        parts.join(", ")
    };
    let mut sentences = Vec::new();
    if !common.is_empty() {
        let said = parts(&chosen[0], &common);
        sentences.push(match all.len() {
            1 => capitalised(&said) + ".",
            _ => format!("All runs: {said}."),
        });
    }
    if !own.is_empty() {
        for (index, of) in chosen.iter().enumerate() {
            sentences.push(format!("{}: {}.", lettered(all, index), parts(of, &own)));
        }
    }
    sentences.join(" ")
}

/// The parts of an assurance that were chosen, and not measured.
fn chosen(named: &NamedRun) -> [String; 4] {
    let assurance = &named.run.assurance;
    [
        format!("co-signed every {}", human::count(assurance.cosign_every)),
        format!("{} in flight", human::count(assurance.in_flight)),
        format!("durability {}", assurance.durability),
        checked(assurance).to_owned(),
    ]
}

/// One sentence for each run that there is something to say of, each begun with the run's name
/// where there are several.
pub(super) fn each(
    all: &[NamedRun],
    mut say: impl FnMut(&NamedRun) -> Option<String>,
) -> Vec<String> {
    let sentence = |(index, named)| {
        let said = say(named)?;
        Some(match lettered(all, index) {
            name if name.is_empty() => capitalised(&said) + ".",
            name => format!("{name}: {said}."),
        })
    };
    all.iter().enumerate().filter_map(sentence).collect()
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars).collect()
}
