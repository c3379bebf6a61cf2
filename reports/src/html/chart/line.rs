//! Lines over an axis: a quantity over time, or over percentiles.

use maud::{Markup, html};

use super::mark::{class, dashes, marker};
use super::scale::Axis;
use super::{Alt, WIDTH, px, svg, text_width};

/// The markers of one line: enough to follow it, few enough to see it.
const MARKERS_MOST: usize = 7;

const HEIGHT: f64 = 270.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = 46.0;
const RIGHT: f64 = 12.0;

/// One line.
pub(crate) struct Line {
    /// Which look it has.
    pub(crate) mark: usize,
    /// Its points from left to right; one that is not finite interrupts it.
    pub(crate) points: Vec<(f64, f64)>,
    /// How far values spread: where, from and to.
    pub(crate) spread: Vec<(f64, f64, f64)>,
    /// Which of its points are rings, as what is not measured is; if none is told apart, empty.
    pub(crate) ringed: Vec<bool>,
    /// Where it crosses what losses are below.
    pub(crate) crossing: Option<f64>,
}

impl Line {
    /// One without a spread.
    pub(crate) fn new(mark: usize, points: Vec<(f64, f64)>) -> Self {
        Self {
            mark,
            points,
            spread: Vec::new(),
            ringed: Vec::new(),
            crossing: None,
        }
    }
}

