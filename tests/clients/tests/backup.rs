//! sc-hsm-tool takes keys from one card to another, under a DKEK.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use clients::{Finished, Key, PIN, Station, Way, both_ways, openssl};
use openssl::bn::BigNum;
use openssl::ec::EcKey;
use openssl::pkey::PKey;
use vschsm_testing::off_card;

both_ways! {
    keys_go_to_a_card_that_vschsm_gave_the_tool_s_share,
    a_published_share_has_its_key_check_value_and_opens_the_tool_s_container_off_the_card,
    the_tool_takes_a_share_of_vschsm_with_a_password_of_several_people,
    vschsm_joins_the_password_that_the_tool_has_given_to_several_people,
    keys_go_from_one_slot_to_the_other,
    a_key_does_not_open_with_another_dkek,
    a_card_without_dkek_says_nothing_of_it,
    the_tool_knows_a_card_without_dkek_by_its_answer_to_wrap_and_unwrap,
    the_tool_says_of_an_old_card_that_a_blob_does_not_match_its_dkek,
}

/// What is signed.
const MESSAGE: &[u8] = b"To be signed by a card and verified by OpenSSL";

const RSA: Key = Key { id: "01", kind: "rsa:2048", bits: 2048 };
const EC: Key = Key { id: "02", kind: "EC:secp256r1", bits: 256 };

/// A card with room for one share; nobody is logged in.
fn waiting_for_a_share(way: Way) -> Station {
    let station = Station::delivered(way, &[]);
    station.initialize(&["--dkek-shares", "1"]);
    station
}

/// Imports a share from the file `share.pbe`, without the user's PIN.
fn import(station: &Station, password: &str) -> Finished {
    let options = ["--import-dkek-share", "share.pbe", "--password", password];
    station.run("sc-hsm-tool", &options).succeeded().says("DKEK share imported")
}

fn check_value(station: &Station) -> String {
    let status = station.run("sc-hsm-tool", &[]).succeeded().text();
    let line = status.lines().find(|line| line.starts_with("DKEK key check value"));
    line.unwrap().split(": ").nth(1).unwrap().trim().to_owned()
}

/// Wraps or unwraps the key `number`; what the tool says counts, and not its exit code, which is 1
/// after a key with a certificate or request has come back.
fn backup(station: &Station, option: &str, number: &str) -> Finished {
    let file = format!("{number}.key");
    let options = [option, &file, "--key-reference", number, "--pin", PIN];
    station.run("sc-hsm-tool", &options)
}

/// The signature of the key, as OpenSSL takes it.
fn sign(station: &Station, key: Key) {
    station.write("message", MESSAGE);
    let mechanism = if key.is_rsa() { "SHA256-RSA-PKCS" } else { "ECDSA-SHA256" };
    let options = ["--sign", "--id", key.id, "--mechanism", mechanism];
    let files = ["--input-file", "message", "--output-file", "signature"];
    let format: &[&str] = if key.is_rsa() { &[] } else { &["--signature-format", "openssl"] };
    station.pkcs11(&[&options[..], &files, format].concat()).succeeded();
}

fn keys_go_to_a_card_that_vschsm_gave_the_tool_s_share(way: Way) {
    let (home, mut away) = (waiting_for_a_share(way), waiting_for_a_share(way));
    let create = ["--create-dkek-share", "share.pbe", "--password", "a long password"];
    home.run("sc-hsm-tool", &create).succeeded().says("DKEK share created and saved");
    away.write("share.pbe", home.read("share.pbe"));
    for station in [&home, &away] {
        let pending = station.run("sc-hsm-tool", &[]).succeeded();
        pending.says("DKEK shares          : 1").says("1 share(s) still missing");
    }
    import(&home, "a long password").says("DKEK key check value");
    // The tool takes many seconds for each share: here once is enough.
    away.kill_card();
    let import = ["dkek", "import", "share.pbe", "--card", "./test.card"];
    let password = ["--password", "a long password"];
    let told = away.vschsm(&[&import[..], &password].concat()).succeeded();
    away.insert_card();
    told.says(&format!("all 1 shares imported, key check value {}", check_value(&home)));
    assert_eq!(check_value(&home), check_value(&away));

    for (key, number) in [(RSA, "1"), (EC, "2")] {
        home.generate(key).succeeded();
        let pem = home.public_key(key);
        backup(&home, "--wrap-key", number).never_says("failed");
        let file = format!("{number}.key");
        for name in [&pem, &file] {
            away.write(name, home.read(name));
        }
        backup(&away, "--unwrap-key", number).says("Key successfully imported");
        // The description that OpenSC had written came along.
        away.run("pkcs15-tool", &["--list-keys"]).succeeded().says(key.kind);
        sign(&away, key);
        let verify = ["dgst", "-sha256", "-verify", &pem, "-signature", "signature", "message"];
        openssl(&away, &verify);
    }
}

