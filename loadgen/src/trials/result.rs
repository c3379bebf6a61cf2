//! Where the result of many runs goes: to standard output, a file, or both.

use std::path::PathBuf;

use clap::Args;
use duet_experiment::Failure;
use duet_terminal::exit::Exit;
use duet_terminal::output::{check_writable, write_text};
use duet_terminal::paths::Paths;
use duet_terminal::say::{complain, print};

/// The options.
#[derive(Args, Clone, Debug)]
pub struct ResultArgs {
    /// Write the result here (JSON)
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// No progress and no table
    #[arg(long)]
    pub quiet: bool,
}

impl ResultArgs {
    /// That the file can be written, and is none of the others that a command names.
    ///
    /// # Errors
    /// Bad input that names it.
    pub(super) fn check<'p>(
        &'p self,
        others: impl FnOnce(Paths<'p>) -> Paths<'p>,
    ) -> Result<(), Failure> {
        let paths = others(Paths::default().writes("--out", self.out.as_deref()));
        paths.check().map_err(Failure::bad_input)?;
        Ok(self.out.as_deref().map_or(Ok(()), check_writable)?)
    }

    /// Tells a result. Gives the exit code: this one, unless it cannot be told.
    pub(super) fn tell(
        &self,
        json: impl FnOnce() -> String,
        table: impl FnOnce() -> String,
        exit: Exit,
    ) -> Exit {
        let json = match self.json || self.out.is_some() {
            true => json(),
            false => String::new(),
        };
        if let Some(Err(error)) = self.out.as_ref().map(|out| write_text(out, &json)) {
            complain(error);
            return Exit::MachineFault;
        }
        let printed = match (self.json, self.quiet) {
            (true, _) => print(&json),
            (false, true) => Ok(()),
            (false, false) => print(&table()),
        };
        printed.err().unwrap_or(exit)
    }
}

/// A result as JSON, for people too.
pub(super) fn pretty(result: &impl serde::Serialize) -> String {
    let mut json = serde_json::to_string_pretty(result).expect("it is made of names and numbers");
    json.push('\n');
    json
}
