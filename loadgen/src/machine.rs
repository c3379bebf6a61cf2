//! What machine this is, and how much memory the process has used.

use std::fs;
use std::path::Path;

use duet_reports::run_file::Machine;

/// Describes the machine. What the system does not tell is empty or zero.
#[must_use]
pub fn machine() -> Machine {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        cpuinfo
            .lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // Those that decide which kernels run.
    let flags = field("flags");
    let known = ["avx2", "avx512f", "avx512ifma", "avx512vbmi", "sha_ni"];
    let features = known
        .into_iter()
        .filter(|feature| flags.split_whitespace().any(|flag| flag == *feature))
        .map(str::to_owned)
        .collect();
    Machine {
        cpu: field("model name"),
        cores: cores(),
        memory_bytes: kibibytes("/proc/meminfo", "MemTotal"),
        os: format!("{} {}", std::env::consts::OS, kernel.trim())
            .trim()
            .to_owned(),
        features,
    }
}

/// Cores that this process may use.
#[must_use]
pub fn cores() -> u64 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64)
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

/// The type of the file system that a path is on, such as `ext4`; empty where the system does not
/// tell. The path need not be there yet.
#[must_use]
pub fn file_system(path: &Path) -> String {
    let there = path
        .ancestors()
        .find_map(|path| fs::canonicalize(path).ok());
    let Some(there) = there else {
        return String::new();
    };
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        there.starts_with(point).then_some((point.len(), kind))
    });
    // Of two mounts at one place, the later one is seen.
    let innermost = mounts.max_by_key(|(length, _)| *length);
    innermost.map_or(String::new(), |(_, kind)| kind.to_owned())
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