fn a_published_share_has_its_key_check_value_and_opens_the_tool_s_container_off_the_card(way: Way) {
    let station = waiting_for_a_share(way);
    // 32 bytes A5 under the password "password", by the tool's own key derivation.
    station.write(
        "share.pbe",
        hex::decode(concat!(
            "53616c7465645f5f00010203040506079ed844e3ba697e823ce89b1d16269ca1",
            "2384de4047c31331ad2dc2dad94061ee5a5a5ff5346c9e68420857c967051207",
        ))
        .unwrap(),
    );
    import(&station, "password");
    assert_eq!(check_value(&station), "FC8B64001C5FDD0F");

    station.generate(EC).succeeded();
    let public_key = PKey::public_key_from_pem(&station.read(&station.public_key(EC))).unwrap();
    backup(&station, "--wrap-key", "1").never_says("failed");
    // 30 { 04 blob, description, request }, with lengths in three bytes.
    let container = station.read("1.key");
    let [0x30, 0x82, _, _, 0x04, 0x82, high, low, rest @ ..] = container.as_slice() else {
        panic!("no container: {container:02X?}")
    };
    let blob = rest.get(..usize::from(u16::from_be_bytes([*high, *low]))).unwrap();
    let record = off_card::components(&off_card::opened(blob, &[0xA5; 32]), 7);
    let [_, _, _, _, _, private, _] = record.as_slice() else { panic!("seven components") };
    let public_key = public_key.ec_key().unwrap();
    let private = BigNum::from_slice(private).unwrap();
    let pair =
        EcKey::from_private_components(public_key.group(), &private, public_key.public_key());
    pair.unwrap().check_key().unwrap();
}

fn the_tool_takes_a_share_of_vschsm_with_a_password_of_several_people(way: Way) {
    let station = waiting_for_a_share(way);
    let share = "A5".repeat(32);
    let create = ["dkek", "create", "share.pbe", "--share", &share];
    let people = ["--threshold", "2", "--shares", "3"];
    let made = station.vschsm(&[&create[..], &people].concat()).succeeded().text();
    let words =
        |title| made.lines().filter_map(move |line| line.strip_prefix(title)).map(str::trim);
    let prime = words("Prime").next().unwrap();

    // What the tool asks for: the prime, and an empty line, number and value for each share.
    let mut responses = format!("{prime}\n");
    for share in words("Share").skip(1) {
        responses.push_str(&format!("\n{}\n", share.replace(':', "\n")));
    }
    let options = ["--import-dkek-share", "share.pbe", "--pwd-shares-total", "2"];
    let tool = station.tool("sc-hsm-tool", &options).input(responses);
    tool.run().succeeded().says("DKEK share imported");
    assert_eq!(check_value(&station), "FC8B64001C5FDD0F");
}

fn vschsm_joins_the_password_that_the_tool_has_given_to_several_people(way: Way) {
    let mut station = waiting_for_a_share(way);
    let create = ["--create-dkek-share", "share.pbe", "--pwd-shares-threshold", "2"];
    let people = ["--pwd-shares-total", "3"];
    // An empty line each time that the next one may look.
    let tool = station.tool("sc-hsm-tool", &[&create[..], &people].concat()).input("\n".repeat(9));
    let made = tool.run().succeeded().says("DKEK share created and saved").text();
    let words =
        |title| made.lines().filter_map(move |line| line.strip_prefix(title)).map(str::trim);
    let value = |title| words(title).map(|text| text.trim_start_matches(": ").replace(':', ""));
    let prime = value("Prime").next().unwrap();
    let shares = value("Share ID").zip(value("Share value"));
    let shares: Vec<_> = shares.map(|(number, value)| format!("{number}:{value}")).collect();
    let [first, _, third] = shares.as_slice() else { panic!("not three shares: {made}") };

    station.kill_card();
    let import = ["dkek", "import", "share.pbe", "--card", "./test.card", "--prime", &prime];
    let joined = ["--password-share", first, "--password-share", third];
    let told = station.vschsm(&[&import[..], &joined].concat()).succeeded();
    station.insert_card();
    told.says(&format!("all 1 shares imported, key check value {}", check_value(&station)));
}

