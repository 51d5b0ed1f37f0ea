//! [`Deliveries`]: the deliveries of a connection, and those of them that are not settled.

use std::collections::{BTreeMap, HashMap};

use amqp_proto::types::DeliveryTag;
use amqp_proto::wire::{DeliveryState, Disposition, Role, Transfer};

use super::label::state_label;
use super::step::Side;

/// A delivery.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) link: usize,
    pub(crate) from: Side,
    pub(crate) id: u32,
    pub(crate) tag: DeliveryTag,
    /// The steps of its transfers and dispositions.
    pub(crate) steps: Vec<usize>,
    /// The number of transfers, and the octets in them.
    pub(crate) transfers: u32,
    pub(crate) octets: u64,
    /// The step of the last transfer, once it came.
    pub(crate) complete: Option<usize>,
    pub(crate) is_aborted: bool,
    /// The state that the receiver told, and whether it is an outcome.
    pub(crate) state: Option<String>,
    /// The step in which the receiver told an outcome.
    pub(crate) decided: Option<usize>,
    /// The step in which one end settled it.
    pub(crate) settled: Option<usize>,
    /// True if the link or session ended before it was settled.
    pub(crate) is_left: bool,
}

/// The deliveries of a connection.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    all: Vec<Delivery>,
    /// The unsettled deliveries of each session and sending end, by id.
    unsettled: HashMap<(usize, Side), BTreeMap<u32, usize>>,
}

impl Deliveries {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.all.iter()
    }

    /// Returns the number of deliveries from this end that are not settled.
    pub(crate) fn unsettled(&self, session: usize, from: Side) -> usize {
        self.unsettled.get(&(session, from)).map_or(0, BTreeMap::len)
    }

    /// Returns the number of deliveries from this end that are not settled, on all sessions.
    pub(crate) fn unsettled_from(&self, from: Side) -> usize {
        self.unsettled.iter().filter(|((_, side), _)| *side == from).map(|(_, ids)| ids.len()).sum()
    }

    /// Takes a transfer. Returns the delivery if it is not complete.
    pub(crate) fn transfer(
        &mut self,
        step: usize,
        (session, link, from): (usize, usize, Side),
        (transfer, octets): (&Transfer, usize),
        current: Option<usize>,
    ) -> Option<usize> {
        let at = match current {
            Some(at) => at,
            None => self.begin(step, (session, link, from), transfer),
        };
        let delivery = self.all.get_mut(at)?;
        delivery.steps.push(step);
        delivery.transfers += 1;
        delivery.octets += octets as u64;
        delivery.is_aborted |= transfer.aborted;
        if transfer.settled == Some(true) || transfer.aborted {
            delivery.settled.get_or_insert(step);
            let id = delivery.id;
            self.remove(session, from, id);
        }
        if transfer.more && !transfer.aborted {
            return Some(at);
        }
        if let Some(delivery) = self.all.get_mut(at) {
            delivery.complete = Some(step);
        }
        None
    }

    fn begin(
        &mut self,
        step: usize,
        (session, link, from): (usize, usize, Side),
        transfer: &Transfer,
    ) -> usize {
        let at = self.all.len();
        let id = transfer.delivery_id.map(|id| id.get());
        self.all.push(Delivery {
            link,
            from,
            id: id.unwrap_or_default(),
            tag: transfer.delivery_tag.unwrap_or_default(),
            steps: Vec::new(),
            transfers: 0,
            octets: 0,
            complete: None,
            is_aborted: false,
            state: None,
            decided: None,
            settled: transfer.settled.filter(|settled| *settled).map(|_| step),
            is_left: false,
        });
        if let Some(id) = id.filter(|_| transfer.settled != Some(true)) {
            self.unsettled.entry((session, from)).or_default().insert(id, at);
        }
        at
    }

    /// Takes a disposition. Returns the link of its deliveries, if they are all on one.
    pub(crate) fn dispose(
        &mut self,
        step: usize,
        session: usize,
        from: Side,
        disposition: &Disposition,
    ) -> Option<usize> {
        let sender = if disposition.role == Role::Sender { from } else { from.other() };
        let unsettled = self.unsettled.get(&(session, sender))?;
        let first = disposition.first.get();
        let count = disposition.last.map_or(0, |last| last.get().wrapping_sub(first));
        let found: Vec<(u32, usize)> = if (count as usize) < unsettled.len() {
            let ids = (0..=count).map(|ahead| first.wrapping_add(ahead));
            ids.filter_map(|id| Some((id, *unsettled.get(&id)?))).collect()
        } else {
            let is_in = |id: &u32| id.wrapping_sub(first) <= count;
            unsettled.iter().filter(|(id, _)| is_in(id)).map(|(id, at)| (*id, *at)).collect()
        };
        let mut links = Vec::new();
        for (id, at) in found {
            if let Some(delivery) = self.all.get_mut(at) {
                delivery.dispose(step, from, disposition);
                links.push(delivery.link);
            }
            if disposition.settled {
                self.remove(session, sender, id);
            }
        }
        links.first().copied().filter(|first| links.iter().all(|link| link == first))
    }

    /// Lets go of the unsettled deliveries that `is_over` selects. Returns their number.
    pub(crate) fn leave(&mut self, is_over: impl Fn(&Delivery) -> bool) -> usize {
        let all = &mut self.all;
        let mut count = 0;
        for unsettled in self.unsettled.values_mut() {
            unsettled.retain(|_, at| match all.get_mut(*at) {
                Some(delivery) if is_over(delivery) => {
                    delivery.is_left = true;
                    count += 1;
                    false
                }
                _ => true,
            });
        }
        count
    }

    fn remove(&mut self, session: usize, from: Side, id: u32) {
        if let Some(unsettled) = self.unsettled.get_mut(&(session, from)) {
            unsettled.remove(&id);
        }
    }
}

impl Delivery {
    fn dispose(&mut self, step: usize, from: Side, disposition: &Disposition) {
        self.steps.push(step);
        if let Some(state) = disposition.state.as_ref().filter(|_| from != self.from) {
            self.state = Some(state_label(state));
            let is_outcome = match state {
                DeliveryState::Transactional(state) => state.outcome.is_some(),
                state => state.is_terminal(),
            };
            if is_outcome {
                self.decided.get_or_insert(step);
            }
        }
        if disposition.settled {
            self.settled.get_or_insert(step);
        }
    }
}
