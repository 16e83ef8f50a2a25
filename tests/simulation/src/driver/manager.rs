//! Commands of the card manager.

use super::Draw;
use crate::model::{APPLET, CARD_MANAGER, MODULE, PACKAGE};
use crate::step::Apdu;
use vschsm_protocol::tlv::encode;

impl Draw<'_> {
    pub(super) fn manager_command(&mut self) -> Apdu {
        let manager = self.model.session.manager.as_ref();
        let is_open = manager.is_some_and(|manager| manager.level.is_some());
        // Nobody talks to it for long who has no channel.
        if self.random.once_in(if is_open { 6 } else { 2 }) {
            return Apdu::new([0x00, 0xA4, 0x04, 0x00], &APPLET, &[0x00]);
        }
        if self.random.once_in(8) {
            // What the applet would understand, from who forgets to select it.
            return self.applet_command();
        }
        let name = self.random.pick(&[&APPLET[..], &PACKAGE, &PACKAGE, &CARD_MANAGER, &[0x01; 5]]);
        match self.random.below(13) {
            0 => {
                let tag = self.random.pick(&[0x0066, 0x00C1, 0x00E0, 0x9F7F, 0x0042_u16]);
                let [high, low] = tag.to_be_bytes();
                Apdu::new([0x80, 0xCA, high, low], &[], &[0x00])
            }
            1 => {
                let challenge = self.random.bytes(8);
                let version = self.random.pick(&[0, 1, 2]);
                Apdu::new([0x80, 0x50, version, 0x00], &challenge, &[0x00])
            }
            2 => {
                let level = self.random.pick(&[0, 1, 3, 2]);
                let length = self.random.pick(&[16, 16, 8]);
                let cryptogram = self.random.bytes(length);
                Apdu::new([0x84, 0x82, level, 0x00], &cryptogram, &[])
            }
            3..6 => {
                let what = self.random.pick(&[0x80, 0x40, 0x20, 0x10, 0x08]);
                let form = self.random.pick(&[0x00, 0x02]);
                let criterion = if self.random.once_in(2) { &[][..] } else { name };
                Apdu::new([0x80, 0xF2, what, form], &encode(0x4F, criterion), &[0x00])
            }
            6..8 => {
                let p2 = self.random.pick(&[0x00, 0x80]);
                Apdu::new([0x80, 0xE4, 0x00, p2], &encode(0x4F, name), &[])
            }
            8..10 => self.install(),
            10..12 => {
                let (p1, number) =
                    (self.random.pick(&[0, 0, 0, 0x80]), self.random.pick(&[0, 1, 2]));
                let block = self.random.bytes(20);
                Apdu::new([0x80, 0xE8, p1, number], &block, &[])
            }
            _ => {
                let data = self.random.bytes(67);
                Apdu::new([0x80, 0xD8, 0x00, 0x81], &data, &[])
            }
        }
    }

    fn install(&mut self) -> Apdu {
        let counted = |name: &[u8]| {
            let length = u8::try_from(name.len()).expect("names are short");
            [&[length], name].concat()
        };
        let [package, module, applet] = [&PACKAGE[..], &MODULE, &APPLET].map(counted);
        if self.random.once_in(3) {
            let data = [&package[..], &module, &applet, &[0x01, 0x04, 0x00, 0x00]].concat();
            return Apdu::new([0x80, 0xE6, 0x0C, 0x00], &data, &[]);
        }
        let length = self.random.pick(&[0, 20, 32, 5]);
        let hash = counted(&self.random.bytes(length));
        let data = [&package[..], &[0x00], &hash, &[0x00, 0x00]].concat();
        Apdu::new([0x80, 0xE6, 0x02, 0x00], &data, &[])
    }
}
