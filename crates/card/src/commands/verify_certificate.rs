//! VERIFY CERTIFICATE — `00 2A 00 BE { 7F4E, 5F37 }`: verifies a certificate with the key
//! that MANAGE SECURITY ENVIRONMENT has set.
//!
//! The data is what a certificate has in its 7F21. Roots certify issuers, and these devices; a key
//! without domain parameters is on the curve of its issuer's. The card has no clock, so it
//! accepts expired certificates. It remembers the last 16 until it is reset.
//!
//! | SW     | when                                                          |
//! |--------|---------------------------------------------------------------|
//! | `9000` | the signature is right: the card trusts the holder            |
//! | `6300` | the signature is wrong                                        |
//! | `6985` | the issuer may not issue to a holder of that role             |
//! | `6A80` | malformed, not an EC key, or not a SmartCard-HSM's role           |
//! | `6A86` | P1P2 is not 00BE                                              |
//! | `6A88` | no key was chosen, or one that is not the issuer's            |
//!
//! Source: the vendor's card service for Java, `verifyCertificate`; the status words of failures
//! are a guess.

use crate::context::Context;
use vschsm_protocol::apdu::{Command, Response, Status};
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::cvc::CertificateError;
use vschsm_protocol::tlv;

/// A self-descriptive certificate.
const CERTIFICATE: u16 = 0x00BE;

pub(super) fn run(cx: &mut Context<'_>, command: &Command) -> Result<Response, Status> {
    if command.p1p2() != CERTIFICATE {
        return Err(Status::INCORRECT_P1P2);
    }
    let objects = tlv::parse(&command.data)?;
    let certificate = Certificate::of_content(&objects).ok_or(Status::WRONG_DATA)?;
    certificate.role().ok_or(Status::WRONG_DATA)?;
    let issuer = cx.session.issuer.as_ref();
    let issuer = issuer.filter(|issuer| issuer.holder == certificate.authority());
    let holder = issuer.ok_or(Status::REFERENCE_NOT_FOUND)?.verify(&certificate).map_err(status)?;

    cx.session.trust(holder);
    Ok(Response::ok([]))
}

fn status(flaw: CertificateError) -> Status {
    match flaw {
        CertificateError::Malformed => Status::WRONG_DATA,
        CertificateError::UnknownAuthority => Status::REFERENCE_NOT_FOUND,
        CertificateError::WrongSignature | CertificateError::WrongOwnSignature => {
            Status::AUTHENTICATION_FAILED
        }
        CertificateError::NotEntitled => Status::CONDITIONS_NOT_SATISFIED,
    }
}
