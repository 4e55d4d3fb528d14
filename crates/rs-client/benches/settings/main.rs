//! The programs that `cargo xtask bench settings` measures, each in a process of its own.
//!
//! Without arguments, as `cargo test --benches` runs it, it does nothing.

mod client;
mod clocked;
mod records;
mod verify;

use std::{error::Error, path::Path};

const USAGE: &str = "one of: make FOLDER RECORDS | verify FOLDER | alone FOLDER | skim FOLDER | serve RECORDS | \
    first STORE URL ROOT | load STORE URL ROOT | poll STORE URL ROOT SYNCS";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", folder, count] => verify::make(Path::new(folder), count.parse()?),
        ["verify", folder] => verify::verify(Path::new(folder)),
        ["alone", folder] => verify::alone(Path::new(folder)),
        ["skim", folder] => verify::skim(Path::new(folder)),
        ["serve", count] => client::serve(count.parse()?),
        ["first", store, url, root] => client::first(store, url, root),
        ["load", store, url, root] => client::load(store, url, root),
        ["poll", store, url, root, syncs] => client::poll(store, url, root, syncs.parse()?),
        _ => {
            println!("nothing measured; `cargo xtask bench settings` measures\n{USAGE}");
            Ok(())
        }
    }
}
