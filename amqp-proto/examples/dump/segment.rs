//! [`Segment`]: the TCP segment in a packet.

use std::net::{IpAddr, SocketAddr};

use etherparse::err::Layer;
use etherparse::{EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket, TcpSlice, TransportSlice};

use super::capture::Packet;

/// The link layers of captures, as tcpdump numbers them.
mod link {
    pub(super) const NULL: i32 = 0;
    pub(super) const ETHERNET: i32 = 1;
    pub(super) const RAW: i32 = 101;
    pub(super) const LOOP: i32 = 108;
    pub(super) const LINUX_SLL: i32 = 113;
    pub(super) const IPV4: i32 = 228;
    pub(super) const IPV6: i32 = 229;
    pub(super) const LINUX_SLL2: i32 = 276;
}

/// A TCP segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) number: u32,
    pub(crate) is_syn: bool,
    pub(crate) is_ack: bool,
    pub(crate) is_fin: bool,
    pub(crate) is_reset: bool,
    pub(crate) payload: &'a [u8],
    /// The number of octets that the capture has left out behind the payload.
    pub(crate) missing: u32,
}

/// A packet that is no TCP segment, or none that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NoSegment {
    /// Of another protocol.
    Other,
    /// A fragment of an IP packet.
    Fragment,
    /// Cut inside its headers.
    Cut,
    /// Of a link layer that is not known.
    Link(i32),
}

impl<'a> Segment<'a> {
    pub(crate) fn of(packet: &Packet<'a>) -> Result<Self, NoSegment> {
        let sliced = slice(packet)?;
        let addresses = match &sliced.net {
            Some(LaxNetSlice::Ipv4(ip)) => {
                (IpAddr::V4(ip.header().source_addr()), IpAddr::V4(ip.header().destination_addr()))
            }
            Some(LaxNetSlice::Ipv6(ip)) => {
                (IpAddr::V6(ip.header().source_addr()), IpAddr::V6(ip.header().destination_addr()))
            }
            _ => return Err(if packet.missing > 0 { NoSegment::Cut } else { NoSegment::Other }),
        };
        let payload = sliced.ip_payload();
        if payload.is_some_and(|payload| payload.fragmented) {
            return Err(NoSegment::Fragment);
        }
        let is_cut = payload.is_some_and(|payload| payload.incomplete);
        match &sliced.transport {
            Some(TransportSlice::Tcp(tcp)) => {
                Ok(Self::new(tcp, addresses, if is_cut { packet.missing } else { 0 }))
            }
            None if payload.is_some_and(|payload| payload.ip_number == IpNumber::TCP) => Err(NoSegment::Cut),
            _ if matches!(sliced.stop_err, Some((_, Layer::TcpHeader))) => Err(NoSegment::Cut),
            _ => Err(NoSegment::Other),
        }
    }

    fn new(tcp: &TcpSlice<'a>, (from, to): (IpAddr, IpAddr), missing: u32) -> Self {
        Self {
            from: SocketAddr::new(from, tcp.source_port()),
            to: SocketAddr::new(to, tcp.destination_port()),
            number: tcp.sequence_number(),
            is_syn: tcp.syn(),
            is_ack: tcp.ack(),
            is_fin: tcp.fin(),
            is_reset: tcp.rst(),
            payload: tcp.payload(),
            missing,
        }
    }
}

fn slice<'a>(packet: &Packet<'a>) -> Result<LaxSlicedPacket<'a>, NoSegment> {
    let octets = packet.octets;
    let behind = |header: usize| octets.get(header..).ok_or(NoSegment::Cut);
    let ip = |octets: &'a [u8]| LaxSlicedPacket::from_ip(octets).map_err(|_| NoSegment::Other);
    // The cooked forms of Linux hold the EtherType in their header.
    let cooked = |kind: usize, header: usize| {
        let kind = octets.get(kind..).and_then(|octets| octets.first_chunk()).ok_or(NoSegment::Cut)?;
        Ok(LaxSlicedPacket::from_ether_type(EtherType(u16::from_be_bytes(*kind)), behind(header)?))
    };
    match packet.link {
        link::ETHERNET => LaxSlicedPacket::from_ethernet(octets).map_err(|_| NoSegment::Cut),
        link::NULL | link::LOOP => ip(behind(4)?),
        link::RAW | link::IPV4 | link::IPV6 => ip(octets),
        link::LINUX_SLL => cooked(14, 16),
        link::LINUX_SLL2 => cooked(0, 20),
        other => Err(NoSegment::Link(other)),
    }
}
