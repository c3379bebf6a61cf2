//! The streams of an audit log, and how their files are named.

/// Which stream: a shard's, or Layer 1's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Shard(u32),
    L1,
}

impl Source {
    pub(super) fn number(self) -> u32 {
        match self {
            Source::Shard(shard) => shard,
            Source::L1 => u32::MAX,
        }
    }

    /// How its files' names begin.
    pub(super) fn name(self) -> String {
        match self {
            Source::Shard(shard) => format!("shard-{shard}"),
            Source::L1 => "l1".to_owned(),
        }
    }

    /// The stream and the number of a whole segment's name; `None` if no segment has that name.
    pub(super) fn of_whole(name: &str) -> Option<(Source, u64)> {
        let (stream, number) = name.strip_suffix(".audit")?.rsplit_once('-')?;
        let source = match stream.strip_prefix("shard-") {
            Some(shard) => Source::Shard(shard.parse().ok()?),
            None => Source::L1,
        };
        let number = number.parse().ok()?;
        (source.whole(number) == name).then_some((source, number))
    }

    /// The name of a segment that is whole.
    pub(super) fn whole(self, number: u64) -> String {
        format!("{}-{number:06}.audit", self.name())
    }

    /// The name of a segment that is being written.
    pub(super) fn part(self, number: u64) -> String {
        format!("{}-{number:06}.part", self.name())
    }
}
