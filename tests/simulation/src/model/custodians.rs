//! MANAGE PUBLIC KEY AUTHENTICATION and EXTERNAL AUTHENTICATE.

use super::trust::CheckedRequest;
use super::{Buffer, Custodian, Domain, Exchange, Judgement, Model, Scheme, equal};
use vschsm_card::state::State;

impl Model {
    /// The keys of custodians: how many there is room for, are missing, are required, have signed.
    fn numbers(&self) -> Option<[u8; 4]> {
        let custodians = self.custodians.as_ref()?;
        let missing = custodians.slots.iter().filter(|slot| slot.is_none()).count();
        let count = |number: usize| u8::try_from(number).unwrap_or(u8::MAX);
        let authenticated = self.session.authenticated.len();
        let all = count(custodians.slots.len());
        Some([all, count(missing), custodians.required, count(authenticated)])
    }

    pub(super) fn manage_custodians(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let no_data = x.command.data.is_empty();
        let asks = (x.command.p1, x.command.p2) == (0x00, 0x00) && no_data;
        if asks && self.has_state_bug() && self.session.buffer == Buffer::None {
            return x.response.refused(&[0x6F00]);
        }
        if asks && self.has_state_bug() && x.response.status == 0x6F00 {
            // The buffer was perhaps there.
            self.session.buffer = Buffer::None;
            return Ok(());
        }
        let Some(numbers) = self.numbers() else { return x.response.refused(&[0x6D00]) };
        match (x.command.p1, x.command.p2) {
            (0x00, 0x00) if no_data && self.session.buffer == Buffer::None => {
                x.response.explained(&[])?;
                x.response.has(&numbers)
            }
            (0x00, 0x00) => {
                let nothing_done = x.response.is_success() && x.response.data == numbers;
                if no_data && nothing_done && matches!(self.session.buffer, Buffer::Perhaps(_)) {
                    self.session.buffer = Buffer::None;
                    return Ok(());
                }
                let slots = self.custodians.iter().flat_map(|custodians| &custodians.slots);
                let free = slots.into_iter().position(Option::is_none);
                let mut no: Vec<_> = free.is_none().then_some(0x6A84).into_iter().collect();
                no.extend(self.without_login().filter(|_| !self.keys.is_empty()));
                self.register(x, free.unwrap_or(usize::MAX), &no)
            }
            (0x01, number) => {
                let mut no = self.against_slot(number);
                no.extend(self.without_login());
                no.extend((self.options & 0x08 == 0).then_some(0x6985));
                let done = self.register(x, usize::from(number), &no);
                if x.response.is_success() {
                    self.session.authenticated.remove(&number);
                    self.session.authenticator = None;
                    let numbers = self.numbers().unwrap_or_default();
                    x.response.has(&numbers)?;
                }
                done
            }
            (0x02, number) => self.tell_custodian(x, number),
            _ => x.response.refused(&[0x6A86]),
        }
    }

    /// Whether the firmware is the one that returns no state while there is a domain for key
    /// exchange beside one with shares, and it is so.
    fn has_state_bug(&self) -> bool {
        let exchanges = |domain: &&Domain| matches!(domain.scheme, Scheme::Exchange { .. });
        let domains = || self.domains.iter().flatten();
        let number = domains().filter(exchanges).count();
        self.firmware.has_state_bug() && number > 0 && number < domains().count()
    }

    /// The reasons for which there is no key of that number.
    fn against_slot(&self, number: u8) -> Vec<u16> {
        let slots = self.custodians.as_ref().map(|custodians| &custodians.slots[..]);
        match slots.unwrap_or_default().get(usize::from(number)) {
            None => vec![0x6A86],
            Some(None) => vec![0x6A88],
            Some(Some(_)) => Vec::new(),
        }
    }

    fn tell_custodian(&self, x: &Exchange<'_>, number: u8) -> Judgement {
        let no = self.against_slot(number);
        if !no.is_empty() {
            return x.response.refused(&no);
        }
        let signed = self.session.authenticated.contains(&number);
        equal("the status word", &if signed { 0x9001 } else { 0x9000 }, &x.response.status)?;
        let slots = self.custodians.as_ref().map(|custodians| &custodians.slots[..]);
        let slot = slots.and_then(|slots| slots.get(usize::from(number))?.as_ref());
        x.response.has(slot.map(|slot| &slot.name[..]).unwrap_or_default())
    }

