//! Which segments must lie in an audited folder, and which may not. Reads none of them but its end.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::finding::{AuditError, Finding};
use super::folder::{is_segment, kind, no_plain_file, open};
use super::hash::{Digest, hex};
use super::manifest::{self, End};
use super::source::Source;
use super::stream::Stream;

/// The shards' segments that are still there although a checkpoint covers them, in order: of a pass
/// that deleted none, or was stopped before it had.
///
/// # Errors
/// A finding if the last one that it covers of a stream is not there, or not what the checkpoint
/// ends with: they are of another log, which nobody has audited. (They are deleted in order, so
/// that it is the last.)
pub(super) fn covered(folder: &Path, streams: &[Stream]) -> Result<Vec<(Source, u64)>, AuditError> {
    let mut covered = Vec::new();
    for entry in fs::read_dir(folder).map_err(AuditError::machine(folder))? {
        let entry = entry.map_err(AuditError::machine(folder))?;
        let name = entry.file_name();
        if let Some((Source::Shard(shard), number)) = Source::of_whole(&name.to_string_lossy())
            && let Some(stream) = streams.get(shard as usize)
            && number < stream.segment
        {
            covered.push((shard, number));
        }
    }
    covered.sort_unstable();
    for (shard, number) in &covered {
        let stream = &streams[*shard as usize];
        let last = Source::Shard(*shard).whole(stream.segment - 1);
        if number + 1 == stream.segment {
            ends_with(folder, &last, &stream.checksum)?;
        } else if covered
            .binary_search(&(*shard, stream.segment - 1))
            .is_err()
        {
            let earlier = Source::Shard(*shard).whole(*number);
            let expected = format!("a file: the checkpoint covers it, and {earlier} is there");
            return Err(Finding::of_file(last, "the segment", expected, "none"));
        }
    }
    let source = |(shard, number)| (Source::Shard(shard), number);
    Ok(covered.into_iter().map(source).collect())
}

/// Checks that a whole segment's last checksum is this one.
fn ends_with(folder: &Path, name: &str, checksum: &Digest) -> Result<(), AuditError> {
    let Some((mut file, bytes)) = open(folder, name)? else {
        return Ok(());
    };
    let mut found = [0; 32];
    let read = file
        .seek(SeekFrom::Start(bytes.saturating_sub(32)))
        .and_then(|_| file.read_exact(&mut found));
    match read {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
            Err(AuditError::machine(&folder.join(name))(error))
        }
        Ok(()) if found == *checksum => Ok(()),
        _ => {
            let expected = format!("{}, as the checkpoint says", hex(checksum));
            Err(Finding::of_file(
                name,
                "the last checksum",
                expected,
                hex(&found),
            ))
        }
    }
}

/// Refuses what is no plain file, and segments that the manifest does not know. From the segment on
/// that each stream has come to, all must be there that the manifest claims.
pub(super) fn check(folder: &Path, end: &End, streams: &[Stream]) -> Result<(), AuditError> {
    let sources = (0..).map(Source::Shard).take(streams.len());
    let first = streams.iter().map(|stream| stream.segment).chain([0]);
    let claims: Vec<_> = sources.chain([Source::L1]).zip(first).collect();
    let mut there = vec![BTreeSet::new(); claims.len()];
    for entry in fs::read_dir(folder).map_err(AuditError::machine(folder))? {
        let entry = entry.map_err(AuditError::machine(folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let of = entry.file_type().map_err(AuditError::machine(folder))?;
        if !of.is_file() {
            return Err(no_plain_file(&name, kind(of)));
        }
        if !is_segment(&name) {
            continue;
        }
        let known = Source::of_whole(&name).and_then(|(source, number)| {
            let at = match source {
                Source::Shard(shard) => Some(shard as usize).filter(|at| *at < streams.len())?,
                Source::L1 => streams.len(),
            };
            (number < end.stream(source).segments).then_some((at, number))
        });
        let Some((at, number)) = known else {
            return Err(Finding::of_file(
                name,
                "the file",
                "none of this name",
                "one",
            ));
        };
        there[at].insert(number);
    }
    for ((source, first), there) in claims.into_iter().zip(&there) {
        let claimed = end.stream(source).segments;
        // Ends at the first that is missing, however many are claimed.
        let missing = (first..claimed).find(|number| !there.contains(number));
        if let Some(missing) = missing {
            let name = source.whole(missing);
            let expected = format!("a file: {} claims {claimed} segments", manifest::NAME);
            return Err(Finding::of_file(name, "the segment", expected, "none"));
        }
    }
    Ok(())
}
