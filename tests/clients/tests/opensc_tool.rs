//! `opensc-tool`.

use clients::{Station, Way, both_ways};

both_ways! {
    opensc_tool_names_the_card_and_its_version,
    opensc_tool_names_the_older_version_of_an_older_card,
    opensc_tool_shows_the_atr,
    opensc_tool_gets_an_answer_to_every_odd_apdu,
}

fn opensc_tool_names_the_card_and_its_version(way: Way) {
    let station = Station::delivered(way, &[]);

    let name = station.run("opensc-tool", &["--name"]).succeeded();

    name.says("SmartCard-HSM").says("version 3.4");
}

fn opensc_tool_names_the_older_version_of_an_older_card(way: Way) {
    let station = Station::delivered(way, &["--firmware", "2.6"]);

    let name = station.run("opensc-tool", &["--name"]).succeeded();

    name.says("SmartCard-HSM").says("version 2.6");
}

fn opensc_tool_shows_the_atr(way: Way) {
    let station = Station::delivered(way, &[]);

    let atr = station.run("opensc-tool", &["--atr"]).succeeded();

    atr.says("3b:de:96:ff:81:91:fe:1f:c3:80:31:81:54:48:53:4d:31:73:80:21:40:81:07:92");
}

fn opensc_tool_gets_an_answer_to_every_odd_apdu(way: Way) {
    let station = Station::initialized(way);
    for (apdu, status) in [
        ("00:84:00:00", "SW1=0x67, SW2=0x00"),
        ("00:12:00:00:00", "SW1=0x6D, SW2=0x00"),
        ("00:20:00:99", "SW1=0x6A, SW2=0x"),
        ("00:24:07:81:02:31:31", "SW1=0x6"),
    ] {
        let response = station.run("opensc-tool", &["--send-apdu", apdu]).succeeded();
        response.says(status);
    }
}
