//! SELECT, READ BINARY, UPDATE BINARY, DELETE FILE, ENUMERATE OBJECTS.

use super::card_manager::{APPLET, CARD_MANAGER};
use super::{Buffer, Exchange, Judgement, Model, Quota, Session, equal};
use vschsm_card::state::State;
use vschsm_protocol::tlv::{self, encode};

/// The certificates of the device.
const CERTIFICATES: u16 = 0x2F02;
/// The work buffer.
const BUFFER: u16 = 0x2F10;
/// The longest file, in bytes.
const LONGEST: usize = 65_533;

impl Model {
    /// The content of a file; of the work buffer, if it is surely there.
    pub(crate) fn content(&self, fid: u16) -> Option<&[u8]> {
        match fid {
            CERTIFICATES => Some(&self.device.certificates),
            BUFFER => match &self.session.buffer {
                Buffer::There(content) => Some(content),
                Buffer::None | Buffer::Perhaps(_) => None,
            },
            _ => {
                self.files.iter().find(|(known, _)| *known == fid).map(|(_, content)| &content[..])
            }
        }
    }

    /// Whether nobody knows if the file is there.
    fn is_doubtful(&self, fid: u16) -> bool {
        fid == BUFFER && matches!(self.session.buffer, Buffer::Perhaps(_))
    }

    /// Whether it is a key that is there, the device's included.
    fn is_key(&self, fid: u16) -> bool {
        let [prefix, id] = fid.to_be_bytes();
        prefix == 0xCC && (id == 0 || self.keys.contains_key(&id))
    }

    pub(super) fn select(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let command = x.command;
        let template = match command.p2 {
            0x00 => Some(0x6F),
            0x04 => Some(0x62),
            0x0C => None,
            _ => return x.response.refused(&[0x6A86]),
        };
        let information = match command.p1 {
            0x04 => self.select_application(x)?,
            0x00 | 0x02 => self.select_file(x)?,
            _ => return x.response.refused(&[0x6A86]),
        };
        let Some(information) = information else { return Ok(()) };
        x.response.has(&template.map_or_else(Vec::new, |tag| encode(tag, &information)))
    }

    /// What the response says of an application, if it was selected.
    fn select_application(&mut self, x: &Exchange<'_>) -> Result<Option<Vec<u8>>, String> {
        let name = x.command.data.as_slice();
        let long_enough = name.len() >= 5;
        if name.is_empty() || long_enough && CARD_MANAGER.starts_with(name) {
            x.response.explained(&[])?;
            self.session = Session::in_card_manager();
            let proprietary = encode(0xA5, &encode(0x9F65, &[0xFF]));
            return Ok(Some([encode(0x84, &CARD_MANAGER), proprietary].concat()));
        }
        if !(long_enough && APPLET.starts_with(name)) {
            x.response.refused(&[0x6A82])?;
            return Ok(None);
        }
        x.response.explained(&[])?;
        self.session = Session::default();
        let options = [&self.options.to_be_bytes()[..], &[self.firmware.platform()]].concat();
        let options = if self.firmware.is_from_2() { options } else { Vec::new() };
        let proprietary = encode(0x85, &[options, self.firmware.version().to_vec()].concat());
        Ok(Some([encode(0x82, &[0x78]), proprietary].concat()))
    }

    fn select_file(&mut self, x: &Exchange<'_>) -> Result<Option<Vec<u8>>, String> {
        let Ok(fid) = <[u8; 2]>::try_from(x.command.data.as_slice()) else {
            x.response.refused(&[0x6700])?;
            return Ok(None);
        };
        let fid = u16::from_be_bytes(fid);
        let doubtful = self.is_doubtful(fid);
        if doubtful && x.response.is_success() {
            self.session.current = Some(fid);
            return Ok(None);
        }
        let size = match self.content(fid) {
            _ if self.is_key(fid) => 0,
            Some(content) => content.len(),
            None => {
                x.response.refused(&[0x6A82])?;
                return Ok(None);
            }
        };
        x.response.explained(&[])?;
        self.session.current = Some(fid);
        let [.., high, low] = size.to_be_bytes();
        let descriptor = [
            encode(0x80, &[high, low]),
            encode(0x82, &[0x01]),
            encode(0x83, &fid.to_be_bytes()),
            self.metadata(fid),
        ];
        Ok(Some(descriptor.concat()))
    }

