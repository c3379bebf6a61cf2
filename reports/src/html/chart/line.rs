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
}

impl Line {
    /// One without a spread.
    pub(crate) fn new(mark: usize, points: Vec<(f64, f64)>) -> Self {
        let spread = Vec::new();
        Self {
            mark,
            points,
            spread,
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
                    @for (x, y) in seen.iter().skip(first).step_by(every) {
                        (marker(line.mark, *x, *y))
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
