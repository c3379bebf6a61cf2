//! `audit.toml`: which run the log is of, and, once the run has ended, what it must add up to.
//! Never half-written: replaced by a rename.

use std::fmt::Write as _;
use std::io::Write as _;

use super::TranscriptError;
use super::segment::Ended;
use duet_base::folder::Folder;
use duet_channels::crypto::Digest;

const NAME: &str = "audit.toml";
const PART: &str = "audit.toml.part";
const CONTEXT: &str = "duet 2026-11 audit manifest";

/// What is known when the run starts.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) genesis: Digest,
    pub(crate) shards: u32,
    pub(crate) sessions: u64,
    pub(crate) cosign_every: u32,
    pub(crate) in_flight: u32,
    /// Who decides about blocks: how many, and what tells their keys from others.
    pub(crate) validators: Option<(u16, Digest)>,
}

/// What is known when it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Finish {
    pub(crate) tip: Digest,
    pub(crate) height: u64,
    pub(crate) l1_transactions: u64,
    pub(crate) sessions_opened: u64,
    pub(crate) sessions_closed: u64,
    pub(crate) payments: u64,
}

/// Writes the manifest of a run that runs, or of one that has ended.
pub(super) fn write(
    folder: &Folder,
    start: &Start,
    end: Option<(&Finish, &[Ended])>,
) -> Result<(), TranscriptError> {
    let (path, part) = (folder.path(NAME), folder.path(PART));
    let failed = TranscriptError::of(&path);
    // Nothing that somebody has put there is followed or overwritten.
    let file = folder.create_new(PART);
    let mut file = file.map_err(TranscriptError::of(&part))?;
    file.write_all(text(start, end).as_bytes())
        .map_err(&failed)?;
    file.sync_all().map_err(&failed)?;
    folder.rename(PART, NAME).map_err(&failed)?;
    // The rename itself is durable once the folder is.
    folder.sync().map_err(&failed)
}

fn text(start: &Start, end: Option<(&Finish, &[Ended])>) -> String {
    let mut text = String::from("# An audit log of Duet. `loadgen audit` checks it.\n");
    let mut line = |key: &str, value: &dyn std::fmt::Display| {
        let _ = writeln!(text, "{key} = {value}");
    };
    let state = if end.is_some() { "complete" } else { "running" };
    line("format", &1);
    line("state", &format_args!("\"{state}\""));
    line("genesis", &format_args!("\"{}\"", start.genesis));
    line("shards", &start.shards);
    line("sessions", &start.sessions);
    line("cosign_every", &start.cosign_every);
    line("in_flight", &start.in_flight);
    if let Some((count, keys)) = &start.validators {
        line("validators", count);
        line("validator_keys", &format_args!("\"{keys}\""));
    }
    if let Some((finish, streams)) = end {
        line("tip", &format_args!("\"{}\"", finish.tip));
        line("height", &finish.height);
        line("l1_transactions", &finish.l1_transactions);
        line("sessions_opened", &finish.sessions_opened);
        line("sessions_closed", &finish.sessions_closed);
        line("payments", &finish.payments);
        for ended in streams {
            let name = ended.source.name();
            line(&format!("{name}.segments"), &ended.segments);
            line(
                &format!("{name}.checksum"),
                &format_args!("\"{}\"", ended.checksum),
            );
        }
    }
    let key = blake3::derive_key(CONTEXT, &[]);
    let checksum = blake3::keyed_hash(&key, text.as_bytes());
    let _ = writeln!(text, "checksum = \"{checksum}\"");
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Who can write to the folder may put a link where the next file goes: what that names stays.
    #[test]
    fn no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("audit.toml.part")).unwrap();
        let start = Start {
            genesis: Digest([1; 32]),
            shards: 1,
            sessions: 1,
            cosign_every: 1,
            in_flight: 1,
            validators: None,
        };
        let opened = Folder::open(folder.path()).unwrap();
        let error = write(&opened, &start, None).unwrap_err();
        assert!(error.path.ends_with("audit.toml.part"), "{error}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    }
}
