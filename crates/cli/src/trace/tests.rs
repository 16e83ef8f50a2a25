//! What a line says, and what it does not.

mod declared;

use super::*;

const SECRET: &str = "5EC2E7A15EC2E7A1";

/// The lines of commands and their responses, without times.
fn lines(exchanges: &[(&str, &str)]) -> Vec<String> {
    let mut trace = Trace::new(Sink::Stderr, "");
    let bytes = |digits: &str| hex::parse(digits).unwrap_or_default();
    exchanges.iter().map(|(apdu, response)| trace.line(&bytes(apdu), &bytes(response))).collect()
}

fn line(apdu: &str, response: &str) -> String {
    lines(&[(apdu, response)]).concat()
}

#[test]
fn commands_of_the_issuer_are_described_as_long_as_the_card_manager_is_selected() {
    let update = "8050000008 0102030405060708 00";
    let description = lines(&[
        (update, "6A80"),
        ("00A4040008 A000000151000000 00", "6F00 9000"),
        (update, "6A88"),
        ("84E8000309 AA 0102030405060708", "00 9000"),
        ("84D8008103 010203", "6A80"),
        ("00A4040C0B E82B0601040181C31F0201", "9000"),
        ("8050000000", "6A80"),
    ]);
    assert_eq!(
        description,
        [
            "INITIALIZE DEVICE malformed data (8 bytes, redacted) -> 6A80 incorrect parameters in \
             the command data field",
            "SELECT card manager -> 9000, 2 bytes 6F00",
            "INITIALIZE UPDATE with keys of version 0 -> 6A88 referenced data or reference data \
             not found",
            "LOAD block 3, 9 bytes AA0102030405060708 -> 9000, 1 byte 00",
            "PUT KEY version 0 (3 bytes, redacted) -> 6A80 incorrect parameters in the command \
             data field",
            "SELECT SmartCard-HSM -> 9000",
            "INITIALIZE DEVICE state -> 6A80 incorrect parameters in the command data field",
        ]
    );
}

#[test]
fn commands_are_described() {
    for (apdu, response, description) in [
        ("00A4000002 2F02 00", "6F00 9000", "SELECT EF 2F02 -> 9000, 2 bytes 6F00"),
        ("00A4000002 CC01 00", "6A82", "SELECT key CC01 -> 6A82 file or application not found"),
        (
            "00A4080002 2F00 00",
            "6A86",
            "SELECT P1 08, P2 00, 2 bytes 2F00 -> 6A86 incorrect parameters P1-P2",
        ),
        ("00200081", "63C1", "VERIFY user PIN, state -> 63C1 1 try left"),
        (
            "00200088 08 3132333435363738",
            "6983",
            "VERIFY SO-PIN (8 bytes, redacted) -> 6983 authentication method blocked",
        ),
        (
            "00B12F02 04 54020010 20",
            "AABB 6282",
            "READ BINARY 2F02 at 16, 32 bytes -> 6282 end of file reached before reading Ne \
             bytes, 2 bytes AABB",
        ),
        ("00D7CF01 07 54020100 5301AA", "9000", "UPDATE BINARY CF01 at 256, 1 byte AA -> 9000"),
        ("00D7CE01 06 54020000 5300", "9000", "UPDATE BINARY CE01 at 0, nothing -> 9000"),
        ("00E4020002 CE01", "9000", "DELETE FILE CE01 -> 9000"),
        (
            "80680170 000002 ABCD 0000",
            "3006 9000",
            "SIGN key 1 with ECDSA, 2 bytes ABCD -> 9000, 2 bytes 3006",
        ),
        (
            "80680273 02 ABCD 00",
            "6A81",
            "SIGN key 2 with ECDSA SHA-256, 2 bytes ABCD -> 6A81 function not supported",
        ),
        ("0084000008", "0102 9000", "GET CHALLENGE 8 bytes -> 9000, 2 bytes 0102"),
        ("80580000 000000", "2F02 9000", "ENUMERATE OBJECTS -> 9000, 2 bytes 2F02"),
        (
            "8050000000",
            "00012345000304 9000",
            "INITIALIZE DEVICE state -> 9000, 7 bytes 00012345000304",
        ),
        ("FF200081", "6E00", "VERIFY (class FF) user PIN, state -> 6E00 class not supported"),
        (
            "00EE0102",
            "6D00",
            "instruction 00 EE P1 01, P2 02 -> 6D00 instruction code not supported or invalid",
        ),
        ("0020", "6700", "malformed 0020 -> 6700 wrong length"),
        ("80F20000", "6999", "instruction 80 F2 P1 00, P2 00 -> 6999 unknown status word"),
    ] {
        assert_eq!(line(apdu, response), description, "{apdu}");
    }
}

