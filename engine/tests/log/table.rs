//! Each kind of damage, above and below the floor, and what comes of it.

use duet_engine::log::disk::{Crash, Disk, SimulatedDisk};
use duet_engine::log::{Batch, Log, LogError, Options, Recovered, RunId};

use crate::owner::options;

const FLOOR: &str = "shard-0.floor";
const FIRST: &str = "shard-0-00000001.seg";
const SECOND: &str = "shard-0-00000002.seg";

/// Six batches of one record each: four in the first segment, from offset 4096 on, two in the
/// second. The floor's second slot is the newer one. Each takes 4096 bytes; its body starts 200
/// bytes in, its record's content 212.
///
/// As if power had failed when everything up to batch `floor` was acknowledged.
fn six_batches(floor: u64) -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let recovered = Log::open(disk.clone(), options()).and_then(|log| log.recover(0));
    let (mut index, mut committer) = recovered.and_then(Recovered::resume).expect("a new log");
    let mut batch = Batch::new();
    let mut floors = vec![disk.contents(FLOOR).expect("made at the start")];
    for number in 1..=6 {
        batch.clear();
        index.put(&mut batch, number, &[number as u8; 100]);
        index.seal(&mut batch);
        committer.commit(&mut batch).expect("a disk in order");
        committer.tidy(&batch).expect("a disk in order");
        floors.push(disk.contents(FLOOR).expect("still there"));
    }
    let disk = disk.after(Crash::Process);
    disk.edit(FLOOR, |bytes| bytes.clone_from(&floors[floor as usize]));
    disk
}

/// What an opening says, in words. A refusal writes nothing.
fn opened(disk: &SimulatedDisk) -> String {
    let before = disk.all();
    let found = Log::open(disk.clone(), options()).and_then(|log| log.recover(0));
    assert_eq!(disk.all(), before, "reading writes nothing");
    let mut recovered = match found {
        Ok(recovered) => recovered,
        Err(error) => return format!("refused: {error}"),
    };
    let mut keys = Vec::new();
    let visited = recovered.for_each(|key, sequence, record| {
        assert_eq!((u64::from(key), record), (sequence, &[key as u8; 100][..]));
        keys.push(key);
    });
    visited.expect("as it was read");
    let cut = match recovered.cut() {
        None => String::new(),
        Some(cut) => format!(
            ", cut batch {} in segment {} at {}: {}",
            cut.sequence, cut.segment, cut.offset, cut.damage
        ),
    };
    assert_eq!(keys, Vec::from_iter(1..=recovered.sequence() as u32));
    format!("recovered {}{cut}", recovered.sequence())
}

fn zero(disk: &SimulatedDisk, name: &str, from: usize, bytes: usize) {
    disk.edit(name, |file| file[from..from + bytes].fill(0));
}

/// Copies a batch's block over another one's.
fn copy(disk: &SimulatedDisk, name: &str, from: usize, to: usize) {
    disk.edit(name, |file| file.copy_within(from..from + 4096, to));
}

