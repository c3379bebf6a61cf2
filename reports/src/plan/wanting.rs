//! What the runs do not say of response times and a sweep would, each with the command for it.

use super::PlanError;
use super::cpu::Place;
use super::input::{Assurance, Chosen};
use super::model::Model;
use super::response::Basis;
use super::size::{Point, Size, Sizer};
use crate::human::figure;

/// Where the planned point, or what is above it, lies beyond the measured rates.
pub(super) fn not_measured(
    chosen: &Chosen,
    sizer: &Sizer<'_>,
    size: &Size,
    point: &Point,
) -> Vec<String> {
    let (model, response, at) = (sizer.model, sizer.response, &size.at_slo);
    let (name, first) = (sizer.ask.slo.percentile.name(), response.least());
    let command = |place, rates: &[f64]| sweep(chosen, place, response.shards, rates);
    let mut found = Vec::new();
    if point.response_ns.is_none() {
        let asked = point.per_measured_shard;
        let command = command(&first.place, &[asked]);
        let [asked, least] = [asked, first.per_shard].map(figure);
        found.push(format!(
            "{name} at {asked} payments/s a shard: not measured below {least}; sweep down to it: \
             {command}"
        ));
    }
    let last = at.per_shard;
    if let Basis::LastHeld(not_held) = at.basis {
        // A last held rate may be that of the largest waves already.
        let most = model.waves.rate_max(&model.cpu, &at.place).max(1.25 * last);
        let next = not_held.unwrap_or(most);
        let parts = [1.0 / 3.0, 2.0 / 3.0].map(|part| last + part * (next - last));
        let command = command(&at.place, &parts);
        let [last, next] = [last, next].map(figure);
        found.push(match not_held {
            Some(_) => format!(
                "{name} between {last} payments/s a shard, which was held, and {next}, which was \
                 not: not measured, and not counted on; sweep up to it: {command}"
            ),
            None => format!(
                "{name} above {last} payments/s a shard: not measured, and every rate below meets \
                 the objective; sweep up to {next}: {command}"
            ),
        });
    }
    found
}

/// Where no measured rate meets the objective, the command that would measure lower ones.
pub(super) fn below(error: PlanError, chosen: &Chosen, model: &Model) -> PlanError {
    let (PlanError::Missed(text), Some(response)) = (&error, &model.response) else {
        return error;
    };
    let first = response.least();
    let rates = [first.per_shard / 8.0, first.per_shard / 2.0];
    let (least, command) = (
        figure(rates[0]),
        sweep(chosen, &first.place, response.shards, &rates),
    );
    PlanError::Missed(format!(
        "{text}; lower ones are not measured: sweep down to {least}: {command}"
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
    let rates = rates.join(",");
    let (channels, payments) = ((place.channels_per_shard * shards).round(), place.payments);
    let Assurance {
        cosign_every,
        in_flight,
        durability,
        backend,
        ..
    } = &chosen.assurance;
    let options = chosen.assurance.run_options();
    format!(
        "loadgen sweep more.sweep --rate {rates} --concurrent {channels} --shards {shards} \
         --payments {payments} --cosign-every {cosign_every} --in-flight {in_flight} \
         --durability {durability} --backend {backend}{options}"
    )
}
