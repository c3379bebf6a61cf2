//! What machine this is, and how much memory the process has used.

use std::fs;
use std::time::{Duration, Instant};

use duet_run_file::run_file::Machine;
use duet_terminal::threads;

/// Describes the machine. What the system does not tell is empty or zero.
#[must_use]
pub fn machine() -> Machine {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        cpu: processor(&cpuinfo),
        cores: threads::cores(),
        memory_bytes: kibibytes("/proc/meminfo", "MemTotal"),
        os: format!("{} {}", std::env::consts::OS, kernel.trim())
            .trim()
            .to_owned(),
        features: features(&cpuinfo),
        stolen_share: None,
        others_share: None,
    }
}

/// The values of one key of `/proc/cpuinfo`, in order, each told once. A file has a block of lines
/// `key : value` for each core.
fn values<'a>(cpuinfo: &'a str, key: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for line in cpuinfo.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if name.trim() == key && !value.is_empty() && !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// The processor's name, by `/proc/cpuinfo`: `model name` on x86, `cpu` on POWER, `cpu model` on
/// MIPS, `uarch` on RISC-V. ARM has no name but numbers of the implementer and of the part, of
/// which a machine with cores of two kinds has two. Empty if there is none of these.
fn processor(cpuinfo: &str) -> String {
    for key in ["model name", "cpu model", "cpu", "uarch"] {
        let names = values(cpuinfo, key);
        if !names.is_empty() {
            return names.join(" + ");
        }
    }
    let mut parts: Vec<String> = Vec::new();
    for core in cpuinfo.split("\n\n") {
        let number = |key| values(core, key).first().copied();
        let named = number("CPU implementer").zip(number("CPU part"));
        let part = named.map(|(by, part)| format!("CPU implementer {by} part {part}"));
        parts.extend(part.filter(|part| !parts.contains(part)));
    }
    parts.join(" + ")
}

/// The instruction sets that decide which kernels run: `flags` on x86, `Features` on ARM.
fn features(cpuinfo: &str) -> Vec<String> {
    let flags = [values(cpuinfo, "flags"), values(cpuinfo, "Features")].concat();
    let has = |feature: &&str| {
        let mut words = flags.iter().flat_map(|flags| flags.split_whitespace());
        words.any(|flag| flag == *feature)
    };
    let known = [
        "avx2",
        "avx512f",
        "avx512ifma",
        "avx512vbmi",
        "sha_ni",
        "asimd",
        "sha2",
    ];
    let found = known.into_iter().filter(has);
    found.map(str::to_owned).collect()
}

/// CPU time of all of the machine's cores since it started, in clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTicks {
    all: u64,
    idle: u64,
    stolen: u64,
    cores: usize,
}

impl CpuTicks {
    /// As of now; none where the system does not tell.
    #[must_use]
    pub fn now() -> Option<CpuTicks> {
        CpuTicks::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Of a line `cpu user nice system idle iowait irq softirq steal …`; guests' time is in the
    /// user's already.
    fn parse(stat: &str) -> Option<CpuTicks> {
        let ticks = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = ticks
            .split_whitespace()
            .take(8)
            .map_while(|ticks| ticks.parse().ok())
            .collect();
        let &[_, _, _, idle, waiting, _, _, stolen] = ticks.as_slice() else {
            return None;
        };
        Some(CpuTicks {
            all: ticks.iter().sum(),
            idle: idle + waiting,
            stolen,
            cores: stat
                .lines()
                .skip(1)
                .filter(|line| line.starts_with("cpu"))
                .count(),
        })
    }

    /// Of all time since `before`, which is `wall_s` ago, the share that the host gave to other
    /// guests, and the share that processes other than this one took; this one took `own_s`
    /// seconds. None if no time has passed.
    #[must_use]
    pub fn taken_since(self, before: CpuTicks, wall_s: f64, own_s: f64) -> Option<(f64, f64)> {
        let own_share = own_s / (wall_s * self.cores as f64);
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)? as f64;
        let idle = self.idle.saturating_sub(before.idle) as f64 / all;
        let stolen = self.stolen.saturating_sub(before.stolen) as f64 / all;
        Some((stolen, (1.0 - idle - stolen - own_share).max(0.0)))
    }
}

