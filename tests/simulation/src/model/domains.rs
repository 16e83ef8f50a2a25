//! MANAGE KEY DOMAIN and DERIVE XKEK.

use super::trust::CheckedRequest;
use super::{Domain, Exchange, Judgement, Model, Scheme, equal};
use crate::known::{Kek, Kind};
use vschsm_card::state::State;
use vschsm_protocol::tlv;

impl Domain {
    /// The key-encryption key, unless shares are missing.
    pub(super) fn complete_kek(&self) -> Option<&Kek> {
        let incomplete = matches!(self.scheme, Scheme::Shares { missing: 1.., .. });
        self.kek.as_ref().filter(|_| !incomplete)
    }

    fn import(&mut self, share: &[u8; 32]) -> Option<()> {
        let Scheme::Shares { missing: missing @ 1.., .. } = &mut self.scheme else { return None };
        *missing -= 1;
        let mut sum = match &self.kek {
            Some(Kek::Sum(sum)) => *sum,
            _ => [0; 32],
        };
        sum.iter_mut().zip(share).for_each(|(byte, share)| *byte ^= share);
        self.kek = Some(Kek::Sum(sum));
        Some(())
    }
}

impl Model {
    pub(super) fn manage_key_domain(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (p1, place) = (x.command.p1, usize::from(x.command.p2));
        let mut no = Vec::new();
        no.extend(self.domains.is_empty().then_some(0x6D00));
        no.extend((place >= self.domains.len()).then_some(0x6A86));
        match p1 {
            0x00 => {}
            0x01..=0x04 if self.firmware.is_from_3() => no.extend(self.without_login()),
            _ => no.push(0x6A86),
        }
        if !no.is_empty() {
            return x.response.refused(&no);
        }
        match p1 {
            0x00 if x.command.data.is_empty() => {}
            0x00 => return self.import_share(x, place),
            0x01 => return self.create_domain(x, place),
            0x02 => return self.join(x, place),
            0x03 => return self.delete_domain(x, place),
            _ => {
                if let Some(domain) = &mut self.domains[place] {
                    domain.kek = None;
                    if let Scheme::Shares { number, missing } = &mut domain.scheme {
                        *missing = *number;
                    }
                }
            }
        }
        self.tell(x, place, &[])
    }

    /// The response describes the domain, unless it does not exist or the command is refused.
    fn tell(&mut self, x: &mut Exchange<'_>, place: usize, no: &[u16]) -> Judgement {
        let domain = self.domains[place].as_ref();
        let absent = domain.is_none().then_some(0x6A88);
        let no: Vec<_> = no.iter().copied().chain(absent).collect();
        if !x.response.explained(&no)? {
            return Ok(());
        }
        let Some(domain) = domain else { return Ok(()) };
        let (numbers, group) = match &domain.scheme {
            Scheme::Shares { number, missing } => ([*number, *missing], &[][..]),
            Scheme::Exchange { group } => ([0xFF, 0x00], &group[..]),
        };
        let Some((told, value)) = x.response.data.split_first_chunk::<2>() else {
            return Err("it tells nothing".into());
        };
        let Some((value, told_group)) = value.split_first_chunk::<8>() else {
            return Err("it tells no check value".into());
        };
        equal("the number of shares", &numbers, told)?;
        equal("the group", group, told_group)?;
        match domain.complete_kek() {
            Some(kek) => x.known.check_value(kek, value),
            None => equal("the check value", &[0; 8], value),
        }
    }

    fn import_share(&mut self, x: &mut Exchange<'_>, place: usize) -> Judgement {
        let mut no = Vec::new();
        let (before, old) = (self.used(x.known), self.domains[place].clone());
        match (<&[u8; 32]>::try_from(x.command.data.as_slice()), &mut self.domains[place]) {
            (Ok(share), Some(domain)) => {
                no.extend(domain.import(share).is_none().then_some(0x6985))
            }
            (Err(_), _) => no.push(0x6700),
            (Ok(_), None) => {}
        }
        no.extend(self.without_memory(before, self.used(x.known)));
        if !no.is_empty() {
            self.domains[place] = old;
        }
        self.tell(x, place, &no)
    }

    fn create_domain(&mut self, x: &mut Exchange<'_>, place: usize) -> Judgement {
        let mut no = Vec::new();
        no.extend(self.domains[place].is_some().then_some(0x6985));
        match x.command.data.as_slice() {
            &[shares] if no.is_empty() => {
                let domain = Domain::of_shares(shares, x.known);
                return self.fill(x, place, domain);
            }
            [_] => {}
            _ => no.push(0x6700),
        }
        x.response.refused(&no)
    }

    /// A domain comes into the slot, which is empty, if there is memory for it.
    fn fill(&mut self, x: &mut Exchange<'_>, place: usize, domain: Domain) -> Judgement {
        let before = self.used(x.known);
        self.domains[place] = Some(domain);
        if let Some(status) = self.without_memory(before, self.used(x.known)) {
            self.domains[place] = None;
            return x.response.refused(&[status]);
        }
        self.tell(x, place, &[])
    }

