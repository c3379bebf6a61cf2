//! The open channels, by place and by id. A row of 80 bytes, and 6 to 12 to find it by.

use super::super::channel::Channel;
use super::accounts::AccountPlace;
use super::spare::Spare;
use duet_base::chunks::Chunks;
use duet_base::index::PlaceIndex;
use duet_channels::protocol::{ChannelId, Pair, Party};

/// An open channel's place among all: another one gets it when this one has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in super::super) struct ChannelPlace(pub(in super::super) u32);

/// An open channel, and who its parties are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct ChannelRow {
    pub(in super::super) id: ChannelId,
    pub(in super::super) parties: Pair<AccountPlace>,
    pub(in super::super) channel: Channel,
}

// A million channels: 80 MB, their index aside.
const _: () = assert!(size_of::<Option<ChannelRow>>() == 80);

impl ChannelRow {
    /// The party whose account this is.
    pub(super) fn party(&self, account: Option<AccountPlace>) -> Option<Party> {
        Party::BOTH
            .into_iter()
            .find(|party| Some(self.parties[*party]) == account)
    }
}

/// All open channels. Its memory does not shrink: places wait for the next ones.
#[derive(Clone)]
#[cfg_attr(test, derive(Debug))]
pub(in super::super) struct Channels {
    slots: Chunks<Option<ChannelRow>>,
    /// The empty slots, of which the last is filled first.
    free: Vec<u32>,
    /// More empty slots, where they are kept in order.
    spare: Spare,
    index: PlaceIndex,
    /// How many are open.
    alive: u64,
}

impl Channels {
    pub(super) fn new() -> Channels {
        Channels {
            slots: Chunks::default(),
            free: Vec::new(),
            spare: Spare::default(),
            index: PlaceIndex::default(),
            alive: 0,
        }
    }

    /// How many are open.
    pub(super) fn alive(&self) -> u64 {
        self.alive
    }

    /// How many places there are, empty ones among them.
    pub(super) fn places(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn find(&self, id: &ChannelId) -> Option<ChannelPlace> {
        let slots = &self.slots;
        let place = self.index.find(&id.0.0, |place| id_at(slots, place));
        place.map(ChannelPlace)
    }

    /// The channel at a place that was found.
    pub(super) fn row(&self, place: ChannelPlace) -> &ChannelRow {
        self.slot(place).expect("the channel is open")
    }

    /// The channel at a place, if there is one.
    pub(super) fn slot(&self, place: ChannelPlace) -> Option<&ChannelRow> {
        self.slots[place.0 as usize].as_ref()
    }

    pub(super) fn channel_mut(&mut self, place: ChannelPlace) -> &mut Channel {
        let slot = self.slots[place.0 as usize].as_mut();
        &mut slot.expect("the channel is open").channel
    }

    /// Every open channel with its place, in the order of places.
    pub(super) fn rows(&self) -> impl Iterator<Item = (ChannelPlace, &ChannelRow)> {
        let slots = (0..).map(ChannelPlace).zip(self.slots.iter());
        slots.filter_map(|(place, slot)| slot.as_ref().map(|row| (place, row)))
    }

    /// Adds a channel, whose id must be new.
    pub(super) fn insert(&mut self, row: ChannelRow) -> ChannelPlace {
        assert!(
            self.find(&row.id).is_none(),
            "a channel's id is unique for ever"
        );
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place as usize] = Some(row);
                place
            }
            None => self.slots.push(Some(row)),
        };
        let slots = &self.slots;
        self.index.insert(place, |place| id_at(slots, place));
        self.alive += 1;
        ChannelPlace(place)
    }

    /// Appends a place as it was, empty or with a channel whose id is new.
    pub(super) fn push(&mut self, slot: Option<ChannelRow>) {
        let open = slot.is_some();
        self.alive += u64::from(open);
        let place = self.slots.push(slot);
        if open {
            let slots = &self.slots;
            self.index.insert(place, |place| id_at(slots, place));
        } else {
            self.free.push(place);
        }
    }

    /// Has the next channels, at most so many, come to the lowest empty places. Which these are
    /// follows from the channels that are open, and not from when the others ended.
    pub(super) fn put_lowest_first(&mut self, most: usize) {
        for place in self.free.drain(..) {
            self.spare.put(place);
        }
        self.spare.take_lowest(most, &mut self.free);
    }

    /// Removes an open channel.
    pub(super) fn remove(&mut self, place: ChannelPlace) -> ChannelRow {
        let slots = &self.slots;
        let id = self.row(place).id;
        let found = self.index.remove(&id.0.0, |place| id_at(slots, place));
        assert_eq!(found, Some(place.0), "a channel's id leads to it");
        self.free.push(place.0);
        self.alive -= 1;
        let row = self.slots[place.0 as usize].take();
        row.expect("the channel is open")
    }
}

fn id_at(slots: &Chunks<Option<ChannelRow>>, place: u32) -> &[u8; 32] {
    let row = slots[place as usize].as_ref();
    &row.expect("the index knows open channels").id.0.0
}
