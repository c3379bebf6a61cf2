//! Horizontal bars in groups: one group a quantity, one bar a run. Headings stand above their bars
//! and values in a column of their own, so that no label ever meets a bar or another label.

use maud::{Markup, html};

use super::mark::class;
use super::scale::{Axis, Scale};
use super::{Alt, WIDTH, px, svg, text_width};

const HEADING: f64 = 19.0;
const BAR: f64 = 12.0;
const GAP: f64 = 4.0;
const AFTER_GROUP: f64 = 6.0;
const AXIS: f64 = 42.0;
const BETWEEN_VALUE_AND_BARS: f64 = 10.0;

/// One bar.
pub(crate) struct Bar {
    /// Which colour it has.
    pub(crate) mark: usize,
    /// Which run it is of, in a letter; empty where there is but one.
    pub(crate) letter: String,
    /// Its length; none is drawn if it is not finite.
    pub(crate) value: f64,
    /// An interval around the value, drawn as a whisker.
    pub(crate) interval: Option<(f64, f64)>,
    /// The value for people, beside it.
    pub(crate) shown: String,
    /// Whether it is drawn as an outline: a sum of others, or a value that is not measured.
    pub(crate) outline: bool,
}

/// Bars of one quantity.
pub(crate) struct Group {
    pub(crate) heading: String,
    /// Whether the heading is one of a whole part of the chart.
    pub(crate) strong: bool,
    pub(crate) bars: Vec<Bar>,
}

impl Group {
    /// Outlined: sums of others, or values that are not measured.
    pub(crate) fn outlined(mut self) -> Self {
        self.bars.iter_mut().for_each(|bar| bar.outline = true);
        self
    }
}

/// Groups of bars over one axis.
pub(crate) struct BarChart {
    pub(crate) axis: Axis,
    /// Where bars begin, as 0 on a linear axis, or 1 for ratios.
    pub(crate) base: f64,
    pub(crate) groups: Vec<Group>,
}

/// Where bars begin, and so how values lie along their axis.
#[derive(Clone, Copy)]
pub(crate) enum From {
    /// At 0: equal lengths are equal differences.
    Zero,
    /// At 1, for ratios: equal lengths are equal ratios.
    One,
    /// Below the least value, by equal ratios.
    Least,
}

impl BarChart {
    /// Bars over an axis called `label`, whose values are shown by `show`; none where there is
    /// nothing to draw.
    pub(crate) fn of(
        label: &str,
        from: From,
        show: fn(f64) -> String,
        groups: Vec<Group>,
    ) -> Option<Self> {
        let values = groups.iter().flat_map(|group| &group.bars);
        let values: Vec<f64> = values.map(|bar| bar.value).collect();
        let drawn =
            |value: &f64| value.is_finite() && !(matches!(from, From::Least) && *value <= 0.0);
        if !values.iter().any(drawn) {
            return None;
        }
        let values = values.into_iter();
        let (scale, ticks) = match from {
            From::Zero => (Scale::from_zero(values, 5), 5),
            From::One => (Scale::log_around(values, Some(1.0)), 6),
            From::Least => (Scale::log_around(values, None), 6),
        };
        let base = match (from, scale) {
            (From::One, _) => 1.0,
            (_, Scale::Log { from, .. } | Scale::Linear { from, .. }) => from,
        };
        let axis = Axis::new(label, scale, ticks, show);
        Some(Self { axis, base, groups })
    }

    /// The chart.
    pub(crate) fn draw(&self, alt: &Alt<'_>) -> Markup {
        let bars = || self.groups.iter().flat_map(|group| &group.bars);
        let letters = bars().any(|bar| !bar.letter.is_empty());
        let values = bars().map(|bar| text_width(&bar.shown)).fold(0.0, f64::max);
        let left = if letters { 18.0 } else { 2.0 };
        let place = Place {
            left,
            width: WIDTH - left - values - BETWEEN_VALUE_AND_BARS,
        };
        let mut y = 0.0;
        let mut drawn = Vec::new();
        for group in &self.groups {
            drawn.push(self.group(&place, group, y));
            y += HEADING + group.bars.len() as f64 * (BAR + GAP) + AFTER_GROUP;
        }
        let content = html! {
            g.grid { (self.grid(&place, y)) }
            @for group in drawn { (group) }
            g.axis { (self.labels(&place, y)) }
        };
        svg(alt, y + AXIS, &content)
    }

    fn x(&self, place: &Place, value: f64) -> f64 {
        place.left + self.axis.scale.share(value) * place.width
    }

    fn group(&self, place: &Place, group: &Group, top: f64) -> Markup {
        let bar_top = |nth: usize| top + HEADING + nth as f64 * (BAR + GAP);
        html! {
            text.heading.strong[group.strong] x="0" y=(px(top + 14.0)) { (group.heading) }
            @for (nth, bar) in group.bars.iter().enumerate() {
                (self.bar(place, bar, bar_top(nth)))
            }
        }
    }

    fn bar(&self, place: &Place, bar: &Bar, top: f64) -> Markup {
        let (base, end) = (self.x(place, self.base), self.x(place, bar.value));
        let (from, length) = (base.min(end), (base - end).abs().max(1.0));
        let middle = top + BAR / 2.0;
        html! {
            g class=(class(bar.mark)) {
                @if !bar.letter.is_empty() {
                    text.letter x="0" y=(px(top + BAR - 1.5)) { (bar.letter) }
                }
                @if bar.value.is_finite() {
                    rect.bar.outline[bar.outline] x=(px(from)) y=(px(top)) width=(px(length)) height=(px(BAR)) {}
                }
                @if let Some((low, high)) = bar.interval {
                    @let (low, high) = (px(self.x(place, low)), px(self.x(place, high)));
                    @let (above, below) = (px(middle - 4.0), px(middle + 4.0));
                    path.whisker d=(format!(
                        "M{low} {}H{high}M{low} {above}V{below}M{high} {above}V{below}", px(middle)
                    )) {}
                }
                text.value.end x=(px(WIDTH)) y=(px(top + BAR - 1.5)) { (bar.shown) }
            }
        }
    }

    fn grid(&self, place: &Place, bottom: f64) -> Markup {
        html! {
            @for tick in &self.axis.ticks {
                @let base = (tick.value - self.base).abs() <= self.base * 1e-9;
                path.base[base] d=(format!("M{} 0V{}", px(self.x(place, tick.value)), px(bottom + 4.0))) {}
            }
        }
    }

    fn labels(&self, place: &Place, bottom: f64) -> Markup {
        html! {
            @for (x, label) in self.axis.labels(WIDTH, |value| self.x(place, value)) {
                text.middle x=(px(x)) y=(px(bottom + 17.0)) { (label) }
            }
            text x="0" y=(px(bottom + 36.0)) { (self.axis.label) }
        }
    }
}

/// Where the bars go, in the chart's own units.
struct Place {
    left: f64,
    width: f64,
}
