//! One run, or several side by side, as one HTML page that needs nothing else: no network, no
//! script, no font. Each figure is a chart, says in words what it shows, and has its data below it
//! as a table, as CSV and as JSON. No rate stands without its assurance.
//!
//! One file for each section of the page; `figure` is what they have in common, `chart` draws.

mod chain;
mod chart;
mod course;
mod cpu;
mod curve;
mod disputes;
mod durability;
mod figure;
mod headline;
mod latency;
mod modelled;
mod offload;
mod origin;
mod sweep;
mod words;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use duet_run_file::curve::Curve;

use crate::{
    profile::Profile,
    runs::{NamedRun, Runs},
    sweep::Sweep,
};

/// The most runs of a page: as many as there are kinds of lines that can be told apart.
pub const RUNS_MAX: usize = chart::MARKS;

/// Nothing may be loaded, and nothing runs. The style sheet is in the page, and the icon, without
/// which a browser would ask a server for one, is an empty `data:` address.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// The page. Measured all of it, but for figures that say that they are modelled: the runs' Layer 1
/// transactions at the prices of `profiles`.
///
/// # Panics
/// With more than [`RUNS_MAX`] runs.
#[must_use]
pub fn page(runs: &Runs, profiles: &[Profile]) -> String {
    let all = runs.all();
    assert!(all.len() <= RUNS_MAX, "{} runs", all.len());
    let sections = sections(runs, profiles);
    let title = match all {
        [one] => format!("Duet run: {}", one.name),
        several => format!("{} Duet runs side by side", several.len()),
    };
    let made_from = html! {
        "the run files named above. Figures whose heading begins with “Modelled” are the runs' \
         counts at prices of other Layer 1s; all others were measured by the runs themselves"
    };
    frame(&title, &sections, &made_from)
}

/// The page of a sweep: what was handled of each offered rate, and how long it took. Measured, all
/// of it.
///
/// # Errors
/// It has no curve: what is lacking, in words.
pub fn sweep_page(name: &str, sweep: &Sweep) -> Result<String, String> {
    let sections = sweep::sections(sweep)?;
    let made_from = html! { "a sweep's file, and measured by its runs" };
    Ok(frame(&format!("Duet sweep: {name}"), &sections, &made_from))
}

/// The page of an offload curve; `digest` is the SHA-256 of its file, in hex.
///
/// # Errors
/// It has nothing to draw: what is lacking, in words.
pub fn curve_page(name: &str, curve: &Curve, digest: &str) -> Result<String, String> {
    let sections = curve::sections(curve, digest)?;
    let made_from =
        html! { "a curve's file: run cells measured, the others modelled, as each says" };
    Ok(frame(
        &format!("Duet offload: {name}"),
        &sections,
        &made_from,
    ))
}

/// A page of these sections.
fn frame(title: &str, sections: &[Section], made_from: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(concat!("duet-reports ", env!("CARGO_PKG_VERSION")));
                meta name="referrer" content="no-referrer";
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(chart::STYLE)) (PreEscaped(include_str!("html/page.css"))) }
            }
            body {
                a.skip href="#main" { "Skip to the figures" }
                header {
                    h1 { (title) }
                    nav aria-label="Sections" {
                        ul {
                            @for section in sections {
                                li { a href=(format!("#{}", section.id)) { (section.heading) } }
                            }
                        }
                    }
                }
                main id="main" tabindex="-1" {
                    @for section in sections {
                        @let heading = format!("{}-heading", section.id);
                        section id=(section.id) aria-labelledby=(heading) {
                            h2 id=(heading) { (section.heading) }
                            (section.content)
                        }
                    }
                }
                footer {
                    p {
                        "Made by " code { "reports html" } " from " (made_from)
                        ". How to read each figure is in "
                        code { "docs/reading-a-report.md" } " of Duet's sources."
                    }
                }
            }
        }
    };
    page.into_string()
}

/// A part of the page with a heading of its own.
struct Section {
    id: &'static str,
    heading: &'static str,
    content: Markup,
}

/// The sections that the runs have anything for.
fn sections(runs: &Runs, profiles: &[Profile]) -> Vec<Section> {
    let all = runs.all();
    let section = |id, heading, content| Section {
        id,
        heading,
        content,
    };
    let mut sections = vec![
        section("headline", "Headline", headline::section(runs)),
        section(
            "offload",
            "Load taken off Layer 1",
            offload::section(all, profiles),
        ),
        section("latency", "Latency", latency::section(all)),
        section("course", "Over time", course::section(all)),
        section("cpu", "CPU time", cpu::section(all)),
    ];
    if all.iter().any(|named| named.run.l1.chain.is_some()) {
        let content = chain::section(all);
        sections.push(section("chain", "Layer 1's time and room", content));
    }
    if disputes::any(all) {
        let content = disputes::section(all);
        sections.push(section("disputes", "Disputes and refusals", content));
    }
    if all.iter().any(|named| named.run.durability.is_some()) {
        let content = durability::section(all);
        sections.push(section("durability", "Durability", content));
    }
    let content = origin::section(runs);
    sections.push(section("origin", "Machine and command", content));
    sections
}

/// The letter of a run among several, `A` for the first; none for a single one.
fn letter(all: &[NamedRun], index: usize) -> String {
    match all.len() {
        1 => String::new(),
        _ => char::from(b'A' + index as u8).to_string(),
    }
}

/// A run's name with its letter: `A: headline`; nothing for a single one.
fn lettered(all: &[NamedRun], index: usize) -> String {
    match letter(all, index) {
        letter if letter.is_empty() => String::new(),
        letter => format!("{letter}: {}", all[index].name),
    }
}
