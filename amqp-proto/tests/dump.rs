//! The example `dump`, run as a program: its output, its faults and its exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::{env, thread};

use common::{data, hex, octets, text};

/// Returns the path of the program. `cargo test` builds it, `cargo test --test dump` does not; then this builds it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let tests = env::current_exe().unwrap();
        let profile = tests.parent().and_then(Path::parent).unwrap();
        let program = profile.join("examples").join(format!("dump{}", env::consts::EXE_SUFFIX));
        let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/dump")).unwrap();
        let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
        let newest = sources.filter_map(|file| changed(&file.unwrap().path())).max();
        if changed(&program) < newest {
            let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo.args(["build", "--quiet", "--example", "dump", "--manifest-path"]);
            cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
            cargo.arg("--target-dir").arg(profile.parent().unwrap());
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            assert!(cargo.status().unwrap().success(), "{cargo:?}");
        }
        program
    })
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Exit code, standard output, standard error.
fn dump(arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child = start(arguments);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // The program may exit before it has read all input.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let done = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (done.status.code().expect("not killed"), text(done.stdout), text(done.stderr))
}

fn prints(arguments: &[&str], input: &[u8]) -> String {
    let (code, out, errors) = dump(arguments, input);
    assert_eq!((code, errors.as_str()), (0, ""), "{arguments:?} {}", hex(input));
    out
}

/// Returns the output before the fault, and the message about the fault.
fn stops(arguments: &[&str], input: &[u8]) -> (String, String) {
    let (code, out, errors) = dump(arguments, input);
    assert_eq!(code, 1, "{arguments:?} {} {out}", hex(input));
    assert_eq!(errors.lines().count(), 1, "{errors}");
    (out, errors.trim_end().to_owned())
}

/// A frame of this type around a body.
fn frame(kind: u8, body: &str) -> Vec<u8> {
    let body = octets(body);
    let size = u32::try_from(body.len()).unwrap() + 8;
    [&size.to_be_bytes()[..], &[2, kind, 0, 0], &body].concat()
}

/// A described list.
fn list(code: u8, fields: &[&str]) -> String {
    let octets = octets(&fields.concat());
    format!("0053{code:02x} c0{:02x}{:02x} {}", octets.len() + 1, fields.len(), hex(&octets))
}

const OPEN: &str = "005310 c00401 a10163";

/// The first, a later, and the last frame of delivery 0 on handle 0 or 1.
fn first(handle: u8, payload: &str) -> Vec<u8> {
    let fields = [&format!("52{handle:02x}"), "43", "a00130", "43", "40", "41"];
    frame(0, &(list(0x14, &fields) + payload))
}

fn later(handle: u8, payload: &str) -> Vec<u8> {
    frame(0, &(list(0x14, &[&format!("52{handle:02x}"), "40", "40", "40", "40", "41"]) + payload))
}

fn last(handle: u8, payload: &str) -> Vec<u8> {
    frame(0, &(list(0x14, &[&format!("52{handle:02x}")]) + payload))
}

/// A delivery in one frame.
fn single(handle: u8, format: &str, payload: &str) -> Vec<u8> {
    frame(0, &(list(0x14, &[&format!("52{handle:02x}"), "43", "a00130", format]) + payload))
}

/// Returns the lines about messages.
fn sections(out: &str) -> Vec<&str> {
    out.lines().filter_map(|line| line.strip_prefix("            ")).collect()
}

