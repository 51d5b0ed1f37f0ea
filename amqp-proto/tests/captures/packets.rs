//! [`Tape`]: writes captures of TCP connections, pcap and pcapng.

use amqp_proto::testing::Literal;
use etherparse::PacketBuilder;

/// The end that sends a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Client,
    Server,
}

/// A TCP segment in an Ethernet frame, at a time in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) at: u64,
    pub(crate) octets: Vec<u8>,
}

/// The packets of a connection between 10.0.0.1 and 10.0.0.2.
#[derive(Debug, Clone)]
pub(crate) struct Tape {
    pub(crate) packets: Vec<Packet>,
    client_port: u16,
    /// The sequence numbers of what both ends send next.
    next: [u32; 2],
    at: u64,
}

impl Tape {
    /// A connection without its handshake. The sequence numbers of the server wrap soon.
    pub(crate) fn silent(client_port: u16) -> Self {
        Self { packets: Vec::new(), client_port, next: [1_000, u32::MAX - 20], at: 0 }
    }

    /// A connection with its handshake.
    pub(crate) fn new(client_port: u16) -> Self {
        let mut tape = Self::silent(client_port);
        tape.segment(From::Client, "S", &[]);
        tape.segment(From::Server, "SA", &[]);
        tape
    }

    /// Sets the time of the next packets, in microseconds.
    pub(crate) fn at(&mut self, micros: u64) -> &mut Self {
        self.at = micros;
        self
    }

    /// Adds a segment with these flags: S, A, F, R.
    pub(crate) fn segment(&mut self, from: From, flags: &str, payload: &[u8]) -> &mut Self {
        let next = &mut self.next[from as usize];
        let number = *next;
        let taken = payload.len() + usize::from(flags.contains(['S', 'F']));
        *next = next.wrapping_add(u32::try_from(taken).unwrap());
        let octets = self.encode(from, flags, number, payload);
        self.packets.push(Packet { at: self.at, octets });
        self.at += 10;
        self
    }

    fn encode(&self, from: From, flags: &str, number: u32, payload: &[u8]) -> Vec<u8> {
        let (ends, ports) = (([10, 0, 0, 1], [10, 0, 0, 2]), (self.client_port, 5672));
        let (ends, ports) = match from {
            From::Client => (ends, ports),
            From::Server => ((ends.1, ends.0), (ports.1, ports.0)),
        };
        let builder =
            PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]).ipv4(ends.0, ends.1, 64);
        let mut builder = builder.tcp(ports.0, ports.1, number, 65_535);
        builder = if flags.contains('S') { builder.syn() } else { builder };
        builder = if flags.contains('A') { builder.ack(1) } else { builder };
        builder = if flags.contains('F') { builder.fin() } else { builder };
        builder = if flags.contains('R') { builder.rst() } else { builder };
        let mut octets = Vec::new();
        builder.write(&mut octets, payload).unwrap();
        octets
    }

    /// Adds octets in one segment.
    pub(crate) fn octets(&mut self, from: From, octets: &[u8]) -> &mut Self {
        self.segment(from, "A", octets)
    }

    /// Adds a frame in one segment.
    pub(crate) fn frame(&mut self, from: From, frame: &Literal) -> &mut Self {
        self.octets(from, &frame.to_octets())
    }
}

/// Returns a pcap file of these packets.
pub(crate) fn pcap(packets: &[Packet]) -> Vec<u8> {
    pcap_cut_at(packets, 65_535)
}

/// Returns a pcap file that keeps at most this many octets of each packet.
pub(crate) fn pcap_cut_at(packets: &[Packet], most: usize) -> Vec<u8> {
    let mut file =
        vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    for packet in packets {
        let kept = &packet.octets[..packet.octets.len().min(most)];
        let (seconds, micros) = (packet.at / 1_000_000, packet.at % 1_000_000);
        for number in [seconds, micros, kept.len() as u64, packet.octets.len() as u64] {
            file.extend(u32::try_from(number).unwrap().to_le_bytes());
        }
        file.extend(kept);
    }
    file
}

/// Returns a big-endian pcapng file of these packets.
pub(crate) fn pcapng(packets: &[Packet]) -> Vec<u8> {
    let mut file = block(0x0a0d_0d0a, &[&[0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0][..], &[0xff; 8]].concat());
    // An Ethernet interface with times in microseconds.
    file.extend(block(1, &[0, 1, 0, 0, 0, 0, 0xff, 0xff]));
    for packet in packets {
        let length = u32::try_from(packet.octets.len()).unwrap().to_be_bytes();
        let time = packet.at.to_be_bytes();
        let mut body = [&[0; 4][..], &time, &length, &length, &packet.octets].concat();
        body.resize(body.len().next_multiple_of(4), 0);
        file.extend(block(6, &body));
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 12).unwrap().to_be_bytes();
    [&kind.to_be_bytes()[..], &length, body, &length].concat()
}
