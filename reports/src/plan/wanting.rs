//! What the runs do not say of response times and a sweep would, each with the command for it.

use super::PlanError;
use super::input::Chosen;
use super::model::Model;
use super::response::Basis;
use super::size::{Point, Size, Sizer};
use super::waves::Place;
use crate::human;

/// Where the planned point, or what is above it, lies beyond the measured rates.
pub(super) fn not_measured(
    chosen: &Chosen,
    sizer: &Sizer<'_>,
    size: &Size,
    point: &Point,
) -> Vec<String> {
    let (model, at) = (sizer.model, &size.at_slo);
    let Some(response) = &model.response else {
        return Vec::new();
    };
    let (name, least) = (sizer.ask.slo.percentile.name(), response.least());
    let sweep = |place, rates: &[f64]| sweep(chosen, place, response.shards, rates);
    let figure = human::figure;
    let mut found = Vec::new();
    if point.response_ns.is_none() {
        found.push(format!(
            "{name} at {} payments/s a shard: not measured below {}; sweep down to it: {}",
            figure(point.per_measured_shard),
            figure(least.per_shard),
            sweep(&least.place, &[point.per_measured_shard])
        ));
    }
    let last = at.per_shard;
    match at.basis {
        Basis::Between => {}
        Basis::LastHeld(Some(next)) => found.push(format!(
            "{name} between {} payments/s a shard, which was held, and {}, which was not: not \
             measured, and not counted on; sweep up to it: {}",
            figure(last),
            figure(next),
            sweep(
                &at.place,
                &[last + (next - last) / 3.0, last + (next - last) / 1.5]
            )
        )),
        Basis::LastHeld(None) => {
            let most = model
                .waves
                .rate_max(&model.cpu, &at.place)
                .max(BEYOND * last);
            found.push(format!(
                "{name} above {} payments/s a shard: not measured, and every rate below meets the \
                 objective; sweep up to {}: {}",
                figure(last),
                figure(most),
                sweep(&at.place, &[last + (most - last) / 2.0, most])
            ));
        }
    }
    found
}

/// A last held rate may be that of the largest waves already: more is looked for up to this much.
const BEYOND: f64 = 1.25;

/// Where no measured rate meets the objective, the command that would measure lower ones.
pub(super) fn below(error: PlanError, chosen: &Chosen, model: &Model) -> PlanError {
    let (PlanError::Missed(text), Some(response)) = (&error, &model.response) else {
        return error;
    };
    let least = response.least();
    let rates = [least.per_shard / 8.0, least.per_shard / 2.0];
    PlanError::Missed(format!(
        "{text}; lower ones are not measured: sweep down to {}: {}",
        human::figure(rates[0]),
        sweep(chosen, &least.place, response.shards, &rates)
    ))
}

/// The sweep of these rates per shard, all else as it was at a place.
fn sweep(chosen: &Chosen, place: &Place, shards: f64, rates: &[f64]) -> String {
    // Three digits: more say nothing.
    let digits = |rate: f64| {
        let step = 10_f64.powf((rate.log10().floor() - 2.0).max(0.0));
        ((rate / step).round() * step).to_string()
    };
    let rates: Vec<String> = rates.iter().map(|rate| digits(rate * shards)).collect();
    let assurance = &chosen.assurance;
    let mut more = String::new();
    if assurance.pattern != "one-way" {
        more.push_str(&format!(" --pattern {}", assurance.pattern));
    }
    if let Some(turn) = assurance.turn_length {
        more.push_str(&format!(" --turn-length {turn}"));
    }
    if let Some(after) = assurance.cosign_after_us {
        more.push_str(&format!(" --cosign-after {after}us"));
    }
    let dashes = if more.is_empty() { "" } else { " --" };
    format!(
        "loadgen sweep more.sweep --rate {} --concurrent {} --shards {shards} --payments {} \
         --cosign-every {} --in-flight {} --durability {} --backend {}{dashes}{more}",
        rates.join(","),
        (place.channels_per_shard * shards).round(),
        place.payments,
        assurance.cosign_every,
        assurance.in_flight,
        assurance.durability,
        assurance.backend,
    )
}