#[test]
fn a_connection_with_sasl_is_printed_layer_by_layer_and_without_secrets() {
    let stream = [
        b"AMQP\x03\x01\x00\x00".to_vec(),
        frame(1, &list(0x40, &["a305504c41494e"])),
        frame(1, &list(0x41, &["a305504c41494e", "a00d00616c69636500736563726574"])),
        frame(1, &list(0x44, &["5000"])),
        b"AMQP\x00\x01\x00\x00".to_vec(),
        frame(0, OPEN),
        frame(0, ""),
        single(0, "43", "005370c0020141 005377a1026869"),
        frame(0, "005318 45"),
    ];
    let expected = concat!(
        "       0  header Sasl 1.0.0\n",
        "       8  [sasl] sasl-mechanisms { sasl_server_mechanisms: :PLAIN }\n",
        "      29  [sasl] sasl-init { mechanism: :PLAIN, initial_response: <13 octets hidden> }\n",
        "      65  [sasl] sasl-outcome { code: Ok }\n",
        "      81  header Amqp 1.0.0\n",
        "      89  [0] open { container_id: \"c\" }\n",
        "     106  [0] empty\n",
        "     114  [0] transfer { handle: 0, delivery_id: 0, delivery_tag: 0x30, message_format: 0 } + 14 octets\n",
        "            header { durable: true }\n",
        "            amqp-value \"hi\"\n",
        "     149  [0] close\n",
    );
    assert_eq!(prints(&[], &stream.concat()), expected);
    assert_eq!(prints(&["--hex", "-"], hex(&stream.concat()).as_bytes()), expected);
    let spaced: String = hex(&stream.concat()).to_uppercase().chars().flat_map(|c| [c, '\n', ' ']).collect();
    assert_eq!(prints(&["--hex"], spaced.as_bytes()), expected);
    // A stream without protocol headers is read, too.
    assert_eq!(prints(&[], &frame(0, OPEN)), "       0  [0] open { container_id: \"c\" }\n");
}

#[test]
fn all_sections_are_printed() {
    let message = "005370 45 005371 c10502a3016441 005372 c10502a3016d41 005373 c0040253ff40
        005374 c10602a101615001 005375 a00161 005375 a000 005378 c10502a3016641";
    let lines = [
        "header",
        "delivery-annotations {:d = true}",
        "message-annotations {:m = true}",
        "properties { message_id: ulong 255 }",
        "application-properties {\"a\" = ubyte 1}",
        "data 0x61",
        "data 0x",
        "footer {:f = true}",
    ];
    assert_eq!(prints(&["--message"], &octets(message)), lines.join("\n") + "\n");
    assert_eq!(sections(&prints(&[], &single(0, "40", message))), lines);
    let lists = prints(&["--message", "--hex"], b"005376 45 005376 c0020140");
    assert_eq!(lists, "amqp-sequence []\namqp-sequence [null]\n");
}

#[test]
fn deliveries_in_many_frames_are_put_together() {
    let stream = [
        first(0, "0053"),
        first(1, "005377a1"),
        later(0, "75a0"),
        later(0, ""),
        later(1, "0162"),
        last(0, "0161"),
        last(1, ""),
    ];
    let out = prints(&[], &stream.concat());
    assert_eq!(sections(&out), ["data 0x61", "amqp-value \"b\""]);
    let indented: Vec<_> =
        out.lines().enumerate().filter(|(_, line)| line.starts_with("          ")).collect();
    assert_eq!(indented.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [6, 8]);
}

#[test]
fn deliveries_that_come_to_nothing_are_not_shown() {
    let aborted = frame(0, &list(0x14, &["5200", "40", "40", "40", "40", "40", "40", "40", "40", "41"]));
    let (detach, end) = (frame(0, &list(0x16, &["43"])), frame(0, "005317 45"));
    let open = frame(0, OPEN);
    for gone in [aborted, detach, end, open] {
        let stream = [first(0, "005375a0"), gone, single(0, "43", "00537740")].concat();
        assert_eq!(sections(&prints(&[], &stream)), ["amqp-value null"]);
    }
    // Messages of another format are not shown, neither in one frame nor in two.
    assert_eq!(sections(&prints(&[], &single(0, "7080013700", "ff"))), [""; 0]);
    let foreign = list(0x14, &["43", "43", "a00130", "7080013700", "40", "41"]);
    let stream = [frame(0, &(foreign + "ff")), last(0, "ff"), single(0, "43", "00537740")].concat();
    assert_eq!(sections(&prints(&[], &stream)), ["amqp-value null"]);
    // The stream may begin or end in the middle of a delivery.
    let stream = [last(0, "ff"), first(0, "005377")].concat();
    assert_eq!(sections(&prints(&[], &stream)), [""; 0]);
}

