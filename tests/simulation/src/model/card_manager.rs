//! The card manager: the issuer's channel, and what an update stages.

use super::{Exchange, Judgement, Model};
use sha2::{Digest, Sha256};
use vschsm_protocol::apdu::Command;
use vschsm_protocol::tlv::{self, encode};
use vschsm_testing::global_platform_host::{HostKeys, Proposal};

pub(crate) use vschsm_testing::global_platform_host::{APPLET, CARD_MANAGER, MODULE, PACKAGE};

/// The keys of the issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IssuerKeys {
    pub(crate) version: u8,
    pub(crate) keys: HostKeys,
    pub(crate) sequence: u16,
}

/// What the card manager forgets when something else is selected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manager {
    is_initiated: bool,
    /// The channel's level, if one is open.
    pub(crate) level: Option<u8>,
    /// What opens the channel that has been begun, if anything does.
    pub(crate) proof: Option<Vec<u8>>,
    /// The data of PUT KEY that is right in this channel.
    pub(crate) keys: Option<(Vec<u8>, IssuerKeys)>,
    applet_is_deleted: bool,
    package_is_deleted: bool,
    /// Blocks and bytes that have been loaded.
    loading: Option<(usize, usize)>,
}

impl IssuerKeys {
    /// Those of a card as delivered, by the name of its device.
    pub(crate) fn of_delivery(device: &[u8]) -> Self {
        Self { version: 1, keys: HostKeys::of_card(&diversification(device)), sequence: 0 }
    }

    /// The keys of the next channel.
    pub(crate) fn of_session(&self) -> HostKeys {
        self.keys.session(self.sequence.to_be_bytes())
    }

    /// Version and sequence counter.
    pub(super) fn count(&self) -> (u8, u16) {
        (self.version, self.sequence)
    }
}

impl Model {
    /// Whether an update would be let do its work.
    pub(crate) fn is_replaceable(&self) -> bool {
        self.files.is_empty() && self.keys.is_empty()
    }

    fn manager(&mut self) -> &mut Manager {
        self.session.manager.get_or_insert_default()
    }

    pub(super) fn card_manager(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let command = x.command;
        if !matches!(command.cla, 0x00 | 0x80 | 0x84) {
            return x.response.refused(&[0x6E00]);
        }
        match command.ins {
            0x50 => return self.initialize_update(x),
            0x82 => return self.authenticate_issuer(x),
            0xCA | 0xD8 | 0xE4 | 0xE6 | 0xE8 | 0xF2 => {}
            _ => return x.response.refused(&[self.firmware.unknown_to_card_manager()]),
        }
        let no = self.against_envelope(x);
        if !no.is_empty() {
            if self.manager().level.is_some() {
                *self.manager() = Manager::default();
            }
            return x.response.refused(&no);
        }
        match command.ins {
            0xCA => self.tell_of_itself(x),
            0xD8 => self.put_keys(x),
            0xE4 => self.delete_applet(x),
            0xE6 => self.install(x),
            0xE8 => self.load(x),
            _ => self.status(x),
        }
    }

    /// The reasons against how a command is secured, or not.
    fn against_envelope(&mut self, x: &Exchange<'_>) -> Vec<u16> {
        let secured = x.command.cla == 0x84;
        match self.manager().level {
            None if x.command.ins == 0xCA && !secured => Vec::new(),
            None => vec![0x6982],
            Some(0) if !secured => Vec::new(),
            Some(0) => vec![0x6982],
            Some(_) if x.is_sealed => Vec::new(),
            Some(_) if secured => vec![0x6988],
            Some(_) => vec![0x6982],
        }
    }

