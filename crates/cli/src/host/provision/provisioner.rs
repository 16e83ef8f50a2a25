//! Sends a new card the commands that provision it.

use super::certificate::{self, Certificate};
use super::key_plan::{self, KeyPlan, Kind};
use crate::host::dkek_share;
use crate::host::pkcs15;
use crate::text::failure::Failure;
use crate::text::secret::Secret;
use crate::text::{hex, names};
use std::fmt;
use std::path::Path;
use vschsm_card::Card;
use vschsm_card::state::KeyId;
use vschsm_host::command;
use vschsm_protocol::crypto::public_key::PublicKey;
use vschsm_protocol::tlv::encode;
use zeroize::Zeroizing;

/// EF of the label.
const TOKEN_INFORMATION: u16 = 0x2F03;
/// Prefix of the EF of a key's certificate or request.
const CERTIFICATE: u8 = 0xCE;

/// How much of a file goes into one command: less than the shortest that some firmware takes.
const PIECE: usize = 1000;

/// A card in memory that is given what a plan says; not saved before all of it is there.
pub(super) struct Provisioner<'a>(&'a mut Card);

impl<'a> Provisioner<'a> {
    pub(super) fn new(card: &'a mut Card) -> Self {
        Self(card)
    }

    /// Selects the applet, initialises the card and logs in. `domains` is the object of its key
    /// domains.
    pub(super) fn initialize(
        &mut self,
        pin: &str,
        so_pin: &[u8],
        tries: Option<u8>,
        domains: Option<(u16, u8)>,
    ) -> Result<(), Failure> {
        self.ask("select the applet", command::SELECT_APPLET)?;
        let mut data = encode(0x80, &[0x00, 0x01]);
        data.extend(encode(0x81, pin.as_bytes()));
        data.extend(encode(0x82, so_pin));
        data.extend(encode(0x91, &[tries.unwrap_or(3)]));
        data.extend(domains.map(|(tag, number)| encode(tag, &[number])).unwrap_or_default());
        let hint = "initialise the card: a PIN has 6 to 16 characters, and up to 3 tries if it has \
                    6, 5 if it has 7, 10 if it has more";
        self.ask(hint, &command::without_le([0x80, 0x50, 0x00, 0x00], &data))?;
        self.ask("verify the PIN", &command::verify(pin)).map(drop)
    }

    /// Imports a DKEK share.
    pub(super) fn import_share(
        &mut self,
        path: &Path,
        password: Option<&Secret>,
    ) -> Result<(), Failure> {
        let share = dkek_share::read_share(path, password)?;
        let import = Zeroizing::new(command::import_share(0, &share));
        let what = format_args!("import the DKEK share {}", path.display()).to_string();
        self.ask(what, &import).map(drop)
    }

    /// Gives the token a label.
    pub(super) fn label(&mut self, label: &str) -> Result<(), Failure> {
        let content = pkcs15::token_information(label);
        self.write("write the label", TOKEN_INFORMATION, &content)
    }

    /// Makes a key with its description, and its certificate if it is to have one.
    pub(super) fn key(&mut self, plan: &KeyPlan, number: u8) -> Result<(), Failure> {
        let (id, label) = (plan.id(number), plan.label());
        let what = || format!("make the key {} with the id {id}", plan.kind);
        let certificate = plan
            .certificate()
            .map_err(|sentence| Failure::Usage(format!("the key with the id {id}: {sentence}")))?;
        let command = self.generation(plan, number);
        self.ask(what(), &command)?;
        let certificate = match certificate {
            Some(certificate) => Some(self.certificate(&certificate, number)?),
            None => None,
        };
        let subject = certificate.as_ref().map(|certificate| certificate.subject.as_slice());
        let description = pkcs15::key(&plan.kind, number, &id.0, &label, subject);
        self.write(what(), fid(pkcs15::DESCRIPTION, number), &description)?;
        let Some(Certificate { der, .. }) = certificate else { return Ok(()) };
        // What is written over something longer leaves its end.
        let request =
            [&[0x00, 0xE4, 0x02, 0x00, 0x02], &fid(CERTIFICATE, number).to_be_bytes()[..]];
        self.ask("delete a request", &request.concat())?;
        let what = format_args!("write the certificate of the key with the id {id}").to_string();
        self.write(what, fid(CERTIFICATE, number), &der)
    }