#[test]
fn generate_is_described_by_key_type_and_attributes() {
    let rsa = "5F290100 420155 7F4915 060A04007F00070202020102 8203010001 02020800";
    let limits = "5F20015A 900400000005 91023373";
    let apdu = format!("00460500 00002D {rsa} {limits} 0000");
    let description = line(&apdu, "9000");
    assert_eq!(
        description,
        "GENERATE ASYMMETRIC KEY PAIR key 5, RSA 2048 bits, 5 uses, \
         for RSA PKCS#1 SHA-256 and ECDSA SHA-256 -> 9000"
    );
    let curve = format!("00460600 00004A 7F4947 8142 01FF{} {}", "FF".repeat(64), "870101");
    assert!(line(&curve, "9000").contains("key 6, EC 521 bits"), "{}", line(&curve, "9000"));
}

#[test]
fn quotas_are_described_by_their_numbers_and_their_refill_key() {
    let request = "7F210F 7F4E0C 5F290100 5F2005 5A5A565330";
    let apdu = format!("004801B0 1A 900400000005 B412 {request}");
    assert_eq!(
        line(&apdu, "9000"),
        "GENERATE SYMMETRIC KEY key 1, AES 128 bits, 5 uses, to be refilled by ZZVS0 -> 9000"
    );
    let statement = "B40C 810400000001 900400000005";
    assert_eq!(
        line(&format!("803E0100 11 {statement} 5F3700"), "6300"),
        "REFILL QUOTA key 1 with 5 uses after 1 refill -> 6300 authentication failed"
    );
    let other = line("803E0100 06 363438323139", "6D00");
    assert_eq!(
        other,
        "REFILL QUOTA key 1 (6 bytes, redacted) -> 6D00 instruction code not supported or invalid"
    );
}

#[test]
fn certificates_and_key_exchange_are_described() {
    let name = "5A5A56530A";
    let certificate = format!("7F4E0F 4205{name} 5F2005{name} 5F370101");
    for (apdu, response, description) in [
        (
            format!("002281B6 07 8305{name}"),
            "6A88",
            "MANAGE SECURITY ENVIRONMENT for certificates by ZZVS\\n -> \
             6A88 referenced data or reference data not found",
        ),
        (
            format!("002A00BE 16 {certificate}"),
            "6300",
            "VERIFY CERTIFICATE of ZZVS\\n by ZZVS\\n -> 6300 authentication failed",
        ),
        (
            format!("002281A4 07 8305{name}"),
            "9000",
            "MANAGE SECURITY ENVIRONMENT for the signature of ZZVS\\n -> 9000",
        ),
        (
            "80540000 02 6700".into(),
            "6A80",
            "MANAGE PUBLIC KEY AUTHENTICATION registration, 2 bytes 6700 -> 6A80 incorrect \
             parameters in the command data field",
        ),
        (
            "8054000000".into(),
            "03 03 02 00 9000",
            "MANAGE PUBLIC KEY AUTHENTICATION state -> 9000, 4 bytes 03030200",
        ),
        (
            "8054020100".into(),
            "5A5A 9001",
            "MANAGE PUBLIC KEY AUTHENTICATION name of key 1 -> 9001 the key has authenticated, \
             2 bytes 5A5A",
        ),
        (
            "00820000 02 0102".into(),
            "6300",
            "EXTERNAL AUTHENTICATE 2 bytes 0102 -> 6300 authentication failed",
        ),
        (
            "002A00BE 02 ABCD".into(),
            "6A80",
            "VERIFY CERTIFICATE P1 00, P2 BE, 2 bytes ABCD -> 6A80 incorrect parameters in the \
             command data field",
        ),
        (
            "80520201 03 7F2100 00".into(),
            "6A80",
            "MANAGE KEY DOMAIN 1, creation for key exchange, 3 bytes 7F2100 -> 6A80 incorrect \
             parameters in the command data field",
        ),
        (
            "80620284 02 ABCD 00".into(),
            "9000",
            "DERIVE XKEK key 2 with key exchange of a key domain, 2 bytes ABCD -> 9000",
        ),
    ] {
        assert_eq!(line(&apdu, response), description, "{apdu}");
    }
}

