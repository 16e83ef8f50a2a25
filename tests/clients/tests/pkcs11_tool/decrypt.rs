//! The card decrypts what OpenSSL encrypted for it.

use clients::{Key, Station, Way, both_ways, key, openssl};

both_ways! {
    an_rsa_1024_key_decrypts_with_every_mechanism,
    an_rsa_2048_key_decrypts_with_every_mechanism,
    an_rsa_3072_key_decrypts_with_every_mechanism,
    an_rsa_4096_key_decrypts_with_every_mechanism,
    a_cryptogram_that_was_changed_is_refused,
}

fn an_rsa_1024_key_decrypts_with_every_mechanism(way: Way) {
    check(way, key("rsa:1024"));
}

fn an_rsa_2048_key_decrypts_with_every_mechanism(way: Way) {
    check(way, key("rsa:2048"));
}

fn an_rsa_3072_key_decrypts_with_every_mechanism(way: Way) {
    check(way, key("rsa:3072"));
}

fn an_rsa_4096_key_decrypts_with_every_mechanism(way: Way) {
    check(way, key("rsa:4096"));
}

const SECRET: &[u8] = b"for the card alone";

fn check(way: Way, key: Key) {
    let station = Station::with_keys(way);
    let pem = station.public_key(key);
    let offered = station.mechanisms("decrypt");
    for expected in ["RSA-X-509", "RSA-PKCS", "RSA-PKCS-OAEP"] {
        assert!(offered.iter().any(|name| name == expected), "{expected} is not in {offered:?}");
    }
    for mechanism in offered {
        match mechanism.as_str() {
            "RSA-X-509" => {
                let mut block = vec![0; key.size() - SECRET.len()];
                block.extend(SECRET);
                decrypt(&station, key, &pem, &block, &mechanism, &[], &["rsa_padding_mode:none"]);
            }
            "RSA-PKCS" => {
                decrypt(&station, key, &pem, SECRET, &mechanism, &[], &["rsa_padding_mode:pkcs1"]);
            }
            "RSA-PKCS-OAEP" => {
                for hash in ["SHA-1", "SHA256", "SHA384"] {
                    let md = hash.replace('-', "").to_lowercase();
                    let mgf = format!("MGF1-{}", md.to_uppercase());
                    let parameters = [
                        "rsa_padding_mode:oaep".to_owned(),
                        format!("rsa_oaep_md:{md}"),
                        format!("rsa_mgf1_md:{md}"),
                    ];
                    let parameters = parameters.each_ref().map(String::as_str);
                    let options = ["--hash-algorithm", hash, "--mgf", &mgf];
                    decrypt(&station, key, &pem, SECRET, &mechanism, &options, &parameters);
                }
            }
            _ => panic!("the card offers {mechanism}, which nobody compares"),
        }
    }
}

fn decrypt(
    station: &Station,
    key: Key,
    pem: &str,
    secret: &[u8],
    mechanism: &str,
    options: &[&str],
    parameters: &[&str],
) {
    station.write("secret", secret);
    let mut encrypt = vec!["pkeyutl", "-encrypt", "-pubin", "-inkey", pem, "-in", "secret"];
    for parameter in parameters {
        encrypt.extend(["-pkeyopt", parameter]);
    }
    encrypt.extend(["-out", "cryptogram"]);
    openssl(station, &encrypt);

    let mut decrypt = vec!["--decrypt", "--id", key.id, "--mechanism", mechanism];
    decrypt.extend(["--input-file", "cryptogram", "--output-file", "plain"]);
    decrypt.extend(options);
    let decrypted = station.pkcs11(&decrypt).succeeded();

    assert_eq!(station.read("plain"), secret, "{decrypted}");
}

fn a_cryptogram_that_was_changed_is_refused(way: Way) {
    let station = Station::with_keys(way);
    let key = key("rsa:2048");
    let pem = station.public_key(key);
    station.write("secret", SECRET);
    openssl(
        &station,
        &["pkeyutl", "-encrypt", "-pubin", "-inkey", &pem, "-in", "secret", "-out", "cryptogram"],
    );
    let mut cryptogram = station.read("cryptogram");
    cryptogram.reverse();
    station.write("cryptogram", cryptogram);

    let decrypt = ["--decrypt", "--id", key.id, "--mechanism", "RSA-PKCS"];
    let files = ["--input-file", "cryptogram", "--output-file", "plain"];
    station.pkcs11(&[&decrypt[..], &files].concat()).failed();
}