fn keys_go_from_one_slot_to_the_other(way: Way) {
    let mut station = Station::without_card(way);
    station.write("share.hex", "A5".repeat(32));
    let ready = ["--initialize", "--dkek-share", "share.hex"];
    station.deliver(&ready);
    station.insert_second_card(&ready);

    station.generate(EC).succeeded();
    let pem = station.public_key(EC);
    let wrap = ["--wrap-key", "2.key", "--key-reference", "1", "--pin", PIN];
    station
        .run("sc-hsm-tool", &[&["--reader", "0"], &wrap[..]].concat())
        .succeeded()
        .never_says("failed");
    let unwrap = ["--unwrap-key", "2.key", "--key-reference", "5", "--pin", PIN];
    station
        .run("sc-hsm-tool", &[&["--reader", "1"], &unwrap[..]].concat())
        .says("Key successfully imported");

    station.write("message", MESSAGE);
    let sign = ["--slot-index", "1", "--sign", "--id", EC.id, "--mechanism", "ECDSA-SHA256"];
    let files = ["--input-file", "message", "--output-file", "signature"];
    let format = ["--signature-format", "openssl"];
    station.pkcs11(&[&sign[..], &files, &format].concat()).succeeded();
    let verify = ["dgst", "-sha256", "-verify", &pem, "-signature", "signature", "message"];
    openssl(&station, &verify);
}

fn a_key_does_not_open_with_another_dkek(way: Way) {
    let (home, away) = (Station::delivered(way, &[]), Station::delivered(way, &[]));
    for station in [&home, &away] {
        // A DKEK of the card's own.
        station.initialize(&["--dkek-shares", "0"]);
    }
    assert_ne!(check_value(&home), check_value(&away));
    home.generate(EC).succeeded();
    backup(&home, "--wrap-key", "1").never_says("failed");
    away.write("1.key", home.read("1.key"));
    backup(&away, "--unwrap-key", "1").never_says("successfully");
    away.run("pkcs15-tool", &["--list-keys"]).never_says("Private EC Key");
    // With --force it comes back to the card that wrapped it, in place of itself.
    backup(&home, "--unwrap-key", "1").says("Found existing private key");
    let force = ["--unwrap-key", "1.key", "--key-reference", "1", "--pin", PIN, "--force"];
    home.run("sc-hsm-tool", &force).says("Key successfully imported");
    sign(&home, EC);
}

fn a_card_without_dkek_says_nothing_of_it(way: Way) {
    let station = Station::initialized(way);
    let status = station.run("sc-hsm-tool", &[]).succeeded();
    status.never_says("DKEK").never_says("failed");
}

/// 6D00, which no other state of the card gives.
fn the_tool_knows_a_card_without_dkek_by_its_answer_to_wrap_and_unwrap(way: Way) {
    let (home, away) = (Station::delivered(way, &[]), Station::initialized(way));
    home.initialize(&["--dkek-shares", "0"]);
    for station in [&home, &away] {
        station.generate(EC).succeeded();
    }
    backup(&home, "--wrap-key", "1").never_says("failed");
    backup(&away, "--wrap-key", "1").failed().says("Card not initialized for key wrap");
    away.write("9.key", home.read("1.key"));
    backup(&away, "--unwrap-key", "9").failed().says("Card not initialized for key wrap");
}

/// 6A80 up to firmware 2.x; later ones have a word for it that the tool does not know.
fn the_tool_says_of_an_old_card_that_a_blob_does_not_match_its_dkek(way: Way) {
    for (firmware, says) in [("2.6", "Wrapped key does not match DKEK"), ("3.4", "failed with")] {
        let options = ["--firmware", firmware];
        let (home, away) = (Station::delivered(way, &options), Station::delivered(way, &options));
        for station in [&home, &away] {
            station.initialize(&["--dkek-shares", "0"]);
        }
        home.generate(EC).succeeded();
        backup(&home, "--wrap-key", "1").never_says("failed");
        away.write("1.key", home.read("1.key"));
        backup(&away, "--unwrap-key", "1").failed().says(says);
    }
}