#[test]
fn very_large_deliveries_are_not_shown() {
    let part = "00".repeat(1 << 16);
    let mut stream = first(0, "005375b0ffffffff");
    (0..256).for_each(|_| stream.extend(later(0, &part)));
    stream.extend(last(0, &part));
    stream.extend(single(0, "43", "00537740"));
    assert_eq!(sections(&prints(&[], &stream)), ["amqp-value null"]);
    // Of too many deliveries at once, some are not shown.
    let mut stream: Vec<u8> = (0..=255).flat_map(|handle| first(handle, "00537740")).collect();
    let on_another_channel = |mut frame: Vec<u8>| {
        frame[7] = 1;
        frame
    };
    stream.extend(on_another_channel(first(0, "00537740")));
    stream.extend(on_another_channel(last(0, "")));
    (0..=255).for_each(|handle| stream.extend(last(handle, "")));
    assert_eq!(sections(&prints(&[], &stream)).len(), 256);
}

#[test]
fn values_are_printed_with_their_offsets() {
    let values = "41 5201 a1026869 c0020140 0053246145 00 00532440";
    let expected =
        concat!("       0  true\n", "       1  uint 1\n", "       3  \"hi\"\n", "       7  [null]\n",);
    assert_eq!(prints(&["--value"], &octets(values).slice(..11)), expected);
    assert_eq!(prints(&["--hex", "--value"], &values.as_bytes()[..26]), expected);
    // A fault in the next value has its own offset.
    let (out, fault) = stops(&["--value"], &octets("41 5201 a1026869 c0020140 c00301 56 02"));
    assert_eq!(
        (out.as_str(), fault.as_str()),
        (expected, "offset 15: boolean octet 0x02 is neither 0 nor 1 [1.6.2]")
    );
    let (out, fault) = stops(&["--value"], &octets("41 5201 a1026869 c0020140 a10468"));
    assert_eq!((out.as_str(), fault.as_str()), (expected, "offset 13: the octets end inside a value [1.2]"));
}

#[test]
fn golden_vectors_are_printed() {
    let all = data("wire-examples.json");
    for example in all["examples"].as_array().unwrap() {
        let (name, kind, input) =
            (text(example, "name"), text(example, "kind"), text(example, "hex").as_bytes());
        match kind {
            "value" => assert_eq!(prints(&["--hex", "--value"], input).lines().count(), 1, "{name}"),
            "message" => {
                let sections = text(example, "decoded").split(" | ").count();
                assert_eq!(prints(&["--hex", "--message"], input).lines().count(), sections, "{name}");
            }
            // Read alone, the last transfer of a delivery looks complete if it has a delivery-id.
            _ if name == "x-client-transfer-large-3" => {
                assert_eq!(stops(&["--hex"], input).1, "offset 23: message section expected [1.4]");
            }
            _ => assert!(prints(&["--hex"], input).starts_with("       0  "), "{name}"),
        }
    }
    let frames = all["examples"].as_array().unwrap().iter().filter(|e| text(e, "kind") == "frame");
    let stream: String = frames.map(|e| text(e, "hex")).collect();
    let out = prints(&["--hex"], stream.as_bytes());
    assert_eq!(sections(&out).iter().filter(|line| **line == "data 0x616263").count(), 1, "{out}");
    assert_eq!(sections(&out).iter().filter(|line| line.len() == "data 0x".len() + 2 * 2500).count(), 1);
}

#[test]
fn malformed_vectors_stop_the_program_at_the_fault() {
    let all = data("wire-examples.json");
    for example in all["malformed"].as_array().unwrap() {
        let flag = if text(example, "kind") == "value" { "--value" } else { "--hex" };
        let good = if flag == "--value" { "41" } else { "0000000802000000" };
        let input = format!("{good}{}", text(example, "hex"));
        let (out, fault) = stops(&["--hex", flag], input.as_bytes());
        assert_eq!(out.lines().count(), 1, "{input}");
        let offset = fault.strip_prefix("offset ").and_then(|rest| rest.split(':').next()).expect(&fault);
        let offset: usize = offset.parse().unwrap();
        assert!(offset >= good.len() / 2 && offset <= input.len() / 2, "{fault}");
    }
}