#[test]
fn secure_messaging_is_described_without_its_content() {
    let point = "5A".repeat(65);
    for (apdu, response, description) in [
        (
            "002241A4 0C 800A04007F00070202030202",
            "9000",
            "MANAGE SECURITY ENVIRONMENT for secure messaging with AES-128 -> 9000",
        ),
        (
            "002241A4 0C 800A04007F00070202030201",
            "9000",
            "MANAGE SECURITY ENVIRONMENT for secure messaging with 3DES -> 9000",
        ),
        (
            "002241A4 04 80025A5A",
            "6A80",
            "MANAGE SECURITY ENVIRONMENT P1 41, P2 A4, 4 bytes 80025A5A -> 6A80 incorrect \
             parameters in the command data field",
        ),
        (
            &format!("00860000 45 7C438041{point} 00"),
            "7C00 9000",
            &format!(
                "GENERAL AUTHENTICATE 69 bytes 7C438041{}… -> 9000, 2 bytes 7C00",
                &point[..56]
            ),
        ),
        (
            "0C2000811D 871101 21B5DB3C2559135837C9FEDBD0567966 8E08 5080628451F3F4FC 00",
            "990263C2 8E08DB73F27000F7FFE2 9000",
            "VERIFY P1 00, P2 81, protected (29 bytes, redacted) -> \
             protected 63C2 wrong, 2 tries left, 14 bytes redacted",
        ),
        (
            "0C2000810A 8E08BB9E9C966D715B99 00",
            "990263C3 8E08DB73F27000F7FFE2 9000",
            "VERIFY P1 00, P2 81, protected (10 bytes, redacted) -> protected 63C3 3 tries left, \
             14 bytes redacted",
        ),
        (
            "8C6801700A 8E08BB9E9C966D715B99 00",
            "6988",
            "SIGN P1 01, P2 70, protected (10 bytes, redacted) -> 6988 incorrect secure messaging \
             data objects",
        ),
        ("805A0181 00", "5A5A 9000", "GENERATE SESSION PIN P1 01, P2 81 -> 9000, 2 bytes redacted"),
    ] {
        assert_eq!(line(apdu, response), description, "{apdu}");
    }
}

