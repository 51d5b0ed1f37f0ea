//! SASL [5.3].

use super::super::case::{Case, Played, defined, deviates, holds, must, not_tried};
use super::super::peer::{Input, Peer};
use super::super::wire::{AMQP, Frame, Out, framed, symbol};

pub(super) const CASES: [Case; 11] = [
    must("A-SASL-08", "5.3.3.1", "announces at least one mechanism", announces),
    must("A-SASL-03", "5.3.1", "sends SASL frames of 512 octets at most", small_frames),
    must("A-SASL-16", "5.3.3.5", "exchanges headers again after a successful login", headers_again),
    must(
        "A-SASL-10",
        "5.3.3.2",
        "fails the login with a mechanism that it does not offer",
        unknown_mechanism,
    ),
    defined("A-SASL-14", "5.3.3.6", "tells a wrong password by the code auth", wrong_password),
    must("A-LAY-01", "5.1", "closes the stream after a failed login", closes_after_failure),
    defined("A-SASL-15", "5.3.3.5", "sends no additional-data with a failed login", no_additional_data),
    must("A-SASL-05", "5.3.1", "does not go on after an empty SASL frame", empty_frame),
    defined("A-SASL-02", "5.3.1", "ignores octets 6 and 7 of a SASL frame", ignores_octets),
    defined("A-SASL-02", "5.3.1", "ignores the extended header of a SASL frame", ignores_extended_header),
    defined("A-SASL-06", "5.3.2", "does not take an AMQP frame for a part of SASL", amqp_frame),
];

fn announces(peer: &mut Peer<'_>) -> Played {
    let frame = peer.mechanisms()?;
    let mechanisms = frame.get("sasl-server-mechanisms").many().len();
    holds(mechanisms > 0, "a mechanism", || frame.to_string())
}

fn small_frames(peer: &mut Peer<'_>) -> Played {
    let frame = peer.mechanisms()?;
    holds(frame.size <= 512, "a frame of at most 512 octets", || format!("{} octets", frame.size))
}

fn headers_again(peer: &mut Peer<'_>) -> Played {
    if !peer.target.sasl {
        return not_tried("the peer has no SASL layer");
    }
    peer.authenticated()?;
    peer.write("AMQP header", &AMQP);
    match peer.header() {
        Ok(header) => holds(header == AMQP, "the AMQP header", || Input::Header(header).to_string()),
        Err(came) => deviates("the AMQP header", came),
    }
}

/// Sends a login that fails. Returns the outcome; nothing if the peer just ends the stream.
fn failing(peer: &mut Peer<'_>, init: Out) -> Result<Option<Frame>, super::super::case::Stop> {
    peer.send([init]);
    match peer.until(|frame| frame.is("sasl-outcome")) {
        Ok(outcome) => Ok(Some(outcome)),
        Err(_) if peer.has_ended() => Ok(None),
        Err(came) => deviates("sasl-outcome, or the end of the stream", came),
    }
}

fn unknown_mechanism(peer: &mut Peer<'_>) -> Played {
    peer.mechanisms()?;
    let init = Out::new("sasl-init").with("mechanism", symbol("X-CONFORMANCE"));
    match failing(peer, init.with("initial-response", &b""[..]))? {
        Some(outcome) => holds(outcome.get("code").number() != Some(0), "a failure", || outcome.to_string()),
        None => Ok(()),
    }
}

/// Fails a login by a wrong password. Returns the outcome.
fn refused(peer: &mut Peer<'_>) -> Result<Frame, super::super::case::Stop> {
    let frame = peer.mechanisms()?;
    let mechanisms = frame.get("sasl-server-mechanisms").many();
    if !mechanisms.iter().any(|mechanism| mechanism.text() == Some("PLAIN")) {
        return not_tried("the peer does not offer PLAIN");
    }
    let response: &[u8] = b"\0no-such-user\0no-such-password";
    let init = Out::new("sasl-init").with("mechanism", symbol("PLAIN")).with("initial-response", response);
    match failing(peer, init)? {
        Some(outcome) if outcome.get("code").number() == Some(0) => not_tried("the peer takes any password"),
        Some(outcome) => Ok(outcome),
        None => deviates("sasl-outcome", "the end of the stream"),
    }
}

fn wrong_password(peer: &mut Peer<'_>) -> Played {
    let outcome = refused(peer)?;
    holds(outcome.get("code").number() == Some(1), "the code 1", || outcome.to_string())
}

fn closes_after_failure(peer: &mut Peer<'_>) -> Played {
    refused(peer)?;
    peer.expects_end("the end of the stream")
}

fn no_additional_data(peer: &mut Peer<'_>) -> Played {
    let outcome = refused(peer)?;
    holds(outcome.get("additional-data").is_null(), "no additional-data", || outcome.to_string())
}

/// Expects that the peer does not complete the login.
fn fails(peer: &mut Peer<'_>) -> Played {
    match peer.until(|frame| frame.is("sasl-outcome")) {
        Ok(outcome) => {
            holds(outcome.get("code").number() != Some(0), "no successful login", || outcome.to_string())
        }
        Err(_) if peer.has_ended() => Ok(()),
        Err(came) => deviates("the end of the stream, or a failure", came),
    }
}

fn empty_frame(peer: &mut Peer<'_>) -> Played {
    peer.mechanisms()?;
    peer.write("an empty SASL frame", &framed(1, 0, 2, &[]));
    peer.send([peer.login()]);
    fails(peer)
}

fn succeeds(peer: &mut Peer<'_>) -> Played {
    let expected = "sasl-outcome with the code 0";
    let outcome = peer.expects(expected, |frame| frame.is("sasl-outcome"))?;
    holds(outcome.get("code").number() == Some(0), expected, || outcome.to_string())
}

fn ignores_octets(peer: &mut Peer<'_>) -> Played {
    // The login works at all.
    peer.mechanisms()?;
    peer.send([peer.login().on(0x1234)]);
    succeeds(peer)
}

fn ignores_extended_header(peer: &mut Peer<'_>) -> Played {
    peer.mechanisms()?;
    let octets = peer.login().octets_behind(2);
    peer.write("sasl-init behind an extended header", &octets);
    succeeds(peer)
}

fn amqp_frame(peer: &mut Peer<'_>) -> Played {
    peer.mechanisms()?;
    peer.send([peer.open()]);
    let expected = "the end of the stream, or a failure";
    match peer.until(|frame| frame.is("open") || frame.is("sasl-outcome")) {
        Ok(frame) if frame.is("open") => deviates(expected, frame.to_string()),
        Ok(outcome) => holds(outcome.get("code").number() != Some(0), expected, || outcome.to_string()),
        Err(_) if peer.has_ended() => Ok(()),
        Err(came) => not_tried(format!("the peer does nothing that shows it: {came}")),
    }
}