/// Waits until every other thread of this process sleeps, for a tenth of a second at most: one that
/// was just started, such as the one that waits for signals, has then done what it has to do first.
/// Does not wait where the system does not tell.
pub fn await_quiet() {
    const MOST: Duration = Duration::from_millis(100);
    let start = Instant::now();
    let is_running = |task: &fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        task_state(&stat) == Some('R')
    };
    let running = || {
        let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
        tasks.flatten().filter(is_running).count()
    };
    // The calling thread runs.
    while running() > 1 && start.elapsed() < MOST {
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The state in a task's `stat`: the letter after its name, which is in brackets and may hold any.
fn task_state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The most memory that this process has held, in bytes; 0 where the system does not tell.
#[must_use]
pub fn peak_rss_bytes() -> u64 {
    kibibytes("/proc/self/status", "VmHWM")
}

/// The memory that this process holds now, in bytes; 0 where the system does not tell.
#[must_use]
pub fn rss_bytes() -> u64 {
    kibibytes("/proc/self/status", "VmRSS")
}

fn kibibytes(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|value| {
            value
                .trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        })
        .map_or(0, |kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_split_into_idle_stolen_own_and_others() {
        let before =
            CpuTicks::parse("cpu  100 0 0 100 0 0 0 0 0 0\ncpu0 1\ncpu1 1\nintr 7").unwrap();
        // 100 ticks on two cores: 40 busy, 30 idle, 10 waiting for the disk, 20 stolen.
        let after = CpuTicks::parse("cpu  130 5 5 130 10 0 0 20 7 0\ncpu0 1\ncpu1 1").unwrap();
        let (stolen, others) = after.taken_since(before, 0.5, 0.25).unwrap();
        assert!((stolen - 0.2).abs() < 1e-12, "{stolen}");
        assert!((others - 0.15).abs() < 1e-12, "{others}");
        // Ticks are coarse: the own share can come out above what was busy.
        assert_eq!(after.taken_since(before, 0.5, 0.5).unwrap().1, 0.0);
        assert_eq!(before.taken_since(before, 0.0, 0.0), None);
    }

    #[test]
    fn processors_are_named_whatever_their_kind() {
        let arm = "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd sha2\n\
                   CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\n\
                   CPU part\t: 0xd0c\nCPU revision\t: 1\n";
        let other_part = arm.replace("0xd0c", "0xd05");
        let named =
            "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC 9R14\nflags\t\t: fpu avx2\n";
        for (cpuinfo, name, found) in [
            (named.to_owned(), "AMD EPYC 9R14", &["avx2"][..]),
            (format!("{named}\n{named}"), "AMD EPYC 9R14", &["avx2"]),
            (
                format!("{arm}\n{arm}"),
                "CPU implementer 0x41 part 0xd0c",
                &["asimd", "sha2"],
            ),
            (
                format!("{arm}\n{other_part}\n{arm}"),
                "CPU implementer 0x41 part 0xd0c + CPU implementer 0x41 part 0xd05",
                &["asimd", "sha2"],
            ),
            (
                "processor\t: 0\ncpu\t\t: POWER9, altivec supported\n".to_owned(),
                "POWER9, altivec supported",
                &[],
            ),
            (
                "processor\t: 0\nisa\t: rv64imafdc\nuarch\t: sifive,u74-mc\n".to_owned(),
                "sifive,u74-mc",
                &[],
            ),
            ("model name\t:\n".to_owned(), "", &[]),
            (String::new(), "", &[]),
        ] {
            assert_eq!(processor(&cpuinfo), name, "{cpuinfo}");
            assert_eq!(features(&cpuinfo), found, "{cpuinfo}");
        }
    }

    #[test]
    fn a_tasks_state_stands_after_its_name() {
        for (stat, state) in [
            ("17 (ctrl-c) S 1 17", Some('S')),
            ("17 (a) R 2) R 1 17", Some('R')),
            ("", None),
        ] {
            assert_eq!(task_state(stat), state, "{stat}");
        }
        await_quiet();
    }

    #[test]
    fn what_is_no_such_line_is_not_read() {
        for stat in [
            "",
            "cpu",
            "cpu  1 2 3",
            "cpu  1 2 x 4 5 6 7 8",
            "intr 1 2 3 4 5 6 7 8",
        ] {
            assert_eq!(CpuTicks::parse(stat), None, "{stat}");
        }
    }
}
