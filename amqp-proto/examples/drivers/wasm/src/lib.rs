//! Drives a connection in WebAssembly: JavaScript has the socket and the clock, and passes octets in and out.

use amqp_drivers::{Exchange, MESSAGES, options};
use amqp_proto::types::Moment;
use amqp_proto::{Connection, Reading};
use bytes::Buf;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

/// A connection with its application. Times are milliseconds.
#[wasm_bindgen]
pub struct Driver {
    amqp: Connection,
    app: Exchange,
}

#[wasm_bindgen]
impl Driver {
    #[wasm_bindgen(constructor)]
    pub fn new(now: f64) -> Self {
        let amqp = Connection::client(options("wasm"), Moment::from_millis(now as u64));
        Self { amqp, app: Exchange::new("wasm", MESSAGES) }
    }

    /// Takes octets that were read, and returns octets to write.
    pub fn turn(&mut self, now: f64, input: &[u8]) -> Vec<u8> {
        let (now, mut written) = (Moment::from_millis(now as u64), Vec::new());
        self.amqp.receive(now, input);
        loop {
            self.amqp.handle_deadline(now);
            while let Some(event) = self.amqp.poll_event() {
                self.app.on(event, &mut self.amqp);
            }
            let mut output = self.amqp.output();
            written.extend_from_slice(&output.copy_to_bytes(output.remaining()));
            if self.amqp.reading() != Reading::Events {
                return written;
            }
        }
    }

    pub fn end_of_input(&mut self) {
        self.amqp.end_of_input();
    }

    pub fn is_over(&self) -> bool {
        self.amqp.is_over()
    }

    /// The time of the next turn, if nothing happens earlier.
    pub fn deadline(&self) -> Option<f64> {
        self.amqp.next_deadline().map(|(at, _)| at.as_millis() as f64)
    }

    pub fn verdict(self) -> Result<String, JsError> {
        self.app.verdict().map_err(|failure| JsError::new(&failure.to_string()))
    }
}
