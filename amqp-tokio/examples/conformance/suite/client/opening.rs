//! Version negotiation [2.2] and SASL [5.3].

use super::super::case::{Case, Played, Stop, deviates, holds, must, not_tried};
use super::super::peer::{Input, Peer};
use super::super::wire::{Frame, Out, SASL, Value, symbol};

pub(super) const CASES: [Case; 6] = [
    must("H-HDR-02", "2.2", "sends its header at once", header_at_once),
    must("H-HDR-08", "2.2", "ends its stream when the header differs from its own", other_header),
    must("A-SASL-09", "5.3.2", "chooses a mechanism that the server offers", offered_mechanism),
    must("A-SASL-08", "5.3.3.1", "does not go on without a mechanism", no_mechanism),
    must("A-LAY-01", "5.1", "ends its stream after a failed login", failed_login),
    must("A-SASL-03", "5.3.1", "sends SASL frames of 512 octets at most", small_frames),
];

fn header_at_once(peer: &mut Peer<'_>) -> Played {
    match peer.header() {
        Ok(header) if header[5..] == [1, 0, 0] => Ok(()),
        Ok(header) => deviates("a header of version 1.0.0", Input::Header(header).to_string()),
        Err(came) => deviates("a header, before the server's", came),
    }
}

fn other_header(peer: &mut Peer<'_>) -> Played {
    let header = peer.header().or_else(|came| not_tried(format!("no header: {came}")))?;
    peer.write("header of version 1.1.0", &[b'A', b'M', b'Q', b'P', header[4], 1, 1, 0]);
    peer.expects_end("the end of the stream")
}

/// Offers mechanisms. Returns what the client chooses.
fn chosen(peer: &mut Peer<'_>, mechanisms: Value) -> Result<Result<Frame, String>, Stop> {
    let header = peer.header().or_else(|came| not_tried(format!("no header: {came}")))?;
    if header != SASL {
        return not_tried(format!("the client uses no SASL: {}", Input::Header(header)));
    }
    peer.write("SASL header", &SASL);
    peer.send([Out::new("sasl-mechanisms").with("sasl-server-mechanisms", mechanisms)]);
    Ok(peer.until(|frame| frame.is("sasl-init")))
}

fn usual() -> Value {
    Value::Array(vec![symbol("X-CONFORMANCE"), symbol("ANONYMOUS"), symbol("PLAIN")])
}

fn offered_mechanism(peer: &mut Peer<'_>) -> Played {
    let init = chosen(peer, usual())?.or_else(|came| deviates("sasl-init", came))?;
    let is_offered = matches!(init.get("mechanism").text(), Some("ANONYMOUS" | "PLAIN"));
    holds(is_offered, "ANONYMOUS or PLAIN", || init.to_string())
}

fn no_mechanism(peer: &mut Peer<'_>) -> Played {
    match chosen(peer, Value::Array(Vec::new()))? {
        Ok(init) => deviates("no sasl-init", init.to_string()),
        Err(_) => Ok(()),
    }
}

fn failed_login(peer: &mut Peer<'_>) -> Played {
    chosen(peer, usual())?.or_else(|came| not_tried(format!("no sasl-init: {came}")))?;
    peer.send([Out::new("sasl-outcome").with("code", 1u8)]);
    peer.expects_end("the end of the stream")
}

fn small_frames(peer: &mut Peer<'_>) -> Played {
    let init = chosen(peer, usual())?.or_else(|came| not_tried(format!("no sasl-init: {came}")))?;
    holds(init.size <= 512, "a frame of at most 512 octets", || format!("{} octets", init.size))
}