    fn join(&mut self, x: &mut Exchange<'_>, place: usize) -> Judgement {
        let mut no = Vec::new();
        no.extend(self.domains[place].is_some().then_some(0x6985));
        let objects = tlv::parse(&x.command.data).unwrap_or_default();
        let Some((membership, request)) = objects.split_last() else {
            no.push(0x6A80);
            return x.response.refused(&no);
        };
        no.extend((membership.tag != 0x54).then_some(0x6A80));
        let request: Vec<u8> = request.iter().flat_map(|object| object.encoded).copied().collect();
        let checked = self.checked_request_in(x.known, &request);
        no.extend(checked.reasons());
        let CheckedRequest::For(request) = checked else { return x.response.refused(&no) };
        let signature = x.known.signatures.get(membership.value);
        let x_coordinate = self.device.point.get(1..33).unwrap_or_default();
        let message = [&[0x54], x_coordinate].concat();
        let is_member = membership.value.len() == 64
            && signature.is_some_and(|signature| {
                signature.identity == request.identity && signature.message == message
            });
        no.extend((!is_member).then_some(0x6985));
        if no.is_empty() {
            let group = request.identity[1..].to_vec();
            let domain = Domain { scheme: Scheme::Exchange { group }, kek: None };
            return self.fill(x, place, domain);
        }
        x.response.refused(&no)
    }

    fn delete_domain(&mut self, x: &mut Exchange<'_>, place: usize) -> Judgement {
        let mut no = Vec::new();
        no.extend(self.domains[place].is_none().then_some(0x6A88));
        let domains = self.keys.values().map(|key| usize::from(key.limits.domain.unwrap_or(0)));
        no.extend(domains.into_iter().any(|domain| domain == place).then_some(0x6A89));
        if x.response.explained(&no)? {
            self.domains[place] = None;
        }
        x.response.has(&[])
    }

    pub(super) fn derive_xkek(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let id = x.command.p1;
        let mut no = self.against_use(id, 0x84);
        let checked = self.checked_request(x);
        no.extend(checked.reasons());
        let CheckedRequest::For(request) = checked else {
            return self.after_long_data(x, &no).map(drop);
        };
        let key = self.keys.get(&id).cloned();
        match key.as_ref().map(|key| key.kind) {
            Some(Kind::Ec(curve)) => {
                no.extend((request.kind != Kind::Ec(curve)).then_some(0x6A80));
                no.extend((x.known.curves[curve].bits != 256).then_some(0x6A80));
            }
            Some(_) => no.push(0x6A81),
            None => {}
        }
        let place = key.as_ref().map_or(0, |key| usize::from(key.limits.domain.unwrap_or(0)));
        let domain = self.domains.get(place).and_then(Option::as_ref);
        let group = domain.and_then(|domain| match &domain.scheme {
            Scheme::Exchange { group } => Some(group),
            Scheme::Shares { .. } => None,
        });
        no.extend((group.is_none() || group != request.group.as_ref()).then_some(0x6985));
        let is_first = domain.is_some_and(|domain| domain.kek.is_none());
        let before = self.used(x.known);
        no.extend(self.without_memory(before, before + if is_first { 32 } else { 0 }));
        if self.after_long_data(x, &no)? {
            self.count_use(id);
            let Some(key) = key else { return Err("there is no key".into()) };
            let mut both = [key.identity, request.identity];
            both.sort();
            let [one, other] = both;
            if let Some(Some(domain)) = self.domains.get_mut(place) {
                domain.kek = Some(Kek::Agreed(one, other));
            }
        }
        x.response.has(&[])
    }

    pub(super) fn audit_domains(&self, card: &State) -> Judgement {
        equal("the slots for domains", &self.domains.len(), &card.domains().slots())?;
        for ((number, domain), model) in card.domains().iter().zip(&self.domains) {
            let shares = domain.map(|domain| match domain.kek_source() {
                vschsm_card::state::KekSource::Shares { number, missing } => {
                    (Some((*number, *missing)), None)
                }
                vschsm_card::state::KekSource::Exchange { uid } => (None, Some(uid.as_slice())),
            });
            let expected = model.as_ref().map(|domain| match &domain.scheme {
                Scheme::Shares { number, missing } => (Some((*number, *missing)), None),
                Scheme::Exchange { group } => (None, Some(group.as_slice())),
            });
            equal(&format!("domain {number}"), &expected, &shares)?;
            let complete = model.as_ref().is_some_and(|domain| domain.complete_kek().is_some());
            let has_key = domain.is_some_and(|domain| domain.check_value().is_some());
            equal("whether the domain has its key", &complete, &has_key)?;
        }
        Ok(())
    }
}
