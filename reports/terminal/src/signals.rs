//! The signals that ask a process to stop: Ctrl-C, a polite kill, and the end of its terminal. One
//! that was ignored when the process began stays ignored: so `nohup` and a shell's background jobs
//! mean it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::threads;

/// All that ask for a stop.
const STOP: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

/// The thread that waits for them, once there is one.
static THREAD: AtomicI32 = AtomicI32::new(0);

/// CPU time of the thread that waits for signals, in nanoseconds: the system wakes it whenever it
/// stops the process or lets it go on. Nothing where the system does not tell.
#[must_use]
pub fn cpu_ns() -> u64 {
    let path = format!(
        "/proc/self/task/{}/schedstat",
        THREAD.load(Ordering::Relaxed)
    );
    let told = fs::read_to_string(path).unwrap_or_default();
    let spent = told.split(' ').next().and_then(|word| word.parse().ok());
    spent.unwrap_or(0)
}

/// Has a file that may grow no more (`ulimit -f`) be an error of whoever writes it, as a full disk
/// is, and not the end of the process. A system that takes no handler ends it as before.
pub fn survive_file_limits() {
    let nobody_asks = Arc::new(AtomicBool::new(false));
    drop(signal_hook::flag::register(SIGXFSZ, nobody_asks));
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To come to an end.
    ToStop,
    /// Once more, by somebody who does not wait for that: to end at once.
    ToEndAtOnce,
}

/// `timeout` and some shells send a signal twice, to the process and to its group.
const ECHO: Duration = Duration::from_millis(500);

/// Calls `handle`, on a thread of its own, for every signal that asks for a stop, but for echoes,
/// and those that were ignored when the process began. To be called once, before any other handler
/// is set.
///
/// # Errors
/// In words: the system starts no thread, or takes no handler. The process must end then: nothing
/// would handle the signals any more.
pub fn on_stop(mut handle: impl FnMut(Asked) + Send + 'static) -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let heeded = STOP.iter().filter(|signal| !is_ignored(&status, **signal));
    let mut signals = Signals::new(heeded).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot watch for signals: {error}"))
    })?;
    threads::start("signals", move || {
        THREAD.store(
            rustix::thread::gettid().as_raw_nonzero().get(),
            Ordering::Relaxed,
        );
        let mut first: Option<Instant> = None;
        for _ in signals.forever() {
            match first {
                None => {
                    first = Some(Instant::now());
                    handle(Asked::ToStop);
                }
                Some(first) if first.elapsed() < ECHO => {}
                Some(_) => handle(Asked::ToEndAtOnce),
            }
        }
    })?;
    Ok(())
}

/// Whether a process with this `/proc/PID/status` ignores a signal; not where the system does not
/// tell.
fn is_ignored(status: &str, signal: i32) -> bool {
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_says_which_signals_are_ignored() {
        for (status, ignored) in [
            ("Name:\tx\nSigIgn:\t0000000000000000\n", &[][..]),
            ("SigIgn:\t0000000000001001\nSigCgt:\tffff\n", &[SIGHUP]),
            ("SigIgn:\t0000000000000006", &[SIGINT]),
            ("SigIgn:\t0000000000004003", &[SIGHUP, SIGINT, SIGTERM]),
            ("SigIgn:\tx", &[]),
            ("", &[]),
        ] {
            let found: Vec<i32> = STOP
                .into_iter()
                .filter(|signal| is_ignored(status, *signal))
                .collect();
            assert_eq!(found, ignored, "{status}");
        }
    }
}