    fn initialize_update(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (command, mut no) = (x.command, Vec::new());
        *self.manager() = Manager::default();
        no.extend((command.p2 != 0).then_some(0x6A86));
        no.extend((command.data.len() != 8).then_some(0x6700));
        no.extend((![0, self.issuer.version].contains(&command.p1)).then_some(0x6A88));
        if !x.response.explained(&no)? {
            return Ok(());
        }
        let diversification = diversification(&self.device.name);
        let [high, low] = self.issuer.sequence.to_be_bytes();
        let expected = [&diversification[..], &[self.issuer.version, 0x02, high, low]].concat();
        if !x.response.data.starts_with(&expected) || x.response.data.len() != 28 {
            return Err("it is another card, with other keys, or another sequence counter".into());
        }
        let keys = self.issuer.of_session();
        let proposal = Proposal::parse(&x.response.data).ok_or("the proposal is malformed")?;
        let computed = keys.challenge(&CARD_MANAGER);
        if self.firmware.has_computed_challenge() && proposal.challenge != computed {
            return Err("its challenge is not the one that can be computed".into());
        }
        let challenge = command.data.first_chunk().ok_or("there is no challenge")?;
        if keys.card_cryptogram(challenge, &proposal) != proposal.cryptogram {
            return Err("the card does not show that it has the keys".into());
        }
        self.manager().proof = Some(keys.host_cryptogram(challenge, &proposal).to_vec());
        self.manager().is_initiated = true;
        Ok(())
    }

    fn authenticate_issuer(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (command, mut no) = (x.command, Vec::new());
        let before = std::mem::take(self.manager());
        no.extend((command.cla != 0x84).then_some(0x6982));
        no.extend((!matches!(command.p1, 0x00 | 0x01 | 0x03)).then_some(0x6A86));
        no.extend((command.p2 != 0).then_some(0x6A86));
        no.extend((!before.is_initiated).then_some(0x6985));
        no.extend((command.data.len() != 16).then_some(0x6700));
        if no.is_empty() {
            let cryptogram = before.proof.as_deref().unwrap_or_default();
            no.extend((!command.data.starts_with(cryptogram)).then_some(0x6300));
        }
        // The MAC is made by a host that has the keys, or else is wrong.
        if no.is_empty() && x.response.status == 0x6988 && !x.is_sealed {
            return x.response.has(&[]);
        }
        if x.response.explained(&no)? {
            self.issuer.sequence += 1;
            self.manager().level = Some(command.p1);
        }
        x.response.has(&[])
    }

    fn tell_of_itself(&self, x: &mut Exchange<'_>) -> Judgement {
        let [high, low] = self.issuer.sequence.to_be_bytes();
        let key = |number| [0xC0, 0x04, number, self.issuer.version, 0x80, 0x10];
        match x.command.p1p2() {
            0x00C1 => {
                x.response.explained(&[])?;
                x.response.has(&encode(0xC1, &[high, low]))
            }
            0x00E0 => {
                x.response.explained(&[])?;
                x.response.has(&encode(0xE0, &[key(1), key(2), key(3)].concat()))
            }
            0x0066 => {
                x.response.explained(&[])?;
                let options = if self.firmware.has_computed_challenge() { 0x55 } else { 0x15 };
                let scheme = [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B, 0x04, 0x02, options];
                let told = tlv::at(&x.response.data, &[0x66, 0x73, 0x64, 0x06]);
                super::equal("the channel's protocol", &Some(&scheme[..]), &told)
            }
            0x9F7F => {
                x.response.explained(&[])?;
                let production = tlv::at(&x.response.data, &[0x9F7F]).unwrap_or_default();
                super::equal("the length of 9F7F", &42, &production.len())
            }
            _ => x.response.refused(&[0x6A88]),
        }
    }

    fn put_keys(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (command, mut no) = (x.command, Vec::new());
        no.extend((command.p2 != 0x81).then_some(0x6A86));
        no.extend((![0, self.issuer.version].contains(&command.p1)).then_some(0x6A88));
        let right = self.manager().keys.take().filter(|(data, _)| *data == *command.data);
        let possible = right.as_ref().is_some_and(|(_, keys)| (1..=0x7F).contains(&keys.version));
        no.extend((!possible).then_some(0x6A80));
        if !x.response.explained(&no)? {
            return x.response.has(&[]);
        }
        let Some((data, keys)) = right else { return Err("these are no keys".into()) };
        let values = data[1..].chunks(22).flat_map(|field| &field[19..]).copied();
        let expected: Vec<_> = [keys.version].into_iter().chain(values).collect();
        self.issuer = keys;
        x.response.has(&expected)
    }

