//! The unsettled deliveries of a link that is attached again [2.6.13].
//!
//! A link that is attached again without its state does not resume deliveries: its attach names none, so the receiver does not wait for those that
//! this end has sent. The application gets the end of each: the outcome in the receiver's unsettled map, or
//! its loss. Received deliveries can still get an outcome, since their session continues.

use alloc::vec::Vec;

use bytes::Bytes;

use super::LinkEnd;
use crate::machine::delivery::forget;
use crate::machine::endpoints::Endpoints;
use crate::machine::event::Event;
use crate::machine::recovery::read_state;
use crate::types::{DeliveryKey, DeliveryTag, LinkIx, Map, Value};
use crate::wire::DeliveryState;

impl Endpoints {
    /// Ends the deliveries that this end had sent before a link was attached again; `theirs` is the
    /// receiver's unsettled map [2.7.3].
    pub(super) fn end_deliveries(&mut self, index: LinkIx, theirs: Option<&Map>) {
        let is_sender = self.links.at(index).is_some_and(|link| matches!(link.end, LinkEnd::Sender(_)));
        if !is_sender {
            return;
        }
        let left: Vec<DeliveryKey> = self.unsettled(index).collect();
        for delivery in left {
            self.end_delivery_of(index, delivery, theirs);
        }
        if let Some(session) = self.links.at(index).map(|link| link.session.index) {
            self.look_settled(session);
        }
    }

    fn end_delivery_of(&mut self, index: LinkIx, key: DeliveryKey, theirs: Option<&Map>) {
        let Some(record) = self.record(key) else { return };
        let (known, tag) = (record.remote(), DeliveryTag::from(&record.tag));
        let told = theirs.and_then(|map| map.get_value(&Value::Binary(Bytes::copy_from_slice(&tag))));
        let told = told.and_then(|state| read_state(state, &self.limits));
        let Some(link) = self.links.at(index) else { return };
        let public = link.public_key();
        let Some(session) = self.sessions.get_mut(key.session) else { return };
        forget(link, &mut session.sent, key.number());
        let state = told.or(known);
        self.fx.tell(match state.as_ref().is_some_and(DeliveryState::is_terminal) {
            true => Event::Updated { link: public, delivery: key, state, settled: true },
            false => Event::Lost { link: public, delivery: key, state },
        });
    }
}
