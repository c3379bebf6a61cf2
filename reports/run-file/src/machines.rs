//! Whether two runs were made on machines of one kind. Compares what a machine *is*; never what
//! was measured on it, such as the CPU time that others took meanwhile. Pure.

use crate::run_file::Machine;

/// Memory sizes that differ by less than this share are of one size: the system keeps a part for
/// itself, which its version decides.
const MEMORY_TOLERANCE: f64 = 0.01;

/// What two machines have to do with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kinship {
    /// All that is known of both is equal, and nothing is unknown.
    Same,
    /// They differ in these respects.
    Different(Vec<&'static str>),
    /// Nothing differs, but these respects are unknown of one machine or of both.
    Unknown(Vec<&'static str>),
}

impl Kinship {
    /// Of two machines. What is unknown is equal to nothing, not even to what is unknown too.
    #[must_use]
    pub fn of(a: &Machine, b: &Machine) -> Self {
        let (mut different, mut unknown) = (Vec::new(), Vec::new());
        let mut respect = |name, known: bool, equal: bool| match (known, equal) {
            (true, true) => {}
            (true, false) => different.push(name),
            (false, _) => unknown.push(name),
        };
        let both = |known: fn(&Machine) -> bool| known(a) && known(b);
        respect("processor", both(Machine::is_cpu_known), a.cpu == b.cpu);
        respect("cores", both(|of| of.cores > 0), a.cores == b.cores);
        let memory = [a, b].map(|of| of.memory_bytes as f64);
        let apart = (memory[0] - memory[1]).abs() / memory[0].max(memory[1]);
        let known = both(|of| of.memory_bytes > 0);
        respect("memory", known, apart < MEMORY_TOLERANCE);
        respect("system", both(|of| !of.os.is_empty()), a.os == b.os);
        // No instruction set is an answer too: a processor that has none of them.
        respect("instruction sets", true, a.features == b.features);
        if !different.is_empty() {
            Self::Different(different)
        } else if !unknown.is_empty() {
            Self::Unknown(unknown)
        } else {
            Self::Same
        }
    }

    /// Whether the machines are of one kind; none if that is unknown.
    #[must_use]
    pub fn is_same(&self) -> Option<bool> {
        match self {
            Self::Same => Some(true),
            Self::Different(_) => Some(false),
            Self::Unknown(_) => None,
        }
    }

    /// What a reader of two runs' times has to know, if anything.
    #[must_use]
    pub fn caveat(&self) -> Option<String> {
        match self {
            Self::Same => None,
            Self::Different(respects) => Some(format!(
                "differ in machine ({}): times compare the machines too",
                respects.join(", ")
            )),
            Self::Unknown(respects) => Some(format!(
                "perhaps of two machines ({} unknown): times may compare these too",
                respects.join(", ")
            )),
        }
    }
}

impl Machine {
    /// Whether the processor has a name.
    #[must_use]
    pub fn is_cpu_known(&self) -> bool {
        !matches!(self.cpu.trim(), "" | "unknown")
    }

    /// The processor's name, or that it has none.
    #[must_use]
    pub fn cpu_name(&self) -> &str {
        if self.is_cpu_known() {
            &self.cpu
        } else {
            "unknown processor"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn what_a_machine_is_decides_and_what_was_measured_on_it_does_not() {
        type Change = fn(&mut Machine);
        let different = |respect| Kinship::Different(vec![respect]);
        let table: [(Change, Change, Kinship); 11] = [
            (|_| {}, |_| {}, Kinship::Same),
            (
                |a| a.others_share = Some(0.82),
                |b| (b.others_share, b.stolen_share) = (None, Some(0.1)),
                Kinship::Same,
            ),
            (|_| {}, |b| b.memory_bytes += 1 << 20, Kinship::Same),
            (|_| {}, |b| b.memory_bytes *= 2, different("memory")),
            (|_| {}, |b| b.cores = 2, different("cores")),
            (
                |_| {},
                |b| b.cpu = "AMD EPYC".into(),
                different("processor"),
            ),
            (|_| {}, |b| b.os = "Linux 6.9".into(), different("system")),
            (
                |_| {},
                |b| b.features.clear(),
                different("instruction sets"),
            ),
            // Unknown is unknown, and never equal, not even to itself.
            (
                |a| a.cpu.clear(),
                |b| b.cpu.clear(),
                Kinship::Unknown(vec!["processor"]),
            ),
            (
                |a| (a.cores, a.memory_bytes) = (0, 0),
                |b| (b.cores, b.memory_bytes) = (0, 0),
                Kinship::Unknown(vec!["cores", "memory"]),
            ),
            // What differs for certain is said, whatever else is unknown.
            (|a| a.cpu.clear(), |b| b.cores = 2, different("cores")),
        ];
        for (index, (of_a, of_b, expected)) in table.into_iter().enumerate() {
            let machine = sample::open_loop().machine;
            let (mut a, mut b) = (machine.clone(), machine);
            of_a(&mut a);
            of_b(&mut b);
            for kinship in [Kinship::of(&a, &b), Kinship::of(&b, &a)] {
                assert_eq!(kinship, expected, "row {index}");
                let is_said = kinship.caveat().is_some();
                assert_eq!(is_said, kinship.is_same() != Some(true), "row {index}");
            }
        }
    }
}