#[test]
fn damage_above_the_floor_is_cut_and_below_it_refused() {
    type Row = (&'static str, u64, fn(&SimulatedDisk), &'static str);
    let rows: &[Row] = &[
        ("nothing wrong", 6, |_| {}, "recovered 6"),
        ("durable, not yet acknowledged", 5, |_| {}, "recovered 6"),
        (
            "the last batch was never written, above the floor",
            5,
            |d| zero(d, SECOND, 8192, 4096),
            "recovered 5",
        ),
        (
            "the last batch was never written, below the floor",
            6,
            |d| zero(d, SECOND, 8192, 4096),
            "refused: shard-0-00000002.seg at offset 8192: batch 6 is corrupt, and everything up to \
             batch 6 was acknowledged: nothing of the right kind is there",
        ),
        (
            "half of the header's sector is there, above the floor",
            5,
            |d| zero(d, SECOND, 8192 + 100, 4096 - 100),
            "recovered 5, cut batch 6 in segment 2 at 8192: the header's hash is wrong",
        ),
        (
            "a flipped bit in a record, above the floor",
            5,
            |d| d.flip(SECOND, 8192 + 250, 1),
            "recovered 5, cut batch 6 in segment 2 at 8192: the body's hash is wrong, first seen in \
             the record at offset 8392",
        ),
        (
            "a flipped bit in a record, below the floor",
            6,
            |d| d.flip(SECOND, 8192 + 250, 1),
            "refused: shard-0-00000002.seg at offset 8192: batch 6 is corrupt, and everything up to \
             batch 6 was acknowledged: the body's hash is wrong, first seen in the record at offset 8392",
        ),
        (
            "a flipped bit in an old batch",
            6,
            |d| d.flip(FIRST, 8192 + 250, 0x80),
            "refused: shard-0-00000001.seg at offset 8192: batch 2 is corrupt, and everything up to \
             batch 6 was acknowledged: the body's hash is wrong, first seen in the record at offset 8392",
        ),
        (
            "a flipped bit in an old batch's header",
            6,
            |d| d.flip(FIRST, 12288 + 90, 1),
            "refused: shard-0-00000001.seg at offset 12288: batch 3 is corrupt, and everything up to \
             batch 6 was acknowledged: the header's hash is wrong",
        ),
        (
            "a bad batch before one that knows it as acknowledged",
            4,
            |d| d.flip(SECOND, 4096 + 250, 1),
            "refused: shard-0-00000002.seg at offset 4096: batch 5 is corrupt, and everything up to \
             batch 5 was acknowledged: the body's hash is wrong, first seen in the record at offset 4296",
        ),
        (
            "a bad batch before a segment that was opened after it",
            3,
            |d| d.flip(FIRST, 16384 + 250, 1),
            "refused: shard-0-00000001.seg at offset 16384: batch 4 is corrupt, and everything up to \
             batch 4 was acknowledged: the body's hash is wrong, first seen in the record at offset 16584",
        ),
        (
            "two bad batches above the floor",
            4,
            |d| {
                d.flip(SECOND, 4096 + 250, 1);
                d.flip(SECOND, 8192, 1);
            },
            "recovered 4, cut batch 5 in segment 2 at 4096: the body's hash is wrong, first seen in \
             the record at offset 4296",
        ),
        (
            "a batch written over another one",
            6,
            |d| copy(d, FIRST, 4096, 8192),
            "refused: shard-0-00000001.seg at offset 8192: batch 2 is corrupt, and everything up to \
             batch 6 was acknowledged: it was written for segment 1, offset 4096",
        ),
        (
            "a batch written to a later place",
            6,
            |d| {
                copy(d, SECOND, 8192, 12288);
                zero(d, SECOND, 8192, 4096);
            },
            "refused: shard-0-00000002.seg at offset 8192: batch 6 is corrupt, and everything up to \
             batch 6 was acknowledged: nothing of the right kind is there",
        ),
        (
            "a batch of another segment",
            6,
            |d| {
                let first = d.contents(FIRST).expect("there");
                d.edit(SECOND, |file| {
                    file[4096..8192].copy_from_slice(&first[4096..8192]);
                });
            },
            "refused: shard-0-00000002.seg at offset 4096: batch 5 is corrupt, and everything up to \
             batch 6 was acknowledged: it was written for segment 1, offset 4096",
        ),
        (
            "the older slot of the floor is bad",
            6,
            |d| d.flip(FLOOR, 100, 1),
            "recovered 6",
        ),
        (
            "the newer slot of the floor is bad",
            6,
            |d| d.flip(FLOOR, 4096 + 100, 1),
            "recovered 6",
        ),
        (
            "the newest slot of the floor was written over the newest batch",
            6,
            |d| {
                let floor = d.contents(FLOOR).expect("there");
                d.edit(SECOND, |file| {
                    file[8192..12288].copy_from_slice(&floor[4096..]);
                });
                zero(d, FLOOR, 4096, 4096);
            },
            "refused: shard-0-00000002.seg at offset 8192: batch 6 is corrupt, and everything up to \
             batch 6 was acknowledged: nothing of the right kind is there",
        ),
        (
            "the same slot, beyond the length that the segment had",
            6,
            |d| {
                let floor = d.contents(FLOOR).expect("there");
                d.edit(SECOND, |file| {
                    file[8192..12288].fill(0);
                    file.extend(&floor[4096..]);
                });
                zero(d, FLOOR, 4096, 4096);
            },
            "recovered 5",
        ),
        (
            "both slots of the floor are bad",
            6,
            |d| {
                d.flip(FLOOR, 100, 1);
                d.flip(FLOOR, 4096 + 100, 1);
            },
            "refused: the header of shard-0.floor: both slots are damaged",
        ),
        (
            "the floor is truncated",
            6,
            |d| d.edit(FLOOR, |file| file.truncate(5000)),
            "refused: the header of shard-0.floor: the file has 5000 bytes, 8192 are needed",
        ),
        (
            "the floor is missing",
            6,
            |d| d.remove(FLOOR).expect("there"),
            "refused: shard-0.floor is missing, which log.meta needs",
        ),
        (
            "the first segment is missing",
            6,
            |d| d.remove(FIRST).expect("there"),
            "refused: shard-0-00000001.seg is missing, which shard-0.floor needs",
        ),
        (
            "the last segment is missing",
            6,
            |d| d.remove(SECOND).expect("there"),
            "refused: shard-0-00000002.seg is missing, which shard-0.floor needs",
        ),
        (
            "a segment's header is truncated",
            6,
            |d| d.edit(SECOND, |file| file.truncate(100)),
            "refused: the header of shard-0-00000002.seg: the file has 100 bytes, 152 are needed",
        ),
        (
            "a segment's header is bad",
            6,
            |d| d.flip(FIRST, 70, 1),
            "refused: the header of shard-0-00000001.seg: the header's hash is wrong",
        ),
        (
            "a segment ends within an acknowledged batch",
            6,
            |d| d.edit(SECOND, |file| file.truncate(8192 + 300)),
            "refused: shard-0-00000002.seg at offset 8192: batch 6 is corrupt, and everything up to \
             batch 6 was acknowledged: the file has 8492 bytes, 8504 are needed",
        ),
        (
            "a segment ends within a batch above the floor",
            5,
            |d| d.edit(SECOND, |file| file.truncate(8192 + 300)),
            "recovered 5, cut batch 6 in segment 2 at 8192: the file has 8492 bytes, 8504 are needed",
        ),
        (
            "a segment in another one's place",
            6,
            |d| d.rename(FIRST, SECOND).expect("there"),
            "refused: shard-0-00000001.seg is missing, which shard-0.floor needs",
        ),
        (
            "two segments swapped",
            6,
            |d| {
                d.rename(FIRST, "aside").expect("there");
                d.rename(SECOND, FIRST).expect("there");
                d.rename("aside", SECOND).expect("there");
            },
            "refused: the header of shard-0-00000001.seg: it was written for segment 2, offset 0",
        ),
        (
            "a segment of another format version",
            6,
            |d| d.edit(SECOND, |file| file[8] = 7),
            "refused: shard-0-00000002.seg is of format version 7, this build reads version 1",
        ),
        (
            "a header of another format version",
            6,
            |d| d.edit("log.meta", |file| file[8] = 2),
            "refused: log.meta is of format version 2, this build reads version 1",
        ),
        (
            "a truncated header",
            6,
            |d| d.edit("log.meta", |file| file.truncate(40)),
            "refused: the header of log.meta: the file has 40 bytes, 96 are needed",
        ),
        (
            "a header that is truncated a little",
            6,
            |d| d.edit("log.meta", |file| file.truncate(100)),
            "refused: the header of log.meta: the header's hash is wrong",
        ),
        (
            "the header is missing",
            6,
            |d| d.remove("log.meta").expect("there"),
            "refused: shard-0-00000001.seg is in the directory, but no log's header is",
        ),
    ];
    for (what, floor, damage, expected) in rows {
        let disk = six_batches(*floor);
        damage(&disk);
        let disk = disk.after(Crash::Process);
        assert_eq!(opened(&disk), *expected, "{what}");
        if !expected.starts_with("recovered") {
            continue;
        }
        // It goes on, and what comes then is there too.
        let recovered = Log::open(disk.after(Crash::Process), options());
        let recovered = recovered.and_then(|log| log.recover(0)).expect("as before");
        let next = recovered.sequence() + 1;
        let disk = disk.after(Crash::Process);
        let (mut index, mut committer) = Log::open(disk.clone(), options())
            .and_then(|log| log.recover(0)?.resume())
            .expect("as before");
        let mut batch = Batch::new();
        index.put(&mut batch, next as u32, &[next as u8; 100]);
        assert_eq!(index.seal(&mut batch), next, "{what}");
        assert_eq!(committer.commit(&mut batch), Ok(next), "{what}");
        let after = opened(&disk.after(Crash::Power));
        assert_eq!(after, format!("recovered {next}"), "{what}");
    }
}

