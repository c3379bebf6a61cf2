//! What a program says: results on standard output, all else on standard error.

use std::io::{self, Write as _};
use std::path::Path;

use anstream::{AutoStream, ColorChoice};

use crate::exit::Exit;
use crate::layout::{clean, painted};

/// Prints on standard output: in colour where that is a terminal, and neither `NO_COLOR` nor
/// `TERM=dumb` asks for none. Whoever closes the pipe, such as `head`, has read enough: that is no
/// error.
///
/// # Errors
/// [`Exit::MachineFault`] if it cannot be written, which is said on standard error.
pub fn print(text: &str) -> Result<(), Exit> {
    let mut stdout = io::stdout().lock();
    // anstream asks other variables first.
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let written = match AutoStream::choice(&stdout) {
        _ if is_dumb => stdout.write_all(text.as_bytes()),
        ColorChoice::Never => stdout.write_all(text.as_bytes()),
        _ => stdout.write_all(painted(text).as_bytes()),
    };
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(format!("standard output: {error}"));
            Err(Exit::MachineFault)
        }
        _ => Ok(()),
    }
}

/// Says what went wrong, after the name of the program. Unlike `eprintln!`, does not panic when
/// standard error cannot be written.
pub fn complain(message: impl std::fmt::Display) {
    let called = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&called).file_name().unwrap_or(&called);
    say(format_args!("{}: {message}", program.display()));
}

/// What is said on standard error, as [`complain`] without its prefix. It may quote what an
/// outsider wrote: no terminal obeys it.
pub fn say(message: impl std::fmt::Display) {
    let lines: Vec<String> = message.to_string().lines().map(clean).collect();
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}
