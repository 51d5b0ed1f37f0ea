//! Looking at events, in turns: who else wants the lock gets it in between.

use amqp_proto::Event;
use amqp_proto::types::LinkKey;

use crate::state::State;

/// How many events are looked at before it is the next one's turn.
const TURN: usize = 128;

impl State {
    /// Has waiting threads learn what has happened, at most a turn of it; whether that was all.
    pub(crate) fn dispatch(&mut self) -> bool {
        !(0..TURN).all(|_| self.dispatch_one())
    }

    /// Looks at the oldest event; false if there is none.
    fn dispatch_one(&mut self) -> bool {
        if let Some(Event::LinkDetached { link: LinkKey::Receiver(key), reason, .. }) =
            self.connection.peek_event()
        {
            let (key, origin) = (*key, reason.origin);
            self.keep_inbox(key, origin);
        }
        let Some(event) = self.connection.poll_event() else { return false };
        self.on_event(event);
        true
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::net::UnixStream;

    use amqp_proto::Connection as Engine;
    use amqp_proto::config::{Options, SessionOptions};
    use amqp_proto::endpoint::ConnectionOptions;
    use amqp_proto::types::Moment;
    use bytes::Buf;

    use super::TURN;
    use crate::state::State;
    use crate::writing::Outlet;

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
        let outlet = Outlet::new(UnixStream::pair().unwrap().0);
        let mut state = State::new(server, outlet, &ConnectionOptions::new().accept_offers(true));
        assert!(!state.dispatch());
        assert_eq!(state.offers.len(), TURN);
        assert!(state.dispatch());
        assert_eq!(state.offers.len(), SESSIONS);
    }
}