#[test]
fn faults_have_their_offset() {
    let good = frame(0, OPEN);
    for (bad, fault) in [
        (frame(0, &list(0x10, &["a10163", "41"])), "offset 34: string expected in open.hostname [1.4]"),
        (frame(0, &list(0x10, &["40"])), "offset 32: mandatory field missing in open.container_id [1.4]"),
        (
            octets("00000007").into(),
            "offset 17: the frame size 7 is less than the 8 octets of a frame header [2.3.1]",
        ),
        (
            octets("01000001").into(),
            "offset 17: the frame size 16777217 exceeds the limit of 16777216 [2.7.1]",
        ),
        (b"AMQQ".into(), "offset 20: not a protocol header [2.2]"),
        (
            b"HTTP/1.1 400 Bad Request\r\n".into(),
            "offset 17: the frame size 1213486160 exceeds the limit of 16777216 [2.7.1]",
        ),
        (single(0, "43", "00537740 005370 45"), "offset 42: message section out of order or repeated [3.2]"),
    ] {
        let (out, told) = stops(&[], &[&good[..], &bad].concat());
        assert_eq!(out.lines().next(), Some("       0  [0] open { container_id: \"c\" }"));
        assert_eq!(told, fault);
    }
    let (_, told) = stops(&[], &[first(0, "005377"), last(0, "56 02")].concat());
    assert_eq!(told, "offset 26: octet 4 of the message: boolean octet 0x02 is neither 0 nor 1 [1.6.2]");
    let (out, told) = stops(&["--message"], &octets("005370 45 005373 c00302 53 00537740"));
    assert_eq!((out.as_str(), told.as_str()), ("", "offset 12: message section expected [1.4]"));
    let (out, told) = stops(&["--message"], &octets("005370 45 005373 c0020153 00537740"));
    assert_eq!(
        (out.as_str(), told.as_str()),
        ("header\n", "offset 11: the octets end inside a value in properties.message_id [1.2]")
    );
    for (text, fault) in [
        ("0000000802000000 0x", "offset 8: 'x' is no hexadecimal digit"),
        ("0000000802000000 0", "offset 8: odd number of hexadecimal digits"),
        ("ü", "offset 0: 'Ã' is no hexadecimal digit"),
    ] {
        let (out, told) = stops(&["--hex"], text.as_bytes());
        assert_eq!((out.lines().count(), told.as_str()), (usize::from(text.starts_with('0')), fault));
    }
}

#[test]
fn streams_may_end_between_frames_only() {
    let parts = [b"AMQP\x00\x01\x00\x00".to_vec(), frame(0, OPEN), frame(0, ""), single(0, "43", "00537740")];
    let stream = parts.concat();
    let borders: Vec<usize> = (0..=parts.len()).map(|count| parts[..count].concat().len()).collect();
    for end in 0..=stream.len() {
        if borders.contains(&end) {
            prints(&[], &stream[..end]);
        } else {
            let start = borders.iter().rfind(|border| **border < end).unwrap();
            let fault = format!("offset {start}: the stream ends inside a frame or a protocol header");
            assert_eq!(stops(&[], &stream[..end]).1, fault);
        }
    }
    for mode in ["--hex", "--value", "--message", "-"] {
        assert_eq!(prints(&[mode], b""), "");
    }
    assert_eq!(prints(&["--hex"], b" \n"), "");
}

