//! What makes a run durable: what was asked for, and whether it makes sense.

use duet_engine::log::{self, RunId};
use duet_engine::pipeline::LogConfig;
use duet_terminal::output::check_writable;

use super::error::{PlanError, bad};
use crate::cli::{Durability, RunArgs};
use crate::offered::held;

/// The log itself, in the run's directory.
pub(super) const LOG: &str = "log";

/// The log that was asked for, if one was, of the run of this identity.
pub(super) fn log_config(args: &RunArgs, run: RunId) -> Result<Option<LogConfig>, PlanError> {
    let durability = match (args.durability, &args.log_dir) {
        (Durability::None, None) => {
            return match &args.ack_file {
                Some(_) => Err(bad(
                    "--ack-file needs --durability log or fsync: it is for checking a recovery",
                )),
                None => Ok(None),
            };
        }
        (Durability::None, Some(directory)) => {
            return Err(bad(format!(
                "--log-dir {} needs --durability log or fsync",
                directory.display()
            )));
        }
        (durability, None) => {
            return Err(bad(format!(
                "--durability {} needs --log-dir: where the log shall be",
                durability.name()
            )));
        }
        (Durability::Log, Some(_)) => log::Durability::Log,
        (Durability::Fsync, Some(_)) => log::Durability::Fsync,
    };
    if let Some(file) = &args.ack_file {
        check_writable(file).map_err(PlanError::Output)?;
    }
    let directory = args.log_dir.as_ref().expect("it is given");
    Ok(Some(LogConfig {
        must_exist: false,
        only_closes: false,
        directory: directory.join(LOG),
        durability,
        run,
        acknowledgements: args.ack_file.clone(),
        beside: None,
        held,
    }))
}