#[test]
fn aes_keys_and_derivations_are_described() {
    for (apdu, response, description) in [
        (
            "004803B2 0F 910410111899 90040000000A 920100",
            "9000",
            "GENERATE SYMMETRIC KEY key 3, AES 256 bits, for AES-CBC encryption and AES-CBC \
             decryption and AES-CMAC and key derivation, 10 uses, domain 0 -> 9000",
        ),
        (
            "004803B3",
            "6982",
            "GENERATE SYMMETRIC KEY key 3, unknown size B3 -> 6982 security status not satisfied",
        ),
        (
            "80780310 02 ABCD 00",
            "6A80",
            "CIPHER key 3 with AES-CBC encryption (2 bytes, redacted) -> 6A80 incorrect \
             parameters in the command data field",
        ),
        (
            "80780310 10 00112233445566778899AABBCCDDEEFF 00",
            "ABCD 9000",
            "CIPHER key 3 with AES-CBC encryption (16 bytes, redacted) -> 9000, 2 bytes ABCD",
        ),
        (
            "80780399 05 4469736B31 00",
            "ABCD 9000",
            "CIPHER key 3 with key derivation, 5 bytes 4469736B31 -> 9000, 2 bytes redacted",
        ),
        (
            "80760102 03 985462",
            "9000",
            "DERIVE EC KEY key 2 from key 1 (3 bytes, redacted) -> 9000",
        ),
    ] {
        assert_eq!(line(apdu, response), description, "{apdu}");
    }
}

#[test]
fn key_domains_and_blobs_are_described() {
    for (apdu, response, description) in [
        (
            "8052000000",
            "0100BB391415C05E39D7 9000",
            "MANAGE KEY DOMAIN 0, state -> 9000, 10 bytes 0100BB391415C05E39D7",
        ),
        (
            "8052000000",
            "6D00",
            "MANAGE KEY DOMAIN 0, state -> 6D00 instruction code not supported or invalid",
        ),
        (
            "80520001 02 ABCD 00",
            "6700",
            "MANAGE KEY DOMAIN 1, import of a DKEK share (2 bytes, redacted) -> 6700 wrong length",
        ),
        (
            "80520102 01 03 00",
            "6A86",
            "MANAGE KEY DOMAIN 2, creation with 3 DKEK shares -> 6A86 incorrect parameters P1-P2",
        ),
        ("80520301 00", "6A89", "MANAGE KEY DOMAIN 1, deletion -> 6A89 file already exists"),
        (
            "80520401 00",
            "6982",
            "MANAGE KEY DOMAIN 1, clearing of the key-encryption key -> 6982 security status not \
             satisfied",
        ),
        (
            "80520201 02 ABCD 00",
            "6A86",
            "MANAGE KEY DOMAIN P1 02, P2 01 (2 bytes, redacted) -> 6A86 incorrect parameters P1-P2",
        ),
        ("80720592 000000", "BB39 9000", "WRAP KEY key 5 -> 9000, 2 bytes BB39"),
        ("80740693 02 BB39", "9000", "UNWRAP KEY key 6 from 2 bytes BB39 -> 9000"),
        ("80740693", "6F00", "UNWRAP KEY key 6 from 2F10 -> 6F00 no precise diagnosis"),
        ("80740694", "6A86", "UNWRAP KEY key 6 with replace -> 6A86 incorrect parameters P1-P2"),
    ] {
        assert_eq!(line(apdu, response), description, "{apdu}");
    }
}

