//! Certificates and requests, from any source.

use vschsm_host::certificates::Verifier;
use vschsm_protocol::cvc::Certificate;
use vschsm_protocol::cvc::CertificateError;
use vschsm_protocol::tlv;

/// What is to be verified.
#[derive(Default)]
pub(super) struct Evidence {
    /// 7F21 objects.
    certificates: Vec<Vec<u8>>,
    /// 67 objects.
    requests: Vec<Vec<u8>>,
}

/// A certificate, and what is wrong with it.
pub(super) struct Certified<'a> {
    pub(super) certificate: Certificate<'a>,
    pub(super) flaw: Option<CertificateError>,
}

impl Evidence {
    /// Adds objects that stand one after the other; false if they are not all certificates and
    /// requests.
    pub(super) fn add(&mut self, content: &[u8]) -> bool {
        let objects = tlv::parse(content).unwrap_or_default();
        let known = |object: &tlv::Object<'_>| matches!(object.tag, 0x67 | 0x7F21);
        if objects.is_empty() || !objects.iter().all(known) {
            return false;
        }
        for object in objects {
            let kind = if object.tag == 0x67 { &mut self.requests } else { &mut self.certificates };
            kind.push(object.encoded.to_vec());
        }
        true
    }

    /// Adds a card's file if it may contain certificates or requests. An EF CEnn may also be an
    /// X.509 certificate, which is ignored.
    pub(super) fn add_file(&mut self, fid: u16, content: &[u8]) {
        if fid == 0x2F02 || fid >> 8 == 0xCE {
            self.add(content);
        }
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = &[u8]> {
        self.requests.iter().map(Vec::as_slice)
    }

    /// Verifies the certificates in any order, those of issuers before those that they issued.
    pub(super) fn verify(&self, verifier: &mut Verifier) -> Vec<Certified<'_>> {
        let certificates = self.certificates.iter().filter_map(|bytes| Certificate::take(bytes));
        let mut certified: Vec<_> = certificates
            .map(|(certificate, _)| Certified {
                certificate,
                flaw: Some(CertificateError::UnknownAuthority),
            })
            .collect();
        let mut news = true;
        while news {
            news = false;
            for Certified { certificate, flaw } in &mut certified {
                if *flaw == Some(CertificateError::UnknownAuthority) {
                    *flaw = verifier.certificate(certificate).err();
                    news |= *flaw != Some(CertificateError::UnknownAuthority);
                }
            }
        }
        certified
    }
}

/// The names in an unverified request, as far as it has any: holder and device.
pub(super) fn names(request: &[u8]) -> (String, String) {
    let name = |path: &[u16]| {
        let name = tlv::at(request, path).unwrap_or(b"?");
        name.escape_ascii().to_string()
    };
    (name(&[0x67, 0x7F21, 0x7F4E, 0x5F20]), name(&[0x67, 0x42]))
}