/// Files of another log, in the place of this one's.
#[test]
fn files_of_another_log_are_refused() {
    let (ours, other) = (six_batches(6), six_batches(6));
    for (name, expected) in [
        (
            FIRST,
            "refused: the header of shard-0-00000001.seg: it belongs to another log",
        ),
        (
            FLOOR,
            "refused: the header of shard-0.floor: it belongs to another log",
        ),
    ] {
        let disk = ours.after(Crash::Process);
        let bytes = other.contents(name).expect("there");
        disk.edit(name, |file| *file = bytes);
        assert_eq!(opened(&disk), expected);
    }
    // A batch of it, at the same place: its bytes differ by the salt alone.
    let disk = ours.after(Crash::Process);
    let bytes = other.contents(FIRST).expect("there");
    disk.edit(FIRST, |file| {
        file[8192..12288].copy_from_slice(&bytes[8192..12288]);
    });
    assert_eq!(
        opened(&disk),
        "refused: shard-0-00000001.seg at offset 8192: batch 2 is corrupt, and everything up to \
         batch 6 was acknowledged: it belongs to another log"
    );
}

#[test]
fn another_run_other_streams_and_other_keys_are_refused() {
    let open = |change: fn(&mut Options)| {
        let mut options = options();
        change(&mut options);
        Log::open(six_batches(6), options).and_then(|log| log.recover(0).map(|_| ()))
    };
    assert_eq!(open(|_| {}), Ok(()));
    assert_eq!(
        open(|options| options.run = RunId([8; 32])),
        Err(LogError::OtherRun {
            file: "log.meta".to_owned(),
            expected: RunId([8; 32]),
            found: RunId([9; 32]),
        })
    );
    assert_eq!(
        open(|options| options.streams.push("l1".to_owned())),
        Err(LogError::OtherStreams {
            file: "log.meta".to_owned(),
            expected: vec!["shard-0".to_owned(), "l1".to_owned()],
            found: vec!["shard-0".to_owned()],
        })
    );
    assert_eq!(
        open(|options| options.key_limit = 4),
        Err(LogError::KeyOutOfRange {
            file: FIRST.to_owned(),
            offset: 16384 + 200,
            key: 4,
            limit: 4,
        })
    );
    assert_eq!(open(|options| options.segment_bytes *= 2), Ok(()));
}