/// Lines over two axes.
pub(crate) struct LineChart {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    /// A place on the horizontal axis that has a name.
    pub(crate) rule: Option<(f64, &'static str)>,
    /// What values below are losses, and what those are called.
    pub(crate) losses_below: Option<(f64, &'static str)>,
}

impl LineChart {
    /// The chart.
    pub(crate) fn draw(&self, alt: &Alt<'_>) -> Markup {
        let widest = self.y.ticks.iter().map(|tick| text_width(&tick.label));
        let left = widest.fold(0.0, f64::max) + 8.0;
        let place = Place {
            left,
            width: WIDTH - RIGHT - left,
            height: HEIGHT - TOP - BOTTOM,
        };
        let content = html! {
            @if let Some((value, name)) = self.losses_below { (self.losses(&place, value, name)) }
            g.grid { (self.grid(&place)) }
            g.axis { (self.labels(&place)) }
            @if let Some((value, name)) = self.rule { (self.ruled(&place, value, name)) }
            @for line in &self.lines { (self.line(&place, line)) }
        };
        svg(alt, HEIGHT, &content)
    }

    fn x(&self, place: &Place, value: f64) -> f64 {
        place.left + self.x.scale.share(value) * place.width
    }

    fn y(&self, place: &Place, value: f64) -> f64 {
        TOP + (1.0 - self.y.scale.share(value)) * place.height
    }

    fn grid(&self, place: &Place) -> Markup {
        let (right, bottom) = (place.left + place.width, TOP + place.height);
        html! {
            @for tick in &self.y.ticks {
                @let y = px(self.y(place, tick.value));
                path d=(format!("M{} {y}H{}", px(place.left), px(right))) {}
            }
            @for tick in &self.x.ticks {
                @let x = px(self.x(place, tick.value));
                path d=(format!("M{x} {}V{}", px(TOP), px(bottom + 4.0))) {}
            }
        }
    }

    fn labels(&self, place: &Place) -> Markup {
        let bottom = TOP + place.height;
        html! {
            text x="0" y="15" { (self.y.label) }
            @for tick in &self.y.ticks {
                @let y = px(self.y(place, tick.value) + 4.0);
                text.end x=(px(place.left - 6.0)) y=(y) { (tick.label) }
            }
            @for (x, label) in self.x.labels(WIDTH, |value| self.x(place, value)) {
                text.middle x=(px(x)) y=(px(bottom + 18.0)) { (label) }
            }
            text.end x=(px(place.left + place.width)) y=(px(HEIGHT - 6.0)) { (self.x.label) }
        }
    }

    fn ruled(&self, place: &Place, value: f64, name: &str) -> Markup {
        let x = self.x(place, value);
        // On the side that has room for it.
        let (side, at) = match x + text_width(name) < WIDTH {
            true => (None, x + 4.0),
            false => (Some("end"), x - 4.0),
        };
        html! {
            path.whisker stroke-dasharray="3 3"
                d=(format!("M{} {}V{}", px(x), px(TOP - 4.0), px(TOP + place.height))) {}
            text class=[side] x=(px(at)) y=(px(TOP - 2.0)) { (name) }
        }
    }

    /// In a colour of their own, up to their bound.
    fn losses(&self, place: &Place, value: f64, name: &str) -> Markup {
        let (top, bottom) = (self.y(place, value), TOP + place.height);
        let bound = format!(
            "M{} {}H{}",
            px(place.left),
            px(top),
            px(place.left + place.width)
        );
        html! {
            rect.loss x=(px(place.left)) y=(px(top)) width=(px(place.width))
                height=(px(bottom - top)) {}
            g.grid { path.base d=(bound) {} }
            @if !self.y.ticks.iter().any(|tick| tick.value == value) {
                text.end x=(px(place.left - 6.0)) y=(px(top + 4.0)) { (value) }
            }
            @if bottom - top > 20.0 {
                text.lost.end x=(px(place.left + place.width - 4.0)) y=(px(bottom - 6.0)) { (name) }
            }
        }
    }

    /// All of a line's points: dots, or rings for what is not measured; losses in their colour.
    fn points(&self, place: &Place, line: &Line) -> Markup {
        let base = self
            .losses_below
            .map_or(f64::NEG_INFINITY, |(value, _)| value);
        let points = line.points.iter().zip(&line.ringed);
        html! {
            @for ((x, y), ringed) in points.filter(|((x, y), _)| x.is_finite() && y.is_finite()) {
                @let lost = *y < base;
                @let (x, y) = (self.x(place, *x), self.y(place, *y));
                g.lost[lost] {
                    @if *ringed {
                        circle.hollow cx=(px(x)) cy=(px(y)) r="2.6" {}
                    } @else {
                        (marker(line.mark, x, y))
                    }
                }
            }
            @if let Some(at) = line.crossing {
                @let (x, y) = (self.x(place, at), self.y(place, base));
                path.crossing d=(format!("M{} {}V{}", px(x), px(y - 6.0), px(y + 6.0))) {}
            }
        }
    }

    fn line(&self, place: &Place, line: &Line) -> Markup {
        let mut d = String::new();
        let mut seen = Vec::new();
        let mut pen_down = false;
        for &(x, y) in &line.points {
            if !(x.is_finite() && y.is_finite()) {
                pen_down = false;
                continue;
            }
            let (x, y) = (self.x(place, x), self.y(place, y));
            let command = if pen_down { 'L' } else { 'M' };
            d.push_str(&format!("{command}{} {}", px(x), px(y)));
            pen_down = true;
            seen.push((x, y));
        }
        // Staggered, so that the markers of lines that lie on each other do not.
        let every = seen.len().div_ceil(MARKERS_MOST).max(1);
        let first = (line.mark * every / 3) % every;
        html! {
            g class=(class(line.mark)) {
                path.line d=(d) stroke-dasharray=[dashes(line.mark)] {}
                @for &(x, from, to) in &line.spread {
                    @let (x, from, to) = (self.x(place, x), self.y(place, from), self.y(place, to));
                    path.spread d=(format!("M{} {}V{}", px(x), px(from), px(to))) {}
                }
                g.markers {
                    @if line.ringed.is_empty() {
                        @for (x, y) in seen.iter().skip(first).step_by(every) {
                            (marker(line.mark, *x, *y))
                        }
                    } @else {
                        (self.points(place, line))
                    }
                }
            }
        }
    }
}

/// Where the lines go, in the chart's own units.
struct Place {
    left: f64,
    width: f64,
    height: f64,
}
