//! Clients that are not OpenSC's own tools: Java, OpenSSL, GnuTLS, OpenSSH, GnuPG and pcsc-tools.

use clients::{Finished, Station, Way, both_ways, installed, library, openssl};

both_ways! {
    java_s_smartcardio_logs_in_and_signs_with_every_key,
    java_s_sunpkcs11_signs_with_every_key,
    openssl_s_engine_signs_with_every_key,
    p11tool_finds_the_token_and_signs_with_every_key,
    ssh_s_agent_signs_with_every_key,
    gnupg_s_scdaemon_knows_the_card_and_signs,
    pcsc_scan_shows_the_reader_and_names_the_card,
}

/// What is signed.
const MESSAGE: &str = "To be signed by a card and verified by others";

/// A card with the RSA key 10 and the EC key 20, and a message to be signed.
fn provisioned(way: Way) -> Station {
    let pins = ["--initialize", "--label", "CI", "--seed", "clients", "--serial", "ZZVS0000001"];
    let keys = ["--key", "rsa:2048,id=10", "--key", "ec:secp256r1,id=20"];
    let certificates = ["--cert", "10=CN=RSA", "--cert", "20=CN=EC"];
    let station = Station::delivered(way, &[&pins[..], &keys, &certificates].concat());
    station.write("message", MESSAGE);
    station
}

/// Runs the lines of a shell script, which ends with the first that fails; `$MODULE` is OpenSC's
/// PKCS#11 module.
fn script(station: &Station, lines: &str) -> Finished {
    let module = library("opensc-pkcs11.so");
    let shell = station.tool("sh", &["-e", "-c", lines]);
    shell.env("MODULE", &module).env("PKCS11_MODULE_PATH", &module).run().succeeded()
}

/// Runs a program of Java in one file.
fn java(station: &Station, options: &[&str], (name, source): (&str, &str), file: &str) -> Finished {
    // `java` alone runs no source.
    installed("javac");
    station.write(name, source);
    // It keeps no record of itself where all Java programs of the machine do.
    let words = [&["-XX:-UsePerfData"], options, &[name, file]].concat();
    station.run("java", &words).succeeded()
}

fn java_s_smartcardio_logs_in_and_signs_with_every_key(way: Way) {
    let station = provisioned(way);
    let library = library("libpcsclite.so.1");
    let property = format!("-Dsun.security.smartcardio.library={}", library.display());
    let program = ("SmartCardIo.java", include_str!("SmartCardIo.java"));

    let done = java(&station, &[&property], program, "message");

    done.says(&station.reader(0))
        .says("3bde96ff8191fe1fc38031815448534d3173802140810792")
        .says("SHA256withRSA verifies")
        .says("SHA256withECDSA verifies");
}

fn java_s_sunpkcs11_signs_with_every_key(way: Way) {
    let station = provisioned(way);
    let module = library("opensc-pkcs11.so");
    let lines = format!("name = Card\nlibrary = {}\nslotListIndex = 0\n", module.display());
    station.write("card.cfg", lines);
    let program = ("SunPkcs11.java", include_str!("SunPkcs11.java"));

    let done = java(&station, &[], program, "card.cfg");

    done.says("rsa:2048: SHA256withRSA verifies").says("ec:secp256r1: SHA256withECDSA verifies");
}

fn openssl_s_engine_signs_with_every_key(way: Way) {
    library("engines-3/pkcs11.so");
    let station = provisioned(way);
    for id in ["10", "20"] {
        let public_key = ["--read-public-key", id, "--output", "key.pem"];
        station.run("pkcs15-tool", &public_key).succeeded();
        let sign = "openssl dgst -sha256 -engine pkcs11 -keyform engine \
                    -sign 'pkcs11:id=%ID;type=private;pin-value=648219' -out signature message";
        script(&station, &sign.replace("ID", id)).says("Engine \"pkcs11\" set");

        let verify = ["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature"];
        openssl(&station, &[&verify[..], &["message"]].concat()).says("Verified OK");
    }
}

fn p11tool_finds_the_token_and_signs_with_every_key(way: Way) {
    installed("p11tool");
    let station = provisioned(way);

    let list = script(&station, "p11tool --provider $MODULE --list-tokens");

    list.says("serial=ZZVS0000001").says("token=CI");
    for id in ["10", "20"] {
        let test = "p11tool --provider $MODULE --login --set-pin 648219 \
                    --test-sign 'pkcs11:id=%ID;type=private'";
        let tested = script(&station, &test.replace("ID", id));
        tested.says("Verifying against public key in the token... ok");
    }
}

/// As for a login elsewhere: the agent asks the card, and is asked by who needs a signature.
fn ssh_s_agent_signs_with_every_key(way: Way) {
    installed("ssh-agent");
    let station = provisioned(way);
    let lines = r#"
        printf '#!/bin/sh\necho 648219\n' >ask
        chmod +x ask
        export SSH_ASKPASS=./ask SSH_ASKPASS_REQUIRE=force
        ssh-keygen -D $MODULE >keys
        ssh-agent sh -e -c '
            ssh-add -s $MODULE
            while read -r key; do
                echo "$key" >key.pub
                rm -f message.sig
                ssh-keygen -Y sign -f key.pub -n test message
                ssh-keygen -Y check-novalidate -n test -s message.sig <message
            done <keys'"#;

    let signed = script(&station, lines);

    signed.says("with RSA key").says("with ECDSA key");
}

fn gnupg_s_scdaemon_knows_the_card_and_signs(way: Way) {
    installed("scdaemon");
    let station = provisioned(way);
    station.write("pin", "648219");
    let digest = hex::encode(openssl::sha::sha256(MESSAGE.as_bytes()));
    let orders = [
        "/definqfile PASSPHRASE pin",
        "OPTION pinentry-mode=loopback",
        "SCD SERIALNO",
        "SCD LEARN --force",
        // A DigestInfo of SHA-256.
        &format!("SCD SETDATA 3031300d060960864801650304020105000420{digest}"),
        "/datafile signature",
        "SCD PKSIGN --hash=sha256 HSM.10",
        "",
    ];
    station.write("orders", orders.join("\n"));
    let lines = "
        export GNUPGHOME=$HOME/gnupg
        mkdir -m 700 gnupg
        printf 'pcsc-shared\\ndisable-ccid\\n' >gnupg/scdaemon.conf
        trap 'gpgconf --kill all' EXIT
        gpg-connect-agent --run orders /bye";

    let learnt = script(&station, lines);

    learnt
        .says(&format!("S READER {}", station.reader(0)))
        .says("S APPTYPE sc-hsm")
        .says("HSM.20")
        .never_says("ERR");
    let public_key = ["--read-public-key", "10", "--output", "key.pem"];
    station.run("pkcs15-tool", &public_key).succeeded();
    let verify = ["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "message"];
    openssl(&station, &verify).says("Verified OK");
}

fn pcsc_scan_shows_the_reader_and_names_the_card(way: Way) {
    let station = provisioned(way);

    // A second is the shortest that it watches the reader.
    let scanned = station.run("pcsc_scan", &["-q", "-t", "1"]).succeeded();

    scanned
        .says(&station.reader(0))
        .says("ATR: 3B DE 96 FF 81 91 FE 1F C3 80 31 81 54 48 53 4D 31 73 80 21 40 81 07 92")
        .says("correct checksum")
        .says("SmartCard HSM (PKI)");
}
