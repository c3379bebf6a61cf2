//! The disk's use stays proportional to what lives, however long the log is written.

use duet_engine::log::disk::{Crash, SimulatedDisk};
use duet_engine::log::{Batch, Log, Options, Recovered};

use crate::owner::options;
use crate::rng::Rng;

const SEGMENT_BYTES: u64 = 64 * 1024;
const RECORD_BYTES: usize = 400;

/// Writes so many batches of keys that `pick` names; the most bytes that the disk held after the
/// first tenth, over what lived then.
fn largest_spread(keys: u32, batches: u64, pick: impl Fn(&mut Rng) -> u32) -> f64 {
    let disk = SimulatedDisk::new(3);
    let options = Options {
        segment_bytes: SEGMENT_BYTES,
        ..options()
    };
    let recovered = Log::open(disk.clone(), options.clone()).and_then(|log| log.recover(0));
    let (mut index, mut committer) = recovered.and_then(Recovered::resume).expect("a new log");
    let mut batch = Batch::new();
    let mut rng = Rng(5);
    let mut newest = vec![0; keys as usize];
    let mut refresh = Vec::new();
    let mut largest: f64 = 0.0;
    let mut refreshed = 0;
    for number in 0..batches {
        batch.clear();
        for _ in 0..32 {
            let key = match number {
                0 => continue,
                _ => pick(&mut rng),
            };
            newest[key as usize] = number;
            index.put(&mut batch, key, &[number as u8; RECORD_BYTES]);
        }
        if number == 0 {
            for key in 0..keys {
                index.put(&mut batch, key, &[0; RECORD_BYTES]);
            }
        }
        refresh.clear();
        index.to_refresh(batch.len().max(16), &mut refresh);
        refreshed += refresh.len();
        for &key in &refresh {
            index.put(&mut batch, key, &[newest[key as usize] as u8; RECORD_BYTES]);
        }
        index.seal(&mut batch);
        committer.commit(&mut batch).expect("a disk in order");
        committer.tidy(&batch).expect("a disk in order");
        if number > batches / 10 {
            let allowed = 6 * index.live_bytes() + 8 * SEGMENT_BYTES;
            assert!(disk.bytes() <= allowed, "{} of {allowed}", disk.bytes());
            largest = largest.max(disk.bytes() as f64 / index.live_bytes() as f64);
        }
    }
    let statistics = committer.statistics();
    println!(
        "{keys} keys: at most {largest:.2} times what lives; {refreshed} records refreshed of {}",
        statistics.records
    );
    assert!(statistics.segments_freed + 20 > statistics.segments_opened / 2);
    // All of it is there, at its newest.
    let disk = disk.after(Crash::Power);
    let mut recovered = Log::open(disk, options)
        .and_then(|log| log.recover(0))
        .expect("nothing went wrong");
    let mut count = 0;
    recovered
        .for_each(|key, _, record| {
            assert_eq!(record, [newest[key as usize] as u8; RECORD_BYTES]);
            count += 1;
        })
        .expect("as it was read");
    assert_eq!(count, keys);
    largest
}

#[test]
fn the_disk_s_use_stays_a_small_multiple_of_what_lives() {
    let uniform = largest_spread(2000, 1500, |rng| rng.below(2000) as u32);
    let skewed = largest_spread(2000, 1500, |rng| rng.below(2000).min(rng.below(40)) as u32);
    let hot = largest_spread(2000, 1500, |rng| rng.below(3) as u32);
    for spread in [uniform, skewed, hot] {
        // The few segments that are allowed beside are most of one times what lives.
        assert!(spread < 7.0, "{spread}");
    }
}
