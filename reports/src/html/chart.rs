//! Charts as inline SVG, from data to markup: scales, axes, lines, bars. Colours, fonts and line
//! widths are in the page's style sheet, so that they follow dark mode and print; every mark is
//! told apart by its dashes and marker too. Nothing here knows what a run is.

mod bars;
mod line;
mod mark;
mod scale;

use maud::{Markup, html};

pub(super) use self::{
    bars::{Bar, BarChart, From, Group},
    line::{Line, LineChart},
    mark::{MARKS, class, swatch},
    scale::{Axis, Scale, Tick},
};

/// Colours, and what lines, bars and texts of charts look like.
pub(super) const STYLE: &str = include_str!("chart.css");

/// A chart as a file of its own, with its style in it.
pub(super) fn file(drawn: &Markup) -> String {
    let (start, content) = drawn.0.split_once('>').expect("an element");
    let start = start.replacen("<svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"", 1);
    format!("{start}><style>{STYLE}</style>{content}")
}

/// The width of every chart in its own units; it is shown as wide as there is room for.
const WIDTH: f64 = 460.0;

/// The widest a character is taken to be: text is larger on a phone, and nothing must overlap
/// there.
const CHARACTER: f64 = 8.9;

/// A chart of either kind.
pub(super) enum Chart {
    Lines(LineChart),
    Bars(BarChart),
}

impl Chart {
    /// The chart.
    pub(super) fn draw(&self, alt: &Alt<'_>) -> Markup {
        match self {
            Self::Lines(chart) => chart.draw(alt),
            Self::Bars(chart) => chart.draw(alt),
        }
    }
}

/// What a chart is called, and what it says to those who do not see it.
pub(super) struct Alt<'a> {
    /// Unique in the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
}

/// The frame of a chart: one image with a name and a description.
fn svg(alt: &Alt<'_>, height: f64, content: &Markup) -> Markup {
    let (title, description) = (format!("{}-title", alt.id), format!("{}-desc", alt.id));
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {}", px(height))) role="img"
            aria-labelledby=(title) aria-describedby=(description) {
            title id=(title) { (alt.title) }
            desc id=(description) { (alt.description) }
            (content)
        }
    }
}

/// A coordinate with as many digits as can be seen.
fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The room that a text takes at most.
fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * CHARACTER + 4.0
}