/// Two lives of one log, as after a backup was put back: the salt is the same, the history is not.
#[test]
fn batches_of_two_histories_do_not_mix() {
    let start = six_batches(6);
    let history = |fill: u8| {
        let disk = start.after(Crash::Process);
        let (mut index, mut committer) = Log::open(disk.clone(), options())
            .and_then(|log| log.recover(0)?.resume())
            .expect("in order");
        let mut batch = Batch::new();
        for number in [7, 8] {
            batch.clear();
            index.put(&mut batch, number, &[fill; 100]);
            index.seal(&mut batch);
            committer.commit(&mut batch).expect("a disk in order");
        }
        disk.after(Crash::Process)
    };
    let (one, other) = (history(1), history(2));
    let third = "shard-0-00000003.seg";
    let bytes = other.contents(third).expect("there");
    one.edit(third, |file| {
        file[4096..8192].copy_from_slice(&bytes[4096..8192]);
    });
    let found = Log::open(one.after(Crash::Process), options()).and_then(|log| log.recover(0));
    let shown = found.err().map(|error| error.to_string());
    assert_eq!(
        shown.as_deref(),
        Some(
            "shard-0-00000003.seg at offset 8192: batch 8 is corrupt, and everything up to batch 8 \
             was acknowledged: it does not follow the batch before it"
        )
    );
}

/// Streams of one log have the same salt and run: their files cannot stand for each other's.
#[test]
fn files_of_another_stream_are_refused() {
    let two = Options {
        streams: vec!["shard-0".to_owned(), "l1".to_owned()],
        ..options()
    };
    let disk = SimulatedDisk::new(2);
    let log = Log::open(disk.clone(), two.clone()).expect("a new log");
    for stream in 0..2 {
        let halves = log.recover(stream).and_then(Recovered::resume);
        let (mut index, mut committer) = halves.expect("new");
        let mut batch = Batch::new();
        index.put(&mut batch, 1, &[1; 100]);
        index.seal(&mut batch);
        committer.commit(&mut batch).expect("a disk in order");
    }
    let disk = disk.after(Crash::Process);
    let bytes = disk.contents("l1-00000001.seg").expect("there");
    disk.edit(FIRST, |file| *file = bytes);
    let found = Log::open(disk, two).and_then(|log| log.recover(0));
    let shown = found.err().map(|error| error.to_string());
    assert_eq!(
        shown.as_deref(),
        Some("the header of shard-0-00000001.seg: it belongs to stream number 1")
    );
}

/// A slot of the floor that rots must not leave one that asks for a segment that was freed.
#[test]
fn either_slot_of_the_floor_will_do_after_a_segment_was_freed() {
    let disk = six_batches(6);
    let (mut index, mut committer) = Log::open(disk.clone(), options())
        .and_then(|log| log.recover(0)?.resume())
        .expect("in order");
    let mut batch = Batch::new();
    for key in 1..=4 {
        index.put(&mut batch, key, b"again");
    }
    index.seal(&mut batch);
    assert_eq!(committer.commit(&mut batch), Ok(7));
    assert_eq!(committer.tidy(&batch), Ok(()));
    assert_eq!(disk.contents(FIRST), None, "freed");
    for slot in [0, 4096] {
        // A power cut could bring the file back.
        let disk = disk.after(Crash::Process);
        disk.flip(FLOOR, slot + 80, 1);
        let found = Log::open(disk, options()).and_then(|log| log.recover(0));
        assert_eq!(found.map(|recovered| recovered.sequence()), Ok(7));
    }
}