    /// What SELECT says of a key's attributes.
    fn metadata(&self, fid: u16) -> Vec<u8> {
        let [prefix, id] = fid.to_be_bytes();
        let key = self.keys.get(&id).filter(|_| prefix == 0xCC && self.firmware.is_from_3());
        let Some(limits) = key.map(|key| &key.limits) else { return Vec::new() };
        let mut objects = Vec::new();
        objects.extend(self.uses_left(id).map(|uses| encode(0x90, &uses.to_be_bytes())));
        objects.extend((!limits.algorithms.is_empty()).then(|| encode(0x91, &limits.algorithms)));
        objects.extend(limits.domain.map(|domain| encode(0x92, &[domain])));
        objects.extend(limits.wrapping_key.map(|number| encode(0x93, &[number])));
        objects.extend(limits.quota.as_ref().map(Quota::encode));
        if objects.is_empty() { Vec::new() } else { encode(0xA5, &objects.concat()) }
    }

    pub(super) fn enumerate(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let no = (x.command.p1p2() != 0).then_some(0x6A86);
        if !x.response.explained(no.as_slice())? {
            return Ok(());
        }
        let files = self.files.iter().map(|(fid, _)| *fid);
        let keys = self.keys.keys().map(|id| 0xCC00 | u16::from(*id));
        let all = [CERTIFICATES].into_iter().chain(files).chain([0xCC00]).chain(keys);
        x.response.has(&all.flat_map(u16::to_be_bytes).collect::<Vec<_>>())
    }

    /// The file that P1 and P2 name, or the current one, if there is one.
    fn named(&self, x: &Exchange<'_>) -> Option<u16> {
        match x.command.p1p2() {
            0 => self.session.current,
            fid => Some(fid),
        }
    }

    pub(super) fn read_binary(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let Some(fid) = self.named(x) else { return x.response.refused(&[0x6986]) };
        let mut no = Vec::new();
        no.extend(self.is_key(fid).then_some(0x6982));
        if fid >> 8 == 0xCD || fid == BUFFER {
            no.extend(self.without_login());
        }
        let offset = offset(&x.command.data);
        no.extend(offset.is_none().then_some(0x6A80));
        if self.is_doubtful(fid) {
            no.push(0x6A82);
            return if x.response.is_success() { Ok(()) } else { x.response.refused(&no) };
        }
        let content = self.content(fid);
        no.extend((content.is_none() && !self.is_key(fid)).then_some(0x6A82));
        let (Some(content), Some(offset), []) = (content, offset, no.as_slice()) else {
            return x.response.refused(&no);
        };
        let rest = content.get(offset..).unwrap_or_default();
        let most = x.command.ne.unwrap_or(rest.len());
        let data = &rest[..most.min(rest.len())];
        // The protection would not fit the longest response.
        if x.is_sealed && data.len() > 65_000 && x.response.status == 0x6700 {
            return x.response.has(&[]);
        }
        let short = rest.is_empty() || data.len() < most && !x.command.le_is_max;
        equal("the status word", &if short { 0x6282 } else { 0x9000 }, &x.response.status)?;
        x.response.has(data)
    }

