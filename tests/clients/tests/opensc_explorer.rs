//! `opensc-explorer`.

use clients::{Finished, Station, Way, both_ways, key};

both_ways! {
    opensc_explorer_shows_the_device_certificate,
    opensc_explorer_tells_the_size_of_a_file,
    opensc_explorer_lists_the_files,
    opensc_explorer_draws_random_bytes_and_sends_apdus,
}

/// Runs the explorer on `script`, one command a line, with the card's application selected.
fn explore(station: &Station, script: &str) -> Finished {
    let script = format!("cd aid:E82B0601040181C31F0201\n{script}");
    station.tool("opensc-explorer", &[]).input(script).run()
}

fn opensc_explorer_shows_the_device_certificate(way: Way) {
    let station = Station::delivered(way, &["--serial", "ABCDEF00001"]);

    let shown = explore(&station, "cat 2F02\nget 2F02 certificates\n").succeeded();

    shown.says("00000000: 7F 21 81 E4 7F 4E");
    let certificates = station.read("certificates");
    let holder = b"ABCDEF0000100000";
    assert!(certificates.windows(holder.len()).any(|bytes| bytes == holder));
}

fn opensc_explorer_tells_the_size_of_a_file(way: Way) {
    let station = Station::delivered(way, &[]);

    let shown = explore(&station, "info 2F02\nget 2F02 certificates\n").succeeded();

    let size = station.read("certificates").len();
    shown.says("Elementary File  ID 2F02").says(&format!("File size:               {size} bytes"));
}

fn opensc_explorer_lists_the_files(way: Way) {
    let station = Station::initialized(way);
    station.generate(key("EC:secp256r1")).succeeded();

    let shown = explore(&station, "ls\n").succeeded();

    shown.says(" 2F02 ").says(" CC00 ").says(" CC01 ").says(" CE01 ").says(" C401 ");
}

fn opensc_explorer_draws_random_bytes_and_sends_apdus(way: Way) {
    let station = Station::delivered(way, &[]);

    let shown = explore(&station, "random 8\napdu 00:84:00:00:08\n").succeeded();

    shown.says("Received (SW1=0x90, SW2=0x00)");
}
