//! Chooses the board of the target, and gives the linker the map of its memory.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

/// The board of each target, and where its RAM begins. The program takes 80 KiB of it: 64 KiB for the heap, the rest for
/// statics and the stack.
///
/// The nRF51 of a micro:bit has 16 KiB of RAM and 256 KiB of flash: the emulator is told to give it more. An AST1030 runs
/// programs from its RAM, of which the first 512 KiB stand in for flash here.
const BOARDS: [(&str, &str, &str); 2] =
    [("thumbv6m-none-eabi", "nrf51", "0x20000000"), ("thumbv7em-none-eabihf", "ast1030", "0x00080000")];

fn main() -> Result<(), Box<dyn Error>> {
    let target = env::var("TARGET")?;
    let Some((_, board, ram)) = BOARDS.iter().find(|(name, ..)| *name == target) else {
        return Err(
            format!("no board for {target}: build for {}", BOARDS.map(|board| board.0).join(" or ")).into()
        );
    };
    let directory = env::var("OUT_DIR")?;
    let memory = format!(
        "MEMORY {{\n  FLASH : ORIGIN = 0x00000000, LENGTH = 512K\n  RAM : ORIGIN = {ram}, LENGTH = 80K\n}}\n"
    );
    fs::write(Path::new(&directory).join("memory.x"), memory)?;
    println!("cargo:rustc-link-search={directory}");
    println!("cargo:rustc-link-arg=-Tlink.x");
    println!("cargo:rustc-check-cfg=cfg(board, values(\"ast1030\", \"nrf51\"))");
    println!("cargo:rustc-cfg=board=\"{board}\"");
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}
