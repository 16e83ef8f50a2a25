//! MANAGE SECURITY ENVIRONMENT and VERIFY CERTIFICATE: what the card trusts.

use super::session::Holder;
use super::{Exchange, Judgement, Model};
use crate::known::{Kind, Known, Request};
use vschsm_protocol::tlv;

/// Names of the roots: that of the test cards comes first.
const ROOTS: [&[u8]; 3] = [b"ZZSRCAVS100001", b"DESRCACC100001", b"UTSRCACC100001"];
/// The issuer of the test cards.
const ISSUER: &[u8] = b"ZZDIVS0100001";

/// What the card makes of an authenticated request.
pub(super) enum CheckedRequest {
    /// It is for this key.
    For(Request),
    /// It is refused for one of these reasons.
    Refused(Vec<u16>),
}

impl CheckedRequest {
    pub(super) fn request(&self) -> Option<&Request> {
        match self {
            Self::For(request) => Some(request),
            Self::Refused(_) => None,
        }
    }

    pub(super) fn reasons(&self) -> &[u16] {
        match self {
            Self::For(_) => &[],
            Self::Refused(reasons) => reasons,
        }
    }
}

impl Model {
    /// What comes of the request that is a command's data, or in the work buffer.
    pub(super) fn checked_request(&self, x: &Exchange<'_>) -> CheckedRequest {
        match self.long_data(x) {
            Some(data) => self.checked_request_in(x.known, &data),
            None => CheckedRequest::Refused(vec![0x6A88]),
        }
    }

    pub(super) fn checked_request_in(&self, known: &Known, data: &[u8]) -> CheckedRequest {
        let Some(request) = known.requests.get(data) else {
            return CheckedRequest::Refused(vec![0x6A80, 0x6985, 0x6A88]);
        };
        let device = self.session.trusted.iter().find(|holder| holder.name == request.authority);
        let device = device.filter(|_| request.authority != ISSUER);
        let mut no = Vec::new();
        no.extend(matches!(request.kind, Kind::Rsa(_)).then_some(0x6A80));
        match device {
            None => no.push(0x6A88),
            Some(device) => {
                let has_signed = device.point.is_some() && device.point == request.device;
                no.extend((!has_signed).then_some(0x6985));
            }
        }
        if no.is_empty() {
            CheckedRequest::For(request.clone())
        } else {
            CheckedRequest::Refused(no)
        }
    }

    pub(super) fn manage_security_environment(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let objects = tlv::parse(&x.command.data).unwrap_or_default();
        let verifies = self.firmware.is_from_2();
        match x.command.p1p2() {
            0x41A4 => self.choose_protocol(x, tlv::find(&objects, 0x80)),
            0x81A4 if verifies => self.choose_authenticator(x, tlv::find(&objects, 0x83)),
            0x81B6 if verifies => self.choose_issuer(x, tlv::find(&objects, 0x83)),
            _ => x.response.refused(&[0x6A86]),
        }
    }

    fn choose_protocol(&mut self, x: &Exchange<'_>, identifier: Option<&[u8]>) -> Judgement {
        // id-CA-ECDH, and 3DES or AES-128.
        let arc = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x03, 0x02];
        let is_one = match identifier.and_then(|identifier| identifier.strip_prefix(&arc)) {
            Some([0x01]) => true,
            Some([0x02]) => self.firmware.is_from_2(),
            _ => false,
        };
        let no = (!is_one).then_some(0x6A80);
        self.session.has_protocol |= x.response.explained(no.as_slice())?;
        x.response.has(&[])
    }

    fn choose_issuer(&mut self, x: &Exchange<'_>, name: Option<&[u8]>) -> Judgement {
        let Some(name) = name else { return x.response.refused(&[0x6A80]) };
        let root = ROOTS.contains(&name).then(|| Holder { name: name.to_vec(), point: None });
        let known = self.session.trusted.iter().find(|holder| holder.name == name);
        let Some(holder) = root.or(known.cloned()) else { return x.response.refused(&[0x6A88]) };
        x.response.explained(&[])?;
        self.session.issuer = Some(holder);
        x.response.has(&[])
    }

    pub(super) fn verify_certificate(&mut self, x: &mut Exchange<'_>) -> Judgement {
        if x.command.p1p2() != 0x00BE {
            return x.response.refused(&[0x6A86]);
        }
        let Some(certificate) = x.known.certificates.get(x.command.data.as_slice()) else {
            return x.response.refused(&[0x6300, 0x6985, 0x6A80, 0x6A88]);
        };
        let issuer = self.session.issuer.as_ref();
        let is_by_them = issuer.is_some_and(|issuer| issuer.name == certificate.authority);
        let no = (!is_by_them).then_some(0x6A88);
        if x.response.explained(no.as_slice())? {
            let point = Some(certificate.point.clone());
            let holder = Holder { name: certificate.holder.clone(), point };
            let trusted = &mut self.session.trusted;
            trusted.retain(|known| known.name != holder.name);
            if trusted.len() == 16 {
                trusted.remove(0);
            }
            trusted.push(holder);
        }
        x.response.has(&[])
    }
}
