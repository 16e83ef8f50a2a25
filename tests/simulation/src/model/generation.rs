//! GENERATE ASYMMETRIC KEY PAIR and GENERATE SYMMETRIC KEY.

use super::{Exchange, Judgement, Key, Limits, Model, Scheme, equal};
use crate::known::{Identity, Kind, Known, Request, same};
use vschsm_card::state::Fid;
use vschsm_protocol::tlv::{self, Object};

/// id-TA in TR-03110 part 3.
const ARC: [u8; 8] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02];

/// What is ordered, as far as it can be made out.
#[derive(Default)]
struct Template<'a> {
    authorities: Vec<&'a [u8]>,
    holder: &'a [u8],
    signer: Option<&'a [u8]>,
    kind: Option<Kind>,
}

impl Model {
    pub(super) fn generate_pair(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (id, signer) = (x.command.p1, x.command.p2);
        let mut no = Vec::new();
        no.extend(self.without_login());
        no.extend((id == 0).then_some(0x6985));
        no.extend(self.against_signer(signer));
        let Ok(objects) = tlv::parse(&x.command.data) else {
            no.push(0x6A80);
            return x.response.refused(&no);
        };
        let template = self.template(&objects, x.known, &mut no);
        let limits = self.limits(&objects, x.known, &mut no);
        let Some(kind) = template.kind else { return x.response.refused(&no) };
        let before = self.used(x.known);
        let key = Key { kind, identity: [].into(), limits: limits.clone() };
        let after = before - self.size_of_key(x.known, id) + key.size(x.known);
        // How long the request is that will be stored depends on names and numbers.
        let longest = if x.command.ne.is_some() { 0 } else { 3000 };
        no.extend(self.without_memory(before, after));
        let may_be_full = self.without_memory(before, after + longest).is_some();
        if x.response.status == 0x6A84 {
            // The signer has signed by then.
            self.count_use(signer);
        }
        if no.is_empty() && may_be_full && x.response.status == 0x6A84 {
            return x.response.has(&[]);
        }
        if !x.response.explained(&no)? {
            return Ok(());
        }

        self.count_use(signer);
        let file = 0xCE00 | u16::from(id);
        let request = if x.command.ne.is_some() {
            x.response.data.clone()
        } else {
            x.response.has(&[])?;
            x.card.files().content(Fid(file)).unwrap_or_default().to_vec()
        };
        let identity = self.take_request(&template, kind, &limits, signer, &request, x.known)?;
        self.keys.insert(id, Key { kind, identity, limits });
        self.take_identifier(id, x.card)?;
        if x.command.ne.is_none() {
            match self.files.iter_mut().find(|(known, _)| *known == file) {
                Some((_, content)) => *content = request,
                None => self.files.push((file, request)),
            }
        }
        Ok(())
    }

    /// The reasons against a signer of the request other than the device.
    fn against_signer(&self, signer: u8) -> Vec<u16> {
        match (signer, self.firmware.is_from_3()) {
            (0, _) => Vec::new(),
            (_, true) => vec![0x6A86],
            (_, false) => {
                let key = self.keys.get(&signer);
                let is_rsa = key.is_some_and(|key| matches!(key.kind, Kind::Rsa(_)));
                self.against_key(signer, if is_rsa { 0x33 } else { 0x73 })
            }
        }
    }

