//! CPU time by stage and role.

use super::{Dataset, Kind, assured, with_assurance};
use crate::{measured::cpu_per_payment_ns, runs::NamedRun, summary::stage_cpu_s};

/// A row for each stage of each run.
#[must_use]
pub fn stages(runs: &[NamedRun]) -> Dataset {
    let mut dataset = with_assurance(
        "stages",
        &[
            ("role", "Role", Kind::Text),
            ("stage", "Stage", Kind::Text),
            ("items", "Items", Kind::Figure),
            ("unit", "Of", Kind::Text),
            ("cpu_ns_per_item", "CPU per item", Kind::Nanoseconds),
            ("cpu_s", "CPU", Kind::Seconds),
            ("cpu_ns_per_payment", "CPU per payment", Kind::Nanoseconds),
            ("share_of_process_cpu", "Of all CPU", Kind::Share),
        ],
    );
    for named in runs {
        let run = &named.run;
        for stage in &run.stages {
            let cpu_s = stage_cpu_s(stage);
            let mut row = assured(named);
            row.extend([
                (&stage.role).into(),
                (&stage.name).into(),
                stage.items.into(),
                (&stage.unit).into(),
                stage.cpu_ns_per_item.into(),
                cpu_s.into(),
                cpu_per_payment_ns(run, &stage.role, cpu_s).into(),
                (cpu_s / run.achieved.cpu_s).into(),
            ]);
            dataset.push(row);
        }
    }
    dataset
}