/// Every place that may hold a PIN, a key or protected data, filled with the same bytes.
#[test]
fn no_line_shows_a_secret() {
    let commands = [
        ("00200081 08 S", "63C2"),
        ("00200181 000008 S 0000", "9000"),
        ("0C200081 08 S", "6882"),
        ("0C200081 0A 8708 S 00", "99029000 8E08 S 9000"),
        ("0CB1CD01 03 970100 00", "8709 01 S 99029000 8E08 S 9000"),
        ("8C5A0181 03 970100 00", "8709 01 S 99029000 8E08 S 9000"),
        ("805A0181 00", "S 9000"),
        ("10200081 08 S", "6E00"),
        ("00210081 08 S", "6D00"),
        ("00200081 09 S", "6700"),
        ("0020008100 0008 S S", "6700"),
        ("00240081 10 S S", "9000"),
        ("002C0081 10 S S", "9000"),
        ("002C0181 08 S", "9000"),
        ("80500000 14 8108 S 8208 S", "9000"),
        ("80500000 13 8108 S 8208 S", "6700"),
        ("80500000 12 8109 S 8208 S", "6A80"),
        ("80500000 0A 9508 S", "9000"),
        ("80520000 08 S 00", "0201 9000"),
        ("80520100 08 S 00", "6700"),
        ("80520200 08 S 00", "6A86"),
        ("80520300 08 S 00", "9000"),
        ("00460100 00000A 8A08 S 0000", "9000"),
        ("00460100 00000A 8A09 S 0000", "6A80"),
        ("80620121 000001 AA 0000", "S 9000"),
        ("80620180 01 04 00", "S 9000"),
        ("80760102 09 98 S", "9000"),
        ("80780110 08 S 00", "AA 9000"),
        ("80780111 01 AA 00", "S 9000"),
        ("80780118 08 S 00", "S 9000"),
        ("80780118 08 S 00", "6A81"),
        ("80580000 08 S 00", "9000"),
        ("80580001 000008 S 0000", "6A86"),
        ("805A0181 08 S 00", "S 9000"),
        ("805A0000 08 S 00", "6A86"),
        ("807201FF 08 S 00", "6A86"),
        ("803E0101 08 S", "6A86"),
        ("00480101 08 S", "6A81"),
        ("00EE0000 00", "S 9000"),
        ("80780199 01 AA 00", "S 9000"),
        ("807801FF 08 S 00", "6A81"),
        ("00D7CD01 0E 54020000 5308 S", "9000"),
        ("00D7CD01 0E 54020000 5309 S", "6A80"),
        ("00D70000 0E 54020000 5308 S", "9000"),
        ("00B1CD01 04 54020000 00", "S 9000"),
        ("00B1CD01 04 54020000 00", "S 6282"),
        ("00B10000 04 54020000 00", "S 9000"),
    ];
    for (apdu, response) in commands {
        let description = line(&apdu.replace('S', SECRET), &response.replace('S', SECRET));
        assert!(
            !description.contains(&SECRET[..8]) && description.contains("redacted"),
            "{apdu}: {description}"
        );
    }
}

#[test]
fn the_current_file_is_shown_only_when_it_is_known_to_be_public() {
    let read = ("00B10000 04 54020000 00", "AABB 9000");
    for (choose, response, shown) in [
        ("00A4000002 2F02 00", "9000", true),
        ("00A4000002 2F02 00", "6A82", false),
        ("00A4000002 CD01 00", "9000", false),
        ("00D7CF01 06 54020000 5300", "9000", true),
        ("00D7CD01 06 54020000 5300", "6A84", false),
        ("00A4040C0BE82B0601040181C31F0201", "9000", false),
    ] {
        let description = lines(&[("00A4000002 2F03 00", "6A82"), (choose, response), read]);
        let read = description.last().map(String::as_str).unwrap_or_default();
        assert_eq!(read.ends_with("AABB"), shown, "{choose} {response}: {read}");
    }
    let after_protected =
        lines(&[("00A4000002 CD01 00", "9000"), ("00A4000002 2F02 00", "6A82"), read]);
    assert!(after_protected.last().is_some_and(|line| line.ends_with("redacted")));
    // A protected command may name any file.
    for protected in ["0CA400000A 8E08BB9E9C966D715B99 00", "0CD7CF010A 8E08BB9E9C966D715B99 00"] {
        let after_protected = lines(&[("00A4000002 2F02 00", "9000"), (protected, "9000"), read]);
        assert!(
            after_protected.last().is_some_and(|line| line.ends_with("redacted")),
            "{protected}"
        );
    }
}

#[test]
fn long_data_is_cut_and_times_have_a_unit() {
    let description = line("0084000000", &format!("{}9000", "5A".repeat(33)));
    assert!(description.ends_with(&format!("33 bytes {}…", "5A".repeat(32))), "{description}");
    for (micros, description) in [(41, "41 µs"), (2_140, "2.1 ms"), (1_234_567, "1.23 s")] {
        assert_eq!(time(Duration::from_micros(micros)), description);
    }
}