#[test]
fn too_large_input_is_refused_before_it_is_buffered() {
    let endless =
        b"\xb0\xff\xff\xff\xff".iter().copied().chain(std::iter::repeat_n(0, 17 << 20)).collect::<Vec<u8>>();
    assert_eq!(stops(&["--value"], &endless).1, "offset 5: the octets end inside a value [1.2]");
    let message = [b"\0\x53\x75", &endless[..]].concat();
    assert_eq!(stops(&["--message"], &message).1, "offset 16777216: message of more than 16 MiB");
    let zeros = vec![0; 1 << 20];
    assert_eq!(stops(&["--value"], &zeros).1, "offset 33: this end's limit on depth is exceeded [1.2]");
}

#[test]
fn wrong_usage_is_answered_with_the_usage() {
    for wrong in [
        &["--wrong"][..],
        &["-h"],
        &["--value", "--message"],
        &["--message", "--hex", "--value", "-"],
        &["one", "two"],
        &["--frames", "--svg"],
        &["--replay", "nobody"],
        &["--connection", "first"],
        &["--delivery"],
        &["--hex", "--summary"],
        &["-", "-"],
    ] {
        let (code, out, errors) = dump(wrong, b"");
        assert_eq!((code, out.as_str()), (2, ""), "{wrong:?}");
        assert!(errors.starts_with("usage: dump "), "{errors}");
    }
    assert!(prints(&["--help"], b"").starts_with("usage: dump "));
}

#[test]
fn files_are_read() {
    let (directory, name) = (env!("CARGO_TARGET_TMPDIR"), format!("dump-{}.bin", std::process::id()));
    let path = Path::new(directory).join(name);
    std::fs::write(&path, frame(0, OPEN)).unwrap();
    let file = path.to_str().unwrap();
    assert_eq!(prints(&[file], b""), "       0  [0] open { container_id: \"c\" }\n");
    std::fs::remove_file(&path).unwrap();
    for missing in [file, directory] {
        let (out, told) = stops(&[missing], b"");
        assert_eq!(out, "");
        assert!(told.starts_with("dump: "), "{told}");
    }
}

#[test]
fn captures_and_traces_are_known_by_their_form() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
    for (name, diagram) in
        [("loopback.pcap", "loopback.txt"), ("jobs.pcapng", "jobs.txt"), ("jobs.trace", "jobs.trace.txt")]
    {
        let (file, expected) = (folder.join(name), std::fs::read_to_string(folder.join(diagram)).unwrap());
        assert_eq!(prints(&[file.to_str().unwrap()], b""), expected, "{name}");
        assert_eq!(prints(&["-"], &std::fs::read(file).unwrap()), expected, "{name}");
    }
    let (out, told) = stops(&["--summary"], &frame(0, OPEN));
    assert_eq!(
        (out.as_str(), told.as_str()),
        ("", "dump: this is no capture and no trace, so it has no connections with two ends")
    );
}

#[test]
fn frames_are_printed_as_they_arrive() {
    let mut child = start(&[]);
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for at in 0..3 {
        stdin.write_all(&frame(0, "")).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), format!("{:>8}  [0] empty", at * 8));
    }
    drop(stdin);
    assert!(lines.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_closed_output_ends_the_program() {
    let mut child = start(&[]);
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let frames = frame(0, "").repeat(10_000);
    while stdin.write_all(&frames).is_ok() {}
    let done = child.wait_with_output().unwrap();
    assert_eq!((done.status.code(), done.stderr.len()), (Some(0), 0));
}

/// The program ends on its own whatever it reads.
#[test]
fn any_octets_end_the_program() {
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(state >> 56).unwrap()
    };
    let whole =
        [single(0, "43", "005370c0020141 005375a00161"), first(1, "005377a1"), last(1, "0162")].concat();
    for _ in 0..60 {
        let noise: Vec<u8> = (0..200).map(|_| random()).collect();
        let mut broken = whole.repeat(3);
        let place = usize::from(random()) % broken.len();
        broken[place] = random();
        for (flag, input) in [("-", &broken), ("--value", &noise), ("--message", &noise), ("--hex", &noise)] {
            let (code, _, errors) = dump(&[flag], input);
            assert!(matches!((code, errors.lines().count()), (0, 0) | (1, 1)), "{errors} {}", hex(input));
        }
    }
}
