//! A summary as text.

use super::{
    CertificateSummary, KeyDomainScheme, KeyDomainSummary, KeySummary, PinSummary,
    PreviousFirmwareSummary, PublicKeys, QuotaSummary, Summary,
};
use crate::text::names;
use std::fmt;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, platform, memory, .. } = self;
        let at_least = if memory.reported < memory.free { " (at least)" } else { "" };
        writeln!(
            f,
            "SmartCard-HSM Version {version} on {platform}          Free memory {} byte{at_least}",
            memory.reported
        )?;
        for certificate in self.certificates.iter().rev() {
            let CertificateSummary { role, authority, holder, from, to, .. } = certificate;
            let (title, kind) = role.in_words();
            writeln!(f, "{title} : CVC {kind} CAR={authority} CHR={holder} CED={from} CXD={to}")?;
        }
        writeln!(f)?;
        writeln!(f, "Serial number  {}", self.serial)?;
        if let Some(certificate) = self.certificates.first() {
            writeln!(f, "Device key     {}", start(&certificate.key))?;
        }
        writeln!(f, "Firmware       {}", self.firmware)?;
        if self.generates_weak_aes_keys {
            writeln!(f, "               generates weak AES keys, which anybody can guess")?;
        }
        for PreviousFirmwareSummary { firmware, certificate } in self.former.iter().rev() {
            let key = certificate.as_ref().map_or("", |certificate| &certificate.key);
            writeln!(f, "               {firmware} before an update, device key {}", start(key))?;
        }
        if let Some(label) = &self.label {
            writeln!(f, "Label          {label}")?;
        }
        writeln!(f, "Options        {}", self.options)?;
        for option in &self.options_in_words {
            writeln!(f, "               {option}")?;
        }
        writeln!(f, "User PIN       {}", pin(self.user_pin.as_ref()))?;
        writeln!(f, "SO-PIN         {}", pin(self.so_pin.as_ref()))?;
        if let Some(PublicKeys { required, names }) = &self.public_keys {
            writeln!(f, "Public keys    {required} of {} required", names.len())?;
            for name in names {
                let name = name.as_deref().unwrap_or("not registered");
                writeln!(f, "               {name}")?;
            }
        }
        for (number, domain) in self.key_domains.iter().enumerate() {
            writeln!(f, "{:<14} {}", format!("Key domain {number}"), in_words(domain.as_ref()))?;
        }
        writeln!(f, "\n{}", names::count(self.keys.len(), "key"))?;
        self.keys.iter().try_for_each(|key| writeln!(f, "{key}"))?;
        writeln!(f, "\n{}", names::count(self.files.len(), "file"))?;
        for file in &self.files {
            writeln!(f, "  {}  {:>5} bytes  {}", file.fid, file.size, file.kind)?;
        }
        writeln!(f, "\nMemory         {} of {} bytes in use", memory.used, memory.total)
    }
}

impl fmt::Display for KeySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:<4}{} {}", self.id, self.kind, self.bits)?;
        if self.weak {
            f.write_str(", WEAK: one of 256, as firmware 3.1 and 3.2 generate them")?;
        }
        match self.curve {
            Some(curve) => write!(f, ", {curve}")?,
            None if self.kind == "EC" => f.write_str(", a curve without a name")?,
            None => {}
        }
        if let Some(id) = &self.pkcs11_id {
            write!(f, ", id {id}")?;
        }
        if let Some(label) = &self.label {
            write!(f, ", label {label:?}")?;
        }
        if let Some(domain) = self.domain {
            write!(f, ", key domain {domain}")?;
        }
        if !self.algorithms.is_empty() {
            let names: Vec<_> = self.algorithms.iter().map(|listed| listed.name.as_str()).collect();
            write!(f, ", only for {}", names.join(", "))?;
        }
        if let Some(number) = self.wrapping_key {
            write!(f, ", to be wrapped by key {number} alone")?;
        }
        if let Some(uses) = self.uses_left {
            write!(f, ", {} left", names::count(uses as usize, "use"))?;
        }
        match &self.quota {
            Some(QuotaSummary::Own { refills, refill_key, .. }) => {
                write!(f, ", refill counter {refills}, refill key {refill_key}")
            }
            Some(QuotaSummary::Shared { shared_with_key }) => {
                write!(f, " with key {shared_with_key}")
            }
            None => Ok(()),
        }
    }
}

fn in_words(domain: Option<&KeyDomainSummary>) -> String {
    let Some(KeyDomainSummary { scheme, key_check_value }) = domain else {
        return "not created".into();
    };
    let (origin, without_key) = match scheme {
        KeyDomainScheme::Shares { dkek_shares, missing_shares } => {
            let shares = match dkek_shares {
                0 => "random DKEK".into(),
                shares => names::count(usize::from(*shares), "DKEK share"),
            };
            let missing = match missing_shares {
                0 => "cleared".into(),
                missing => format!("{missing} missing"),
            };
            (shares, missing)
        }
        KeyDomainScheme::Exchange { exchange_uid } => {
            let group = exchange_uid.get(..16).unwrap_or(exchange_uid);
            (format!("key exchange in group {group}"), "no key agreed on".into())
        }
    };
    match key_check_value {
        Some(value) => format!("{origin}, key check value {value}"),
        None => format!("{origin}, {without_key}"),
    }
}

/// The start of a public key, enough to distinguish it from others.
fn start(key: &str) -> String {
    format!("{}…", key.get(..16).unwrap_or(key))
}

fn pin(pin: Option<&PinSummary>) -> String {
    match pin {
        None => "not set".into(),
        Some(PinSummary { tries_left: 0, .. }) => "blocked".into(),
        Some(PinSummary { tries_left, tries }) => format!("{tries_left} of {tries} tries left"),
    }
}