    fn delete_applet(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (command, mut no) = (x.command, Vec::new());
        no.extend((command.p1 != 0 || command.p2 & 0x7F != 0).then_some(0x6A86));
        let objects = tlv::parse(&command.data).unwrap_or_default();
        let Some(name) = tlv::find(&objects, 0x4F) else {
            no.push(0x6A80);
            return x.response.refused(&no);
        };
        let replaceable = self.is_replaceable();
        let manager = self.manager();
        let is_package = name == PACKAGE;
        let is_there = match name {
            _ if is_package => !manager.package_is_deleted,
            _ if name == APPLET => !manager.applet_is_deleted,
            _ => name == CARD_MANAGER,
        };
        no.extend((!is_there).then_some(0x6A88));
        let is_needed = is_package && command.p2 == 0 && !manager.applet_is_deleted;
        no.extend((name == CARD_MANAGER || is_needed || !replaceable).then_some(0x6985));
        if !x.response.explained(&no)? {
            return Ok(());
        }
        manager.applet_is_deleted = true;
        manager.package_is_deleted |= is_package;
        x.response.has(&[0x00])
    }

    fn install(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (command, mut no) = (x.command, Vec::new());
        let fields = fields(command);
        let manager = self.manager();
        match (command.p1p2(), fields.as_deref()) {
            (0x0200, Some([package, domain, hash, _, token])) => {
                let is_ours = package == &PACKAGE && (domain.is_empty() || domain == &CARD_MANAGER);
                let is_hash = [0, 20, 32].contains(&hash.len());
                no.extend((!(is_ours && is_hash && token.is_empty())).then_some(0x6A80));
                no.extend((!manager.package_is_deleted).then_some(0x6985));
                if x.response.explained(&no)? {
                    manager.loading = Some((0, 0));
                    return x.response.has(&[0x00]);
                }
                Ok(())
            }
            // Nothing but a whole update loads what can be installed.
            (0x0200, _) => x.response.refused(&[0x6A80]),
            (0x0C00, _) => x.response.refused(&[0x6A80, 0x6985]),
            _ => x.response.refused(&[0x6A86]),
        }
    }

    fn load(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let command = x.command;
        let Some((blocks, bytes)) = self.manager().loading.take() else {
            return x.response.refused(&[0x6985]);
        };
        let mut no = Vec::new();
        no.extend((!matches!(command.p1, 0x00 | 0x80)).then_some(0x6A86));
        no.extend((usize::from(command.p2) != blocks).then_some(0x6A86));
        let bytes = bytes + command.data.len();
        no.extend((bytes > 0x1_0000).then_some(0x6A84));
        no.extend((command.p1 == 0x80).then_some(0x6A80));
        if !x.response.explained(&no)? {
            return Ok(());
        }
        self.manager().loading = Some((blocks + 1, bytes));
        x.response.has(&[0x00])
    }

    fn status(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (command, mut no) = (x.command, Vec::new());
        let manager = self.manager();
        let (name, is_there) = match command.p1 {
            0x80 => (&CARD_MANAGER[..], true),
            0x40 => (&APPLET[..], !manager.applet_is_deleted),
            0x20 | 0x10 => (&PACKAGE[..], !manager.package_is_deleted),
            _ => {
                no.push(0x6A86);
                (&[][..], false)
            }
        };
        no.extend((!matches!(command.p2, 0x00 | 0x02)).then_some(0x6A86));
        let objects = tlv::parse(&command.data).unwrap_or_default();
        match objects.first().filter(|object| object.tag == 0x4F) {
            None => no.push(0x6A80),
            Some(criterion) => {
                let listed = is_there && name.starts_with(criterion.value);
                no.extend((!listed).then_some(0x6A88));
            }
        }
        if !x.response.explained(&no)? {
            return Ok(());
        }
        let has = |name: &[u8]| x.response.data.windows(name.len()).any(|window| window == name);
        super::equal("whether the list has the name", &true, &has(name))?;
        // In the other form a package and its life cycle look like a module.
        let tells_module = command.p1 == 0x10;
        let told = if command.p2 == 0x02 { has(&MODULE) } else { tells_module };
        super::equal("whether it has the module", &tells_module, &told)
    }
}

/// What identifies the card, from the name of its device: the serial number and five digits.
fn diversification(device: &[u8]) -> [u8; 10] {
    let serial = &device[..device.len().saturating_sub(5)];
    *Sha256::digest(serial).first_chunk().expect("a SHA-256 has 32 bytes")
}

/// The fields of INSTALL, each after its length.
fn fields(command: &Command) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    let mut rest = command.data.as_slice();
    while let Some((length, after)) = rest.split_first() {
        let field;
        (field, rest) = after.split_at_checked(usize::from(*length))?;
        fields.push(field);
    }
    Some(fields)
}
