//! Links that break and carry in order until then, and parties that crash and come back.

use duet_engine::protocol::{Party, Status};

use super::super::keys::Who;
use super::super::model::Objection;
use super::super::plan::BLOCK_TICKS;
use super::words::words;
use super::{Event, Link, World};

impl World<'_> {
    pub(super) fn send(
        &mut self,
        who: Who,
        channel: usize,
        me: Party,
        bytes: Vec<u8>,
    ) -> Result<(), Objection> {
        let (ground, keys) = (&self.ground, &mut *self.keys);
        self.model.sends(channel, me, &bytes, ground, keys)?;
        let messages = match &mut self.nodes[who].rogue {
            None => vec![bytes],
            Some(rogue) => {
                let at = (channel, who, self.now);
                rogue.distorts(at, bytes, ground, keys, &mut self.rng)
            }
        };
        for bytes in messages {
            self.tell(2, channel as u64, &bytes, || {
                format!("{who} sends in {channel}: {}", words(&bytes))
            });
            let breaks = self.ground.plan.breaks;
            if breaks > 0 && self.faulty() && self.rng.once_in(breaks) {
                self.break_link(channel);
            }
            let link = &mut self.links[channel];
            if !link.up {
                continue;
            }
            let to = me.other();
            let latency = self.rng.within(1, self.ground.plan.latency);
            let arrives = (self.now + latency).max(link.last[to as usize]);
            link.last[to as usize] = arrives;
            let epoch = link.epoch;
            let event = Event::Deliver {
                channel,
                to,
                epoch,
                bytes,
            };
            self.at(arrives, event);
        }
        Ok(())
    }

    pub(super) fn deliver(
        &mut self,
        channel: usize,
        to: Party,
        epoch: u32,
        bytes: &[u8],
    ) -> Result<(), Objection> {
        let who = self.ground.who(channel, to);
        let link = &self.links[channel];
        if !link.up || link.epoch != epoch || !self.nodes[who].up {
            return Ok(());
        }
        self.tell(3, channel as u64, &[to as u8], || {
            format!("{who} receives in {channel}: {}", words(bytes))
        });
        self.model.hears(channel, to, bytes);
        if let Some(rogue) = &mut self.nodes[who].rogue {
            rogue.hears(channel, to, bytes, &self.ground, self.keys);
        }
        let mut read = Ok(());
        self.step(who, |node, step| read = node.deliver(channel, bytes, step))?;
        if let Err(rejection) = read {
            self.tell(4, channel as u64, rejection.name().as_bytes(), || {
                format!("{who} refuses in {channel}: {rejection}")
            });
            let end = self.nodes[who].side(channel).end.as_ref();
            let closing = end.is_some_and(|end| matches!(end.status(), Status::Closing { .. }));
            self.model.refuses(channel, to, rejection, closing)?;
        }
        Ok(())
    }

    pub(super) fn break_link(&mut self, channel: usize) {
        let link = &mut self.links[channel];
        if !link.up {
            return;
        }
        *link = Link {
            up: false,
            epoch: link.epoch + 1,
            last: [0; 2],
        };
        self.summary.breaks += 1;
        self.tell(5, channel as u64, &[], || format!("link {channel} breaks"));
        let again = self.now + self.rng.within(1, 15);
        self.at(again, Event::Reconnect(channel));
    }

    /// Works again as soon as both parties are there.
    pub(super) fn reconnect(&mut self, channel: usize) -> Result<(), Objection> {
        let parties = self.ground.plan.channels[channel].parties;
        if self.links[channel].up || parties.iter().any(|who| !self.nodes[*who].up) {
            return Ok(());
        }
        self.links[channel].up = true;
        self.tell(6, channel as u64, &[], || format!("link {channel} works"));
        for who in parties {
            self.step(who, |node, step| node.resume(channel, step))?;
        }
        Ok(())
    }

    // Crashes.

    pub(super) fn crashes(&mut self, who: Who) -> bool {
        let plan = &self.ground.plan;
        let may = plan.crashes > 0
            && plan.honest(who)
            && self.now < plan.faults_until
            && self.now >= self.may_crash_from[who];
        if !may || !self.rng.once_in(plan.crashes) {
            return false;
        }
        // Back before the block after those that it may miss is sealed.
        let to_block = BLOCK_TICKS - self.now % BLOCK_TICKS;
        let mut most = to_block - 1 + plan.down_blocks * BLOCK_TICKS;
        if plan.relies_on_tower[who] && self.rng.once_in(2) {
            most += (plan.window_blocks + 3) * BLOCK_TICKS;
        }
        let back = self.now + self.rng.within(most / 2, most);
        let calm = (plan.window_blocks + 2) * BLOCK_TICKS;
        self.may_crash_from[who] = back + calm;
        self.summary.crashes += 1;
        self.tell(7, who as u64, &[], || {
            format!("{who} crashes, back at {back}")
        });
        self.nodes[who].crash();
        let sides = self.nodes[who].sides.iter().map(|side| side.channel);
        for channel in sides.collect::<Vec<_>>() {
            self.break_link(channel);
        }
        self.at(back, Event::Restart(who));
        true
    }

    pub(super) fn restart(&mut self, who: Who) -> Result<(), Objection> {
        self.tell(8, who as u64, &[], || format!("{who} restarts"));
        self.nodes[who].up = true;
        let chain = &self.chain;
        let quiet: Vec<bool> = (self.ground.ids.iter())
            .map(|id| {
                chain
                    .channel(id)
                    .is_some_and(|record| record.dispute().is_none())
            })
            .collect();
        self.step(who, |node, step| node.restart(&quiet, step))?;
        self.look(who, true)?;
        let sides = self.nodes[who].sides.iter().map(|side| side.channel);
        for channel in sides.collect::<Vec<_>>() {
            let again = self.now + self.rng.within(1, 8);
            self.at(again, Event::Reconnect(channel));
        }
        Ok(())
    }
}
