//! Every key signs with every mechanism that the card offers for it, and OpenSSL verifies it.

use clients::{Key, Station, Way, key, openssl};

/// Two tests for each key: its name in snake case, and as pkcs11-tool calls it.
macro_rules! keys {
    ($($test:ident: $kind:literal,)*) => {
        mod every_signature_verifies {
            $(
                fn $test(way: clients::Way) {
                    super::check(way, clients::key($kind));
                }
            )*

            clients::both_ways! {
                $($test,)*
            }
        }
    };
}

keys! {
    rsa_1024: "rsa:1024",
    rsa_1536: "rsa:1536",
    rsa_2048: "rsa:2048",
    rsa_3072: "rsa:3072",
    rsa_4096: "rsa:4096",
    secp192r1: "EC:secp192r1",
    secp256r1: "EC:secp256r1",
    secp384r1: "EC:secp384r1",
    secp521r1: "EC:secp521r1",
    secp192k1: "EC:secp192k1",
    secp256k1: "EC:secp256k1",
    brainpool_p192r1: "EC:brainpoolP192r1",
    brainpool_p224r1: "EC:brainpoolP224r1",
    brainpool_p256r1: "EC:brainpoolP256r1",
    brainpool_p320r1: "EC:brainpoolP320r1",
    brainpool_p384r1: "EC:brainpoolP384r1",
    brainpool_p512r1: "EC:brainpoolP512r1",
}

clients::both_ways! {
    signatures_with_leading_zeros_verify,
}

/// The card of 3.4 writes all signatures on secp521r1 with 139 bytes, half of them with leading
/// zeros that DER forbids: OpenSC makes r ‖ s of them, and DER of that, which OpenSSL takes.
fn signatures_with_leading_zeros_verify(way: Way) {
    let station = Station::delivered(way, &["--firmware", "3.4"]);
    station.initialize(&[]);
    let key = key("EC:secp521r1");
    station.generate(key).succeeded();
    let pem = station.public_key(key);
    for number in 0..24_u8 {
        station.write("digest", [number; 32]);
        let sign = ["--sign", "--id", key.id, "--mechanism", "ECDSA"];
        let files = ["--input-file", "digest", "--output-file", "signature"];
        station.pkcs11(&[&sign[..], &files].concat()).succeeded();
        assert_eq!(station.read("signature").len(), 132);
        station
            .pkcs11(&[&sign[..], &files, &["--signature-format", "openssl"]].concat())
            .succeeded();
        let verify = ["pkeyutl", "-verify", "-pubin", "-inkey", &pem, "-sigfile", "signature"];
        openssl(&station, &[&verify[..], &["-in", "digest"]].concat());
    }
}

/// The hashes that RSA-PKCS-PSS is used with: it signs a digest that the host made.
const HASHES: [&str; 5] = ["SHA-1", "SHA224", "SHA256", "SHA384", "SHA512"];

/// What is signed.
const MESSAGE: &[u8] = b"To be signed by a card and verified by OpenSSL";

/// One way to use a mechanism; the options are words with spaces between them.
struct Use {
    /// The file that is signed.
    input: String,
    /// Further options of `pkcs11-tool --sign`.
    options: String,
    /// Options of `openssl dgst` or `openssl pkeyutl`, and the file that was signed.
    verify: String,
    /// The card cannot do it, and says so.
    refused: bool,
}

fn check(way: Way, key: Key) {
    let station = Station::with_keys(way);
    write_inputs(&station, key);
    let pem = station.public_key(key);
    let offered = station.mechanisms("sign");
    let opensc = station.run("opensc-tool", &["--info"]).succeeded().text();
    let fitting: Vec<_> =
        offered.iter().filter(|name| name.contains("RSA") == key.is_rsa()).collect();
    assert!(fitting.len() > 4, "only {offered:?} offered");
    for mechanism in fitting {
        for way in uses(key, mechanism, &opensc) {
            sign_and_verify(&station, key, &pem, mechanism, &way);
        }
    }
}

