//! WRAP KEY and UNWRAP KEY, and data that is too long for a command.

use super::{Buffer, Exchange, Judgement, Key, Limits, Model};
use crate::known::{Blob, Kind};

impl Model {
    /// The data of a command that may be longer than an APDU: its own, or what is in the work
    /// buffer, if it is certain that there is one.
    pub(super) fn long_data(&self, x: &Exchange<'_>) -> Option<Vec<u8>> {
        if !x.command.data.is_empty() {
            return Some(x.command.data.to_vec());
        }
        match &self.session.buffer {
            Buffer::There(content) | Buffer::Perhaps(content) => Some(content.clone()),
            Buffer::None => None,
        }
    }

    /// Explains the response to a command with such data: the buffer is used up if it was used, and
    /// perhaps if the command was refused.
    pub(super) fn after_long_data(&mut self, x: &Exchange<'_>, no: &[u16]) -> Result<bool, String> {
        if !x.command.data.is_empty() {
            return x.response.explained(no);
        }
        let buffer = std::mem::take(&mut self.session.buffer);
        match buffer {
            Buffer::Perhaps(_) if x.response.status == 0x6A88 => Ok(false),
            Buffer::There(content) | Buffer::Perhaps(content) => {
                let done = x.response.explained(no)?;
                if !done {
                    self.session.buffer = Buffer::Perhaps(content);
                }
                Ok(done)
            }
            Buffer::None => x.response.explained(no),
        }
    }

    pub(super) fn wrap(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let id = x.command.p1;
        let mut no = self.against_key(id, 0x92);
        no.extend(self.domains.is_empty().then_some(0x6D00));
        no.extend(self.without_login());
        no.extend((x.command.p2 != 0x92).then_some(0x6A86));
        no.extend((id == 0).then_some(0x6985));
        let key = self.keys.get(&id);
        let stays = |limits: &Limits| {
            limits.uses.is_some() || limits.quota.is_some() || limits.wrapping_key.is_some()
        };
        no.extend(key.is_some_and(|key| stays(&key.limits)).then_some(0x6985));
        let domain = key.map(|key| usize::from(key.limits.domain.unwrap_or(0)));
        let kek = domain.and_then(|domain| self.domains.get(domain)?.as_ref()?.complete_kek());
        no.extend(kek.is_none().then_some(0x6A88));
        if !x.response.explained(&no)? {
            return Ok(());
        }
        let (Some(key), Some(kek)) = (key, kek) else { return Err("there is no key".into()) };
        let blob = x.response.data.clone();
        x.known.check_value(kek, blob.get(..8).unwrap_or_default())?;
        let known = Blob {
            kek: kek.clone(),
            kind: key.kind,
            identity: key.identity.clone(),
            algorithms: key.limits.algorithms.clone(),
        };
        x.known.blobs.insert(blob, known);
        Ok(())
    }

    pub(super) fn unwrap(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let id = x.command.p1;
        let mut no = Vec::new();
        no.extend(self.domains.is_empty().then_some(0x6D00));
        no.extend(self.without_login());
        no.extend((x.command.p2 != 0x93).then_some(0x6A86));
        no.extend((id == 0).then_some(0x6985));
        let present = self.keys.get(&id);
        let replaceable = present.is_none_or(|key| {
            key.limits.algorithms.is_empty() || key.limits.algorithms.contains(&0x94)
        });
        no.extend((!replaceable).then_some(0x6985));
        let Some(data) = self.long_data(x) else {
            no.push(0x6A88);
            return x.response.refused(&no);
        };
        let bug = self.firmware.has_import_bug();
        let Some(blob) = x.known.blobs.get(&data).cloned() else {
            no.extend([0x6A80, 0x6A88]);
            no.extend(bug.then_some(0x6F00));
            return self.after_long_data(x, &no).map(drop);
        };
        no.extend((bug && !blob.algorithms.is_empty()).then_some(0x6F00));
        let keks: Vec<_> =
            self.domains.iter().map(|domain| domain.as_ref()?.complete_kek()).collect();
        let domain = keks.iter().position(|kek| *kek == Some(&blob.kek));
        no.extend(domain.is_none().then(|| match keks.iter().any(Option::is_some) {
            true => self.firmware.other_dkek(),
            false => 0x6A88,
        }));
        let has_kind = match blob.kind {
            Kind::Rsa(bits) => self.firmware.has_rsa(bits),
            Kind::Ec(curve) => self.firmware.has_curve(x.known.curves[curve].bits),
            Kind::Aes(_) => self.firmware.is_from_3(),
        };
        no.extend((!has_kind).then_some(0x6A81));
        let replaced = self.size_of_key(x.known, id);
        let before = self.used(x.known);
        no.extend(self.without_memory(before, before - replaced + x.known.bits(blob.kind)));
        if self.after_long_data(x, &no)? {
            let domain = domain.and_then(|domain| u8::try_from(domain).ok());
            let limits = Limits {
                uses: None,
                algorithms: blob.algorithms,
                domain: domain.filter(|domain| *domain != 0),
                wrapping_key: None,
                family: None,
                quota: None,
            };
            self.keys.insert(id, Key { kind: blob.kind, identity: blob.identity, limits });
        }
        x.response.has(&[])
    }
}
