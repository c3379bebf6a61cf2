//! What tells one line or bar from another: a class for the colour, dashes, and a marker's shape,
//! so that no two of them differ by colour alone.

use maud::{Markup, html};

use super::px;

/// As many as can be told apart.
pub(crate) const MARKS: usize = 8;

/// A circle, a square and so on, and whether it is filled.
#[derive(Clone, Copy)]
enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
    Plus,
}

const LOOKS: [(&str, Shape, bool); MARKS] = [
    ("", Shape::Circle, true),
    ("7 3", Shape::Square, false),
    ("2 2.5", Shape::Triangle, true),
    ("9 3 2 3", Shape::Diamond, false),
    ("5 2", Shape::Cross, false),
    ("12 3", Shape::Plus, false),
    ("2 4", Shape::Circle, false),
    ("9 3 2 3 2 3", Shape::Triangle, false),
];

/// The class with the mark's colour; marks beyond the last begin anew.
pub(crate) fn class(mark: usize) -> String {
    format!("m{}", mark % MARKS)
}

/// Its dashes, as of `stroke-dasharray`; none for a whole line.
pub(crate) fn dashes(mark: usize) -> Option<&'static str> {
    let dashes = LOOKS[mark % MARKS].0;
    (!dashes.is_empty()).then_some(dashes)
}

/// Its marker at a place.
pub(crate) fn marker(mark: usize, x: f64, y: f64) -> Markup {
    const R: f64 = 3.6;
    let (_, shape, filled) = LOOKS[mark % MARKS];
    let d = match shape {
        Shape::Circle => {
            return html! {
                circle class=[(!filled).then_some("hollow")] cx=(px(x)) cy=(px(y)) r=(R) {}
            };
        }
        Shape::Square => path(x, y, &[(-R, -R), (R, -R), (R, R), (-R, R)]),
        Shape::Triangle => path(x, y, &[(0.0, -1.2 * R), (1.15 * R, R), (-1.15 * R, R)]),
        Shape::Diamond => path(
            x,
            y,
            &[
                (0.0, -1.3 * R),
                (1.3 * R, 0.0),
                (0.0, 1.3 * R),
                (-1.3 * R, 0.0),
            ],
        ),
        Shape::Cross => path(x, y, &[(-R, -R), (R, R)]) + &path(x, y, &[(-R, R), (R, -R)]),
        Shape::Plus => {
            path(x, y, &[(-1.3 * R, 0.0), (1.3 * R, 0.0)])
                + &path(x, y, &[(0.0, -1.3 * R), (0.0, 1.3 * R)])
        }
    };
    html! { path class=[(!filled).then_some("hollow")] d=(d) {} }
}

fn path(x: f64, y: f64, corners: &[(f64, f64)]) -> String {
    let mut d = String::new();
    for (nth, (dx, dy)) in corners.iter().enumerate() {
        let command = if nth == 0 { 'M' } else { 'L' };
        d.push_str(&format!("{command}{} {}", px(x + dx), px(y + dy)));
    }
    if corners.len() > 2 {
        d.push('Z');
    }
    d
}

/// For a legend: a piece of the line with its marker. Says nothing to a screen reader, which reads
/// the name beside it.
pub(crate) fn swatch(mark: usize) -> Markup {
    html! {
        svg.swatch viewBox="0 0 36 14" width="36" height="14" aria-hidden="true" focusable="false" {
            g class=(class(mark)) {
                path.line d="M1 7H35" stroke-dasharray=[dashes(mark)] {}
                g.markers { (marker(mark, 18.0, 7.0)) }
            }
        }
    }
}