/// All ways to use `mechanism` with the version `opensc`.
fn uses(key: Key, mechanism: &str, opensc: &str) -> Vec<Use> {
    match mechanism {
        "RSA-X-509" => vec![raw("block", "message")],
        "RSA-PKCS" => vec![raw("message", "message")],
        "ECDSA" => vec![raw("digest.SHA256", "digest.SHA256")],
        "RSA-PKCS-PSS" => HASHES.map(|hash| pss_of_digest(key, hash)).into(),
        _ => {
            let hash = mechanism
                .strip_suffix("-RSA-PKCS")
                .or_else(|| mechanism.strip_suffix("-RSA-PKCS-PSS"))
                .or_else(|| mechanism.strip_prefix("ECDSA-"));
            let Some(hash) = hash else {
                panic!("the card offers {mechanism}, which nobody verifies")
            };
            if mechanism.ends_with("-PSS") {
                vec![pss_of_message(key, hash, opensc)]
            } else {
                let verify = format!("dgst -{}", openssl_name(hash));
                vec![Use {
                    input: "message".into(),
                    options: String::new(),
                    verify,
                    refused: false,
                }]
            }
        }
    }
}

/// The card gets `input` as it is; what is signed, but for padding, is in the file `signed`.
fn raw(input: &str, signed: &str) -> Use {
    let verify = format!("pkeyutl -in {signed}");
    Use { input: input.into(), options: String::new(), verify, refused: false }
}

fn pss_of_digest(key: Key, hash: &str) -> Use {
    let (input, name) = (format!("digest.{hash}"), openssl_name(hash));
    let verify = format!(
        "pkeyutl -pkeyopt digest:{name} -pkeyopt rsa_padding_mode:pss \
         -pkeyopt rsa_pss_saltlen:digest -pkeyopt rsa_mgf1_md:{name} -in {input}"
    );
    let options = format!("--hash-algorithm {hash}");
    Use { input, options, verify, refused: !fits_pss(key, hash) }
}

/// The module hashes the message, and the card pads and signs the digest.
fn pss_of_message(key: Key, hash: &str, opensc: &str) -> Use {
    let name = openssl_name(hash);
    let verify = format!(
        "dgst -{name} -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest \
         -sigopt rsa_mgf1_md:{name}"
    );
    // These send the card a DigestInfo in place of the digest: OpenSC's issue 2826.
    let defective = ["OpenSC 0.22", "OpenSC 0.23"].iter().any(|old| opensc.starts_with(old));
    let refused = defective || !fits_pss(key, hash);
    Use { input: "message".into(), options: String::new(), verify, refused }
}

/// A digest's length tells the card its hash, SHA-224 not among them; the salt is as long again.
fn fits_pss(key: Key, hash: &str) -> bool {
    hash != "SHA224" && (hash != "SHA512" || key.bits > 1024)
}

/// `SHA-1` and `SHA1` are `sha1` to OpenSSL.
fn openssl_name(hash: &str) -> String {
    hash.replace('-', "").to_lowercase()
}

fn write_inputs(station: &Station, key: Key) {
    station.write("message", MESSAGE);
    for hash in HASHES {
        let (option, file) = (format!("-{}", openssl_name(hash)), format!("digest.{hash}"));
        openssl(station, &["dgst", &option, "-binary", "-out", &file, "message"]);
    }
    if key.is_rsa() {
        // The message as PKCS #1 v1.5 pads it.
        let padding = vec![0xFF; key.size() - MESSAGE.len() - 3];
        station.write("block", [&[0x00, 0x01], &padding[..], &[0x00], MESSAGE].concat());
    }
}

fn sign_and_verify(station: &Station, key: Key, pem: &str, mechanism: &str, way: &Use) {
    let mut sign = vec!["--sign", "--id", key.id, "--mechanism", mechanism];
    sign.extend(["--input-file", &way.input, "--output-file", "signature"]);
    sign.extend(["--signature-format", "openssl"]);
    sign.extend(way.options.split_whitespace());
    let signed = station.pkcs11(&sign);
    if way.refused {
        signed.failed().says("CKR_DATA_INVALID");
        return;
    }
    signed.succeeded();

    let mut verify: Vec<_> = way.verify.split_whitespace().collect();
    if verify.first() == Some(&"dgst") {
        verify.extend(["-verify", pem, "-signature", "signature", &way.input]);
    } else {
        verify.extend(["-verify", "-pubin", "-inkey", pem, "-sigfile", "signature"]);
    }
    openssl(station, &verify);
}
