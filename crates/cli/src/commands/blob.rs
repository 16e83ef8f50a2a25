//! `vschsm blob`: the fields of a wrapped key.

use crate::text::failure::Failure;
use crate::text::{hex, input, names, output};
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;
use vschsm_protocol::algorithm;
use vschsm_protocol::key_blob::{Blob, Component, KeyEncryptionKey};
use vschsm_protocol::tlv;

/// Explain a wrapped key, field by field
///
/// FILE holds a key blob, as WRAP KEY returns it, or the container that `sc-hsm-tool --wrap-key`
/// writes, in binary or hexadecimal.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vschsm blob signer.key
  vschsm dkek show share.pbe --reveal
  vschsm blob signer.key --dkek 4444…44 --reveal")]
pub(crate) struct Explain {
    file: PathBuf,

    /// Verify and unwrap the blob with this DKEK: 32 bytes in hexadecimal
    #[arg(long, value_name = "HEX", value_parser = dkek)]
    dkek: Option<KeyEncryptionKey>,

    /// Print the private key, too: a secret
    #[arg(long, requires = "dkek")]
    reveal: bool,
}

fn dkek(text: &str) -> Result<KeyEncryptionKey, String> {
    let wrong = |bytes: Vec<u8>| format!("a DKEK has 32 bytes, not {}", bytes.len());
    hex::parse(text)?.try_into().map(KeyEncryptionKey::new).map_err(wrong)
}

/// Components that are not secret.
const PUBLIC: [&str; 7] = ["n", "e", "a", "b", "order", "base point", "public point"];

/// Prints what is in the file.
pub(crate) fn run(options: &Explain) -> Result<(), Failure> {
    let path = options.file.display();
    let bytes = input::bytes(&options.file)?;
    let text = std::str::from_utf8(&bytes).ok();
    let bytes = text.and_then(|text| hex::parse(text).ok()).unwrap_or_else(|| bytes.to_vec());
    let container = container(&bytes);
    let parsed = Blob::parse(container.as_ref().map_or(&bytes, |container| container.blob));
    let blob = parsed.map_err(|_| {
        Failure::Failed(format!("{path} is neither a wrapped key nor a container with one"))
    })?;
    let mut report = String::new();
    if let Some(container) = &container {
        line(&mut report, "Container", container.describe());
    }
    explain(&mut report, &blob);
    if let Some(kek) = &options.dkek {
        unwrap(&mut report, &blob, kek, options.reveal)
            .map_err(|reason| Failure::Failed(format!("{path} {reason}")))?;
    }
    output::print(report)
}

/// What sc-hsm-tool writes: 30 { 04 blob, key description, certificate or request }.
struct Container<'a> {
    blob: &'a [u8],
    others: Vec<u16>,
}

fn container(bytes: &[u8]) -> Option<Container<'_>> {
    let outer = tlv::parse(bytes).ok()?;
    let objects = tlv::parse(tlv::find(&outer, 0x30)?).ok()?;
    let blob = tlv::find(&objects, 0x04)?;
    let others = objects.iter().map(|object| object.tag).filter(|tag| *tag != 0x04).collect();
    Some(Container { blob, others })
}

impl Container<'_> {
    fn describe(&self) -> String {
        let names = self.others.iter().enumerate().map(|(place, tag)| match (place, tag) {
            (0, 0x30) => "the description of an RSA key",
            (0, 0xA0) => "the description of an EC key",
            (0, 0xA8) => "the description of a secret key",
            (_, 0x30) => "a certificate",
            (_, 0x67) => "a certificate request",
            _ => "an unknown object",
        });
        let names: Vec<_> = ["the blob"].into_iter().chain(names).collect();
        format!("of sc-hsm-tool, with {}", names.join(", "))
    }
}

fn line(report: &mut String, title: &str, value: impl std::fmt::Display) {
    writeln!(report, "{title:<18} {value}").expect("a String takes everything");
}

fn explain(report: &mut String, blob: &Blob<'_>) {
    line(report, "Key check value", hex::upper(&blob.check_value));
    let kind = match blob.kind {
        0x05 => "RSA, without its primes",
        0x06 => "RSA, with its primes",
        0x0C => "EC",
        0x0F => "AES",
        _ => "unknown",
    };
    line(report, "Type", format_args!("{:02X} {kind}", blob.kind));
    let algorithm = match blob.default_algorithm {
        [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x01, 0x02] => "RSA PKCS#1 SHA-256",
        [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03] => "ECDSA SHA-256",
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01] => "AES",
        _ => "unknown",
    };
    let identifier = hex::upper(blob.default_algorithm);
    line(report, "Default algorithm", format_args!("{identifier} {algorithm}"));
    let allowed = blob.algorithms.iter().map(|id| match algorithm::name(*id) {
        Some(name) => format!("{id:02X} {name}"),
        None => format!("{id:02X}"),
    });
    let allowed = allowed.collect::<Vec<_>>().join(", ");
    let allowed =
        if allowed.is_empty() { "no list: all algorithms for this type of key" } else { &allowed };
    line(report, "Algorithms", allowed);
    line(report, "Key identifier", digits(blob.identifier));
    line(report, "Cryptogram", names::count(blob.cryptogram.len(), "byte"));
    line(report, "MAC", hex::upper(blob.mac));
}

/// The digits of bytes, if there are any.
fn digits(bytes: &[u8]) -> String {
    if bytes.is_empty() { "none".into() } else { hex::upper(bytes) }
}

/// Verifies and unwraps the blob. An error is the rest of a sentence that begins with the file.
fn unwrap(
    report: &mut String,
    blob: &Blob<'_>,
    kek: &KeyEncryptionKey,
    reveal: bool,
) -> Result<(), String> {
    if kek.check_value() != blob.check_value {
        let (own, other) = (hex::upper(&blob.check_value), hex::upper(&kek.check_value()));
        return Err(format!("needs the DKEK with key check value {own}, not the one with {other}"));
    }
    if !blob.is_genuine(kek) {
        return Err("is damaged or was changed: its MAC is wrong".into());
    }
    line(report, "", "the MAC is right: wrapped with this DKEK");
    let components = blob.components(kek).ok_or("holds a key in an unknown format")?;
    for component in components {
        let Component { name, bytes } = &component;
        let shown = if reveal || PUBLIC.contains(name) {
            hex::upper(bytes)
        } else {
            format!("{}, secret", names::count(bytes.len(), "byte"))
        };
        line(report, name, shown);
        if component.is_weak_aes_key() {
            line(report, "", "WEAK: one of 256, as firmware 3.1 and 3.2 generate them");
        }
    }
    Ok(())
}