    /// Puts the key that is requested into a slot.
    fn register(&mut self, x: &mut Exchange<'_>, place: usize, no: &[u16]) -> Judgement {
        let mut no = no.to_vec();
        let checked = self.checked_request(x);
        no.extend(checked.reasons());
        let CheckedRequest::For(request) = checked else {
            return self.after_long_data(x, &no).map(drop);
        };
        let slots = self.custodians.as_ref().map(|custodians| &custodians.slots[..]);
        let others = slots.unwrap_or_default().iter().enumerate();
        let mut others =
            others.filter(|(other, _)| *other != place).filter_map(|(_, it)| it.as_ref());
        let is_known =
            others.any(|other| other.name == request.holder || other.key == request.identity);
        no.extend(is_known.then_some(0x6985));
        let replaced = slots.and_then(|slots| slots.get(place)?.as_ref()).map_or(0, |it| it.size);
        let before = self.used(x.known);
        no.extend(self.without_memory(before, before - replaced + request.size));
        if !self.after_long_data(x, &no)? {
            return x.response.has(&[]);
        }
        let custodians = self.custodians.as_mut().ok_or("the card has no custodians")?;
        let (name, key, size) = (request.holder, request.identity, request.size);
        custodians.slots[place] = Some(Custodian { name, key, size });
        if x.command.p1 == 0 { x.response.has(&self.numbers().unwrap_or_default()) } else { Ok(()) }
    }

    pub(super) fn choose_authenticator(
        &mut self,
        x: &Exchange<'_>,
        name: Option<&[u8]>,
    ) -> Judgement {
        let Some(name) = name else { return x.response.refused(&[0x6A80]) };
        let mut slots = self.custodians.iter().flat_map(|custodians| &custodians.slots);
        let is_it = |slot: &Option<Custodian>| slot.as_ref().is_some_and(|slot| slot.name == name);
        let number = slots.position(is_it).and_then(|number| u8::try_from(number).ok());
        let Some(number) = number else { return x.response.refused(&[0x6A88]) };
        let no = self.session.authenticated.contains(&number).then_some(0x6985);
        if x.response.explained(no.as_slice())? {
            self.session.authenticator = Some(number);
        }
        x.response.has(&[])
    }

    pub(super) fn external_authenticate(&mut self, x: &mut Exchange<'_>) -> Judgement {
        if x.command.p1p2() != 0 {
            return x.response.refused(&[0x6A86]);
        }
        let mut no = Vec::new();
        let number = self.session.authenticator;
        let slots = self.custodians.as_ref().map(|custodians| &custodians.slots[..]);
        let slots = slots.unwrap_or_default();
        let slot = number.and_then(|number| slots.get(usize::from(number))?.as_ref());
        no.extend(slot.is_none().then_some(0x6A88));
        no.extend(x.command.data.is_empty().then_some(0x6700));
        no.extend(self.session.challenge.is_none().then_some(0x6985));
        let (Some(number), Some(Custodian { key, .. }), []) = (number, slot, no.as_slice()) else {
            return x.response.refused(&no);
        };
        let challenge = self.session.challenge.take().unwrap_or_default();
        let message = [&self.device.name[..], &challenge].concat();
        let signature = x.known.signatures.get(x.command.data.as_slice());
        let is_right = signature
            .is_some_and(|signature| signature.identity == *key && signature.message == message);
        let no = (!is_right).then_some(0x6300);
        if x.response.explained(no.as_slice())? {
            self.session.authenticator = None;
            self.session.authenticated.insert(number);
            self.authenticate();
        }
        x.response.has(&[])
    }

    pub(super) fn audit_custodians(&self, card: &State) -> Judgement {
        let keys = card.configuration().authentication_keys.as_ref();
        let Some(custodians) = &self.custodians else {
            return equal("whether there are custodians", &false, &keys.is_some());
        };
        let keys = keys.ok_or("the card has no custodians")?;
        equal("how many custodians are required", &custodians.required, &keys.required())?;
        let names = |name: Option<&[u8]>| name.map(vschsm_testing::digits);
        let expected =
            custodians.slots.iter().map(|slot| names(slot.as_ref().map(|slot| &slot.name[..])));
        let there = keys.slots().iter().map(|slot| names(slot.as_ref().map(|key| key.holder())));
        equal("the custodians", &expected.collect::<Vec<_>>(), &there.collect::<Vec<_>>())
    }
}
