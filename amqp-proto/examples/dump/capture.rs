//! [`read`]: the packets of a capture, pcap or pcapng.

use pcap_parser::nom;
use pcap_parser::pcap::LegacyPcapBlock;
use pcap_parser::pcapng::{Block, EnhancedPacketBlock, SimplePacketBlock};
use pcap_parser::{
    PcapError, parse_block_be, parse_block_le, parse_pcap_frame, parse_pcap_frame_be,
    parse_pcap_frame_modified, parse_pcap_header,
};

const NANOS: u128 = 1_000_000_000;

/// A packet of a capture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    /// The number of the packet, from 1.
    pub(crate) number: u64,
    /// The time in nanoseconds since 1970. A simple packet block has none.
    pub(crate) at: Option<u64>,
    /// The link layer, as the number of a `LINKTYPE_`.
    pub(crate) link: i32,
    pub(crate) octets: &'a [u8],
    /// The number of octets that the capture has left out at the end of the packet.
    pub(crate) missing: u32,
}

type Found<'a> = Result<(&'a [u8], Option<Packet<'a>>), Option<String>>;

/// Returns whether a file that begins like this is a capture. No AMQP stream begins with these octets.
pub(crate) fn is_capture(head: &[u8]) -> bool {
    let magic = head.first_chunk().map(|magic| u32::from_be_bytes(*magic));
    is_pcapng(head)
        || matches!(
            magic,
            Some(0xa1b2_c3d4 | 0xd4c3_b2a1 | 0xa1b2_3c4d | 0x4d3c_b2a1 | 0xa1b2_cd34 | 0x34cd_b2a1)
        )
}

fn is_pcapng(head: &[u8]) -> bool {
    head.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a])
}

/// Returns the packets of a capture up to its first fault, and words for the fault.
pub(crate) fn read(octets: &[u8]) -> (Vec<Packet<'_>>, Option<String>) {
    if is_pcapng(octets) { read_pcapng(octets) } else { read_pcap(octets) }
}

/// Repeats `next` until it fails. The failure `None` is the end of the capture.
fn collect<'a>(
    octets: &'a [u8],
    mut next: impl FnMut(&'a [u8], u64) -> Found<'a>,
) -> (Vec<Packet<'a>>, Option<String>) {
    let (mut packets, mut rest) = (Vec::new(), octets);
    while !rest.is_empty() {
        match next(rest, packets.len() as u64 + 1) {
            Ok((later, packet)) => {
                packets.extend(packet);
                // A block of no octets would be read again and again.
                if later.len() >= rest.len() {
                    break;
                }
                rest = later;
            }
            Err(fault) => return (packets, fault),
        }
    }
    (packets, None)
}

fn fault(error: &nom::Err<PcapError<&[u8]>>, rest: &[u8], octets: &[u8], last: u64) -> String {
    let offset = octets.len() - rest.len();
    match error {
        nom::Err::Incomplete(_) => {
            format!("the capture is cut short: it ends inside what follows packet {last}")
        }
        _ => format!("the capture is damaged at offset {offset}, after packet {last}; the rest is not read"),
    }
}

fn read_pcap(octets: &[u8]) -> (Vec<Packet<'_>>, Option<String>) {
    let (frames, header) = match parse_pcap_header(octets) {
        Ok(read) => read,
        Err(error) => return (Vec::new(), Some(fault(&error, octets, octets, 0))),
    };
    let parse = match (header.is_modified_format(), header.is_bigendian()) {
        (true, _) => parse_pcap_frame_modified,
        (_, true) => parse_pcap_frame_be,
        _ => parse_pcap_frame,
    };
    let unit: u64 = if header.is_nanosecond_precision() { 1 } else { 1_000 };
    collect(frames, |rest, number| {
        let (later, frame): (_, LegacyPcapBlock<'_>) =
            parse(rest).map_err(|error| Some(fault(&error, rest, octets, number - 1)))?;
        let at = u64::from(frame.ts_sec) * 1_000_000_000 + u64::from(frame.ts_usec) * unit;
        let missing = frame.origlen.saturating_sub(frame.caplen);
        let packet = Packet { number, at: Some(at), link: header.network.0, octets: frame.data, missing };
        Ok((later, Some(packet)))
    })
}

/// An interface of a pcapng section: its link layer, and the units of its times.
struct Interface {
    link: i32,
    /// Units a second.
    units: u64,
    /// Seconds to add.
    offset: i64,
}

fn read_pcapng(octets: &[u8]) -> (Vec<Packet<'_>>, Option<String>) {
    let (mut interfaces, mut is_big_endian) = (Vec::new(), false);
    collect(octets, |rest, number| {
        let parsed = if is_big_endian { parse_block_be(rest) } else { parse_block_le(rest) };
        let (later, block) = parsed.map_err(|error| Some(fault(&error, rest, octets, number - 1)))?;
        let packet = match block {
            Block::SectionHeader(section) => {
                is_big_endian = section.big_endian();
                interfaces.clear();
                None
            }
            Block::InterfaceDescription(interface) => {
                let units = interface.ts_resolution().filter(|units| *units > 0).unwrap_or(1_000_000);
                interfaces.push(Interface {
                    link: interface.linktype.0,
                    units,
                    offset: interface.if_tsoffset,
                });
                None
            }
            Block::EnhancedPacket(block) => enhanced(&block, &interfaces, number),
            Block::SimplePacket(block) => simple(&block, &interfaces, number),
            _ => None,
        };
        Ok((later, packet))
    })
}

fn enhanced<'a>(
    block: &EnhancedPacketBlock<'a>,
    interfaces: &[Interface],
    number: u64,
) -> Option<Packet<'a>> {
    let interface = interfaces.get(usize::try_from(block.if_id).ok()?)?;
    let ticks = u64::from(block.ts_high) << 32 | u64::from(block.ts_low);
    let nanos = i128::try_from(u128::from(ticks) * NANOS / u128::from(interface.units)).ok()?;
    let at = u64::try_from(nanos + i128::from(interface.offset) * 1_000_000_000).ok();
    let octets = block.data.get(..usize::try_from(block.caplen).ok()?).unwrap_or(block.data);
    let missing = block.origlen.saturating_sub(block.caplen);
    Some(Packet { number, at, link: interface.link, octets, missing })
}

fn simple<'a>(block: &SimplePacketBlock<'a>, interfaces: &[Interface], number: u64) -> Option<Packet<'a>> {
    let whole = usize::try_from(block.origlen).ok()?;
    let octets = block.data.get(..whole).unwrap_or(block.data);
    let missing = u32::try_from(whole - octets.len()).ok()?;
    Some(Packet { number, at: None, link: interfaces.first()?.link, octets, missing })
}
