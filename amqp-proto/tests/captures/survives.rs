//! No file makes `dump` panic or hang.

use super::packets::{pcap, pcapng};
use super::{dump, scenes};

const VIEWS: [&[&str]; 8] = [
    &[],
    &["--frames"],
    &["--summary"],
    &["--svg"],
    &["--html"],
    &["--delivery", "job-1"],
    &["--replay", "client"],
    &["--replay", "server"],
];

/// A sequence of numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

fn files() -> [Vec<u8>; 3] {
    let packets = scenes::jobs().packets;
    let trace = std::fs::read(super::path("jobs.trace")).unwrap();
    [pcap(&packets), pcapng(&packets), trace]
}

#[test]
fn every_end_of_a_file() {
    for file in files() {
        for end in (0..file.len()).step_by(13) {
            let _ = dump(VIEWS[end % VIEWS.len()], &file[..end]);
        }
    }
}

#[test]
fn octets_changed_anywhere() {
    let mut random = Random(7);
    for file in files() {
        for turn in 0..500 {
            let mut changed = file.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(changed.len());
                changed[at] = match random.below(4) {
                    0 => 0,
                    1 => 0xff,
                    2 => changed[at] ^ (1 << random.below(8)),
                    _ => u8::try_from(random.below(256)).unwrap(),
                };
            }
            let _ = dump(VIEWS[turn % VIEWS.len()], &changed);
        }
    }
}

#[test]
fn pieces_removed_and_repeated() {
    let mut random = Random(11);
    for file in files() {
        for turn in 0..200 {
            let (from, length) = (random.below(file.len()), random.below(200));
            let to = (from + length).min(file.len());
            let piece = if turn % 2 == 0 { Vec::new() } else { file[from..to].repeat(2) };
            let changed = [&file[..from], &piece, &file[to..]].concat();
            let _ = dump(VIEWS[turn % VIEWS.len()], &changed);
        }
    }
}