    /// Ends the session.
    pub(super) fn done(self) {
        self.0.reset();
    }

    /// The command that makes the key; the card keeps the request of a pair.
    fn generation(&self, plan: &KeyPlan, number: u8) -> Vec<u8> {
        let mut limits = Vec::new();
        if let Some(uses) = plan.uses {
            limits.extend(encode(0x90, &uses.to_be_bytes()));
        }
        if let Some(algorithms) = &plan.algorithms {
            limits.extend(encode(0x91, &algorithms.0));
        }
        if let Some(domain) = plan.domain {
            limits.extend(encode(0x92, &[domain]));
        }
        let public_key = match &plan.kind {
            Kind::Rsa(bits) => command::rsa_public_key(*bits),
            Kind::Ec(curve) => command::ec_public_key(curve.parameters()),
            Kind::Aes(bits) => {
                let size = match bits {
                    128 => 0xB0,
                    192 => 0xB1,
                    _ => 0xB2,
                };
                return command::without_le([0x00, 0x48, number, size], &limits);
            }
        };
        let serial = self.0.state().device().serial();
        let holder = [serial, format!("{number:05}").as_bytes()].concat();
        let template = command::template(&public_key, &holder, &limits);
        command::without_le([0x00, 0x46, number, 0x00], &template)
    }

    fn certificate(
        &mut self,
        plan: &key_plan::Certificate,
        number: u8,
    ) -> Result<Certificate, Failure> {
        let key = KeyId::try_from(number).ok();
        let key = self.0.state().keys().find(|(id, _)| Some(*id) == key);
        let key = key
            .and_then(|(_, key)| key.public_key())
            .ok_or_else(|| Failure::Usage("an AES key has no certificate: leave it out".into()))?;
        match plan {
            key_plan::Certificate::File(path) => certificate::read(path, &key),
            key_plan::Certificate::SelfSigned(plan) => {
                let name = &plan.name;
                let algorithm = match key {
                    PublicKey::Rsa { .. } => 0x33,
                    PublicKey::Ec { .. } => 0x73,
                };
                certificate::self_signed(plan, &key, |content| {
                    self.check_length(content)?;
                    let sign = command::with_le([0x80, 0x68, number, algorithm], content);
                    let hint = format!(
                        "sign the certificate {name}, for which the key must be allowed to be used \
                         with {algorithm:02X}"
                    );
                    self.ask(hint, &sign)
                })
            }
        }
    }

    /// That a certificate's content fits a command.
    fn check_length(&self, content: &[u8]) -> Result<(), Failure> {
        let profile = self.0.profile();
        // Header, Lc and Le.
        let most = profile.max_command().saturating_sub(9);
        if content.len() <= most {
            return Ok(());
        }
        Err(Failure::Failed(format!(
            "a certificate has {} bytes to be signed, and a card of firmware {} takes {most} in a \
             command: give it a shorter name",
            content.len(),
            profile.name()
        )))
    }

    /// Writes a file that is not there yet, in pieces that every firmware takes.
    fn write(&mut self, what: impl fmt::Display, fid: u16, content: &[u8]) -> Result<(), Failure> {
        for (piece, offset) in content.chunks(PIECE).zip((0..=u16::MAX).step_by(PIECE)) {
            self.ask(&what, &command::write_at(fid, offset, piece))?;
        }
        Ok(())
    }

    /// Sends a command that must succeed; `what` says what it does.
    fn ask(&mut self, what: impl fmt::Display, apdu: &[u8]) -> Result<Vec<u8>, Failure> {
        let response = self.0.transmit(apdu).response;
        if let Some(data) = response.strip_suffix(&[0x90, 0x00]) {
            return Ok(data.to_vec());
        }
        let status = response.last_chunk().copied().map_or(0, u16::from_be_bytes);
        let words = names::status(status).unwrap_or_default();
        let firmware = self.0.profile().name();
        let status = hex::upper(&status.to_be_bytes());
        Err(Failure::Failed(format!(
            "a card of firmware {firmware} does not {what}: it answers {status} {words}"
        )))
    }
}

fn fid(prefix: u8, number: u8) -> u16 {
    u16::from_be_bytes([prefix, number])
}
