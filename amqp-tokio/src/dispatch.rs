//! Looking at events, in turns: who else wants the lock, or the thread, gets it in between.

use amqp_proto::Event;
use amqp_proto::types::LinkKey;

use crate::state::State;

/// How many events are looked at before it is the next one's turn.
const TURN: usize = 128;

impl State {
    /// Looks at what has happened, at most a turn of it; whether that was all.
    pub(crate) fn dispatch(&mut self) -> bool {
        self.has_more = (0..TURN).all(|_| self.dispatch_one());
        !self.has_more
    }

    /// Looks at all that has happened: there is no next turn.
    pub(crate) fn dispatch_all(&mut self) {
        while !self.dispatch() {}
    }

    /// Looks at the oldest event; false if there is none.
    fn dispatch_one(&mut self) -> bool {
        if let Some(Event::LinkDetached { link: LinkKey::Receiver(key), reason, .. }) =
            self.engine.peek_event()
        {
            let (key, origin) = (*key, reason.origin);
            self.keep_rest(key, origin);
        }
        let Some(event) = self.engine.poll_event() else { return false };
        self.on_event(event);
        true
    }
}

#[cfg(test)]
mod tests {
    use amqp_proto::Connection as Engine;
    use amqp_proto::config::{Options, SessionOptions};
    use amqp_proto::endpoint::ConnectionOptions;
    use amqp_proto::types::Moment;
    use bytes::Buf;

    use super::TURN;
    use crate::state::State;

    /// A peer that begins so many sessions at once is looked at in turns.
    #[test]
    fn events_of_one_read_are_told_in_turns() {
        const SESSIONS: usize = 200;
        let now = Moment::START;
        let mut client = Engine::client(Options::new("client"), now);
        let mut server = Engine::server(Options::new("server"), now);
        server.receive(now, &client.output().copy_to_bytes(usize::MAX));
        client.receive(now, &server.output().copy_to_bytes(usize::MAX));
        while client.poll_event().is_some() || server.poll_event().is_some() {}
        for _ in 0..SESSIONS {
            client.begin(&SessionOptions::new()).unwrap();
        }
        server.receive(now, &client.output().copy_to_bytes(usize::MAX));
        let mut state = State::new(server, String::new(), &ConnectionOptions::new().accept_offers(true));
        assert!(!state.dispatch());
        assert_eq!(state.offered.len(), TURN);
        assert!(state.dispatch());
        assert_eq!(state.offered.len(), SESSIONS);
    }
}