    fn template<'a>(
        &self,
        objects: &[Object<'a>],
        known: &Known,
        no: &mut Vec<u16>,
    ) -> Template<'a> {
        let authorities = objects.iter().filter(|object| object.tag == 0x42);
        let authorities: Vec<_> = authorities.map(|object| object.value).collect();
        no.extend((authorities.is_empty() && !self.firmware.is_from_2()).then_some(0x6A80));
        let holder = tlv::find(objects, 0x5F20);
        no.extend(holder.is_none().then_some(0x6A80));
        let public_key = tlv::find(objects, 0x7F49).and_then(|content| tlv::parse(content).ok());
        let oid = public_key.as_ref().and_then(|objects| tlv::find(objects, 0x06));
        let (Some(public_key), Some(oid)) = (public_key, oid) else {
            no.push(0x6A80);
            return Template::default();
        };
        let algorithm = algorithm(oid);
        no.extend(algorithm.is_none_or(|id| !self.firmware.has_algorithm(id)).then_some(0x6A81));
        let kind = match algorithm {
            Some(0x70..=0x75) => self.ordered_curve(&public_key, known, no),
            Some(_) => self.ordered_rsa(&public_key, no),
            None => None,
        };
        let signer = tlv::find(objects, 0x45).or(authorities.get(1).copied());
        Template { authorities, holder: holder.unwrap_or_default(), signer, kind }
    }

    fn ordered_curve(
        &self,
        public_key: &[Object<'_>],
        known: &Known,
        no: &mut Vec<u16>,
    ) -> Option<Kind> {
        let cofactor = tlv::find(public_key, 0x87).is_none_or(|it| number(it) == Some(1));
        no.extend((!cofactor).then_some(0x6A81));
        let [p, a, b, g, n] = [0x81, 0x82, 0x83, 0x84, 0x85].map(|tag| tlv::find(public_key, tag));
        let all = (|| vschsm_protocol::crypto::curve::CurveParameters::new(p?, a?, b?, g?, n?))();
        let Some(curve) = all.and_then(|domain| known.curve(&domain)) else {
            // Whether it is not a curve, or one that the firmware does not have, is not known here.
            no.extend([0x6A80, 0x6A81]);
            return None;
        };
        no.extend((!self.firmware.has_curve(known.curves[curve].bits)).then_some(0x6A81));
        Some(Kind::Ec(curve))
    }

    fn ordered_rsa(&self, public_key: &[Object<'_>], no: &mut Vec<u16>) -> Option<Kind> {
        let exponent = tlv::find(public_key, 0x82).map_or(Some(65_537), number);
        let suits = |exponent: u64| exponent % 2 == 1 && (3..1 << 32).contains(&exponent);
        no.extend((!exponent.is_some_and(suits)).then_some(0x6A80));
        let Some(bits) = tlv::find(public_key, 0x02).and_then(number) else {
            no.push(0x6A80);
            return None;
        };
        let bits = usize::try_from(bits).ok().filter(|bits| self.firmware.has_rsa(*bits));
        no.extend(bits.is_none().then_some(0x6A81));
        bits.map(Kind::Rsa)
    }

    /// The key attributes that the objects say; what is wrong with them is a reason.
    fn limits(&self, objects: &[Object<'_>], known: &Known, no: &mut Vec<u16>) -> Limits {
        let find = |tag| tlv::find(objects, tag).filter(|_| self.firmware.limits_by(tag));
        let uses = find(0x90).map(|uses| uses.try_into().map_or(0, u32::from_be_bytes));
        no.extend((uses == Some(0)).then_some(0x6A80));
        let algorithms = find(0x91);
        let too_many = algorithms.is_some_and(|list| !(1..=16).contains(&list.len()));
        no.extend(too_many.then_some(0x6A80));
        let domain = match find(0x92) {
            None => None,
            Some(&[domain]) => {
                let is_there = usize::from(domain) < self.domains.len().max(1);
                no.extend((!is_there).then_some(0x6A86));
                Some(domain)
            }
            Some(_) => {
                no.push(0x6A80);
                None
            }
        };
        let quota = self.quota(objects, known, no);
        let algorithms = algorithms.unwrap_or_default().to_vec();
        Limits { uses, family: None, algorithms, domain, wrapping_key: None, quota }
    }

    /// The group of a key that is to exchange keys in its domain.
    fn group(&self, limits: &Limits) -> Option<Vec<u8>> {
        let domain = self.domains.get(usize::from(limits.domain.unwrap_or(0)))?.as_ref()?;
        match &domain.scheme {
            Scheme::Exchange { group } if limits.algorithms.contains(&0x84) => Some(group.clone()),
            _ => None,
        }
    }

    /// Checks the authenticated request of a new key, and remembers it: whose key it is.
    fn take_request(
        &self,
        template: &Template<'_>,
        kind: Kind,
        limits: &Limits,
        signer: u8,
        request: &[u8],
        known: &mut Known,
    ) -> Result<Identity, String> {
        let content = tlv::at(request, &[0x67]).ok_or("there is no authenticated request")?;
        let at = |path: &[u16]| tlv::at(content, path);
        let body = |tag| at(&[0x7F21, 0x7F4E, tag]);
        equal("who is asked", &template.authorities.first().copied(), &body(0x42))?;
        same("the name of the key", template.holder, body(0x5F20).unwrap_or_default())?;
        let group = self.group(limits);
        let named = at(&[0x7F21, 0x7F4E, 0x65, 0x73, 0x80]);
        equal("the key domain", &group.as_deref(), &named)?;
        let authority = at(&[0x42]).unwrap_or_default();
        same("who has signed it", template.signer.unwrap_or(&self.device.name), authority)?;

        let public = |tag| at(&[0x7F21, 0x7F4E, 0x7F49, tag]).ok_or("there is no public key");
        let identity: Identity = match kind {
            Kind::Ec(_) => public(0x86)?.into(),
            _ => public(0x81)?.into(),
        };
        if matches!(kind, Kind::Rsa(_)) {
            known.note_modulus(&identity, &identity);
        }
        let request = Request {
            kind,
            identity: identity.clone(),
            holder: template.holder.to_vec(),
            authority: authority.to_vec(),
            device: (signer == 0).then(|| self.device.point.clone()),
            group,
            size: template.holder.len() + body(0x7F49).unwrap_or_default().len(),
        };
        known.requests.insert(content.to_vec(), request);
        Ok(identity)
    }

    /// The key that is to wrap the new key `id`.
    fn wrapping_key(&self, id: u8, objects: &[Object<'_>], no: &mut Vec<u16>) -> Option<u8> {
        let value = tlv::find(objects, 0x93)?;
        let &[number] = value else {
            no.push(0x6A80);
            return None;
        };
        no.extend((number == 0 || number == id).then_some(0x6985));
        match self.keys.get(&number).map(|key| key.kind) {
            Some(Kind::Aes(_)) => {}
            Some(_) => no.push(0x6A80),
            None => no.push(0x6A88),
        }
        Some(number)
    }

    pub(super) fn generate_symmetric(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (id, mut no) = (x.command.p1, Vec::new());
        no.extend(self.without_login());
        no.extend((id == 0).then_some(0x6985));
        let bytes = match x.command.p2 {
            0xB0 => 16,
            0xB1 => 24,
            0xB2 => 32,
            _ => {
                no.push(0x6A81);
                0
            }
        };
        let Ok(objects) = tlv::parse(&x.command.data) else {
            no.push(0x6A80);
            return x.response.refused(&no);
        };
        let mut limits = self.limits(&objects, x.known, &mut no);
        limits.wrapping_key = self.wrapping_key(id, &objects, &mut no);
        let before = self.used(x.known);
        let key = Key { kind: Kind::Aes(bytes), identity: x.known.fresh_identity(), limits };
        let after = before - self.size_of_key(x.known, id) + key.size(x.known);
        no.extend(self.without_memory(before, after));
        if x.response.explained(&no)? {
            self.keys.insert(id, key);
            self.take_identifier(id, x.card)?;
            let mut keys = x.card.keys();
            let key = keys.find(|(it, _)| it.number() == id).map(|(_, key)| key.is_weak());
            equal("whether the key is weak", &Some(self.firmware.has_weak_aes()), &key)?;
        }
        x.response.has(&[])
    }
}

/// The algorithm that an object identifier names.
fn algorithm(oid: &[u8]) -> Option<u8> {
    match oid.strip_prefix(&ARC)? {
        [1, 1] => Some(0x31),
        [1, 2] => Some(0x33),
        [1, 3] => Some(0x41),
        [1, 4] => Some(0x43),
        [1, 5] => Some(0x35),
        [1, 6] => Some(0x45),
        [2, hash @ 1..=5] => Some(0x70 | hash),
        _ => None,
    }
}

/// A big-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> Option<u64> {
    let possible = (1..=8).contains(&bytes.len());
    possible.then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