    pub(super) fn update_binary(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let mut no = Vec::new();
        no.extend(self.without_login());
        let fid = self.named(x);
        let Some(fid) = fid else {
            no.push(0x6986);
            return x.response.refused(&no);
        };
        no.extend(match (fid, fid >> 8) {
            (CERTIFICATES, _) | (_, 0xCC) => Some(0x6982),
            (0x2F03 | BUFFER, _) | (_, 0xC4 | 0xC8..=0xCB | 0xCD..=0xCF) => None,
            _ => Some(0x6A86),
        });
        let objects = tlv::parse(&x.command.data).unwrap_or_default();
        let (offset, data) = (offset(&x.command.data), tlv::find(&objects, 0x53));
        let (Some(offset), Some(data)) = (offset, data) else {
            no.push(0x6A80);
            return x.response.refused(&no);
        };
        let end = offset + data.len();
        no.extend((end > LONGEST).then_some(0x6A84));
        if fid != BUFFER {
            let length = self.content(fid).map_or(0, <[u8]>::len);
            let before = self.used(x.known);
            no.extend(self.without_memory(before, before + end.saturating_sub(length)));
        }
        if x.response.explained(&no)? {
            self.write(fid, offset, data);
            self.session.current = Some(fid);
        }
        x.response.has(&[])
    }

    fn write(&mut self, fid: u16, offset: usize, data: &[u8]) {
        let place = self.files.iter().position(|(known, _)| *known == fid);
        let content = match (fid, place) {
            (BUFFER, _) => match &mut self.session.buffer {
                Buffer::There(content) | Buffer::Perhaps(content) if offset > 0 => content,
                buffer => {
                    *buffer = Buffer::There(Vec::new());
                    let Buffer::There(content) = buffer else { return };
                    content
                }
            },
            (_, Some(place)) => &mut self.files[place].1,
            (_, None) => {
                self.files.push((fid, Vec::new()));
                let last = self.files.len() - 1;
                &mut self.files[last].1
            }
        };
        let end = offset + data.len();
        content.resize(content.len().max(end), 0x00);
        content[offset..end].copy_from_slice(data);
    }

    pub(super) fn delete_file(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (command, mut no) = (x.command, Vec::new());
        no.extend((command.p1 != 0x02 || command.p2 & 0x7F != 0).then_some(0x6A86));
        no.extend(self.without_login());
        let Ok(fid) = <[u8; 2]>::try_from(command.data.as_slice()).map(u16::from_be_bytes) else {
            no.push(0x6700);
            return x.response.refused(&no);
        };
        no.extend([CERTIFICATES, 0xCC00].contains(&fid).then_some(0x6985));
        if self.is_doubtful(fid) && no.is_empty() {
            self.session.buffer = Buffer::None;
            if x.response.status == 0x6A82 {
                return Ok(());
            }
        } else {
            let is_there = self.is_key(fid) || self.content(fid).is_some();
            no.extend((!is_there).then_some(0x6A82));
        }
        if x.response.explained(&no)? {
            if fid == BUFFER {
                self.session.buffer = Buffer::None;
            }
            self.files.retain(|(known, _)| *known != fid);
            if fid >> 8 == 0xCC {
                self.keys.remove(&fid.to_be_bytes()[1]);
            }
            self.session.current = self.session.current.filter(|current| *current != fid);
        }
        x.response.has(&[])
    }

    pub(super) fn audit_files(&self, card: &State) -> Judgement {
        let mut files = card.files().iter();
        let certificates = files.next().map(|file| (file.fid().0, file.content()));
        equal("EF 2F02", &Some((CERTIFICATES, &self.device.certificates[..])), &certificates)?;
        let mut expected = self.files.iter();
        for file in files {
            let model = expected.next().map(|(fid, content)| (*fid, content.as_slice()));
            equal("the next file", &model, &Some((file.fid().0, file.content())))?;
        }
        expected.next().map_or(Ok(()), |(fid, _)| Err(format!("there is no file {fid:04X}")))
    }
}

/// What tag 54 says.
fn offset(data: &[u8]) -> Option<usize> {
    let objects = tlv::parse(data).ok()?;
    let offset = <[u8; 2]>::try_from(tlv::find(&objects, 0x54)?).ok()?;
    Some(u16::from_be_bytes(offset).into())
}
