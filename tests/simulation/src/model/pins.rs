//! VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER.

use super::{Exchange, Judgement, Model, Pin};

impl Pin {
    /// The most tries of a user PIN of that length, if it can have that length.
    pub(super) fn most_tries(length: usize) -> Option<u8> {
        match length {
            6 => Some(3),
            7 => Some(5),
            8..=16 => Some(10),
            _ => None,
        }
    }

    /// Compares: the status word if it is wrong, or no tries are left, now or then.
    pub(super) fn compare(&mut self, value: &[u8]) -> Result<(), u16> {
        if self.tries == 0 {
            return Err(0x6983);
        }
        if self.value == value {
            self.tries = self.limit;
            return Ok(());
        }
        self.tries -= 1;
        Err(self.state())
    }

    /// What it says when it is asked.
    fn state(&self) -> u16 {
        if self.tries == 0 { 0x6983 } else { 0x63C0 | u16::from(self.tries) }
    }
}

impl Model {
    pub(super) fn verify(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let data = x.command.data.as_slice();
        if x.command.p1 > 1 {
            return x.response.refused(&[0x6A86]);
        }
        match (x.command.p2, data) {
            (0x81, []) if self.session.logged_in => {
                x.response.explained(&[])?;
            }
            (0x81, []) => return x.response.refused(&[self.user_state()]),
            (0x81, _) => {
                let result = self.compare_user(data);
                x.response.explained(&result.err().unwrap_or_default())?;
                if !x.response.is_success() {
                    return Ok(());
                }
            }
            (0x88, _) => return self.verify_code(x),
            (0x85 | 0x86, _) => return x.response.refused(&[self.firmware.no_template()]),
            _ => return x.response.refused(&[0x6A86]),
        }
        x.response.has(&[])?;
        if x.command.p1 == 1 {
            self.session.keeps_login = self.session.logged_in;
        }
        Ok(())
    }

    fn is_transport(&self) -> bool {
        self.options & 0x02 != 0
    }

    fn user_state(&self) -> u16 {
        match &self.user {
            None if self.custodians.is_some() => 0x6300,
            None => self.firmware.no_user_pin(),
            Some(pin) if pin.tries > 0 && self.is_transport() => 0x6984,
            Some(pin) => pin.state(),
        }
    }

    /// Compares with the user PIN: the reasons against it.
    fn compare_user(&mut self, value: &[u8]) -> Result<(), Vec<u16>> {
        let transport = self.is_transport();
        let Some(pin) = &mut self.user else { return Err(vec![self.firmware.no_user_pin()]) };
        let session_pin = self.session.session_pin.as_deref();
        let mut no = Vec::new();
        // What is as long as neither of them is not compared.
        let could_be = |known: &[u8]| known.len() == value.len();
        let fits = could_be(&pin.value) || session_pin.is_some_and(could_be);
        no.extend((!fits).then_some(0x6700));
        no.extend((pin.tries > 0 && transport).then_some(0x6984));
        if !no.is_empty() {
            return Err(no);
        }
        let is_session_pin = session_pin == Some(value);
        let result = if is_session_pin && pin.tries > 0 { Ok(()) } else { pin.compare(value) };
        match result {
            Ok(()) => self.right_pin(),
            Err(_) => self.log_out(),
        }
        result.map_err(|status| vec![status])
    }

    fn right_pin(&mut self) {
        self.session.pin = true;
        self.session.keeps_login = false;
        self.authenticate();
    }

    fn verify_code(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let Some(code) = &mut self.code else { return x.response.refused(&[0x6A88]) };
        match x.command.data.as_slice() {
            [] => x.response.refused(&[code.state()]),
            value if value.len() != 8 => x.response.refused(&[0x6700]),
            value => {
                let no = code.compare(value).err();
                x.response.explained(no.as_slice())?;
                x.response.has(&[])
            }
        }
    }

    pub(super) fn change_reference_data(&mut self, x: &mut Exchange<'_>) -> Judgement {
        match (x.command.p1, x.command.p2) {
            (0x00, 0x81) => self.change_user(x),
            (0x00, 0x88) => self.change_code(x),
            _ => x.response.refused(&[0x6A86]),
        }
    }

    fn change_user(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let keeps_length = self.firmware.keeps_pin_length();
        let Some(pin) = &mut self.user else { return x.response.refused(&[0x6A88]) };
        let data = &x.command.data;
        let length = pin.value.len();
        let wrong = !(12..=32).contains(&data.len())
            || data.len() < length
            || keeps_length && data.len() != 2 * length;
        if wrong {
            return x.response.refused(&[0x6700]);
        }
        let (old, new) = data.split_at(length);
        if let Err(status) = pin.compare(old) {
            self.log_out();
            return x.response.refused(&[status]);
        }
        // The right PIN has given its tries back, whatever becomes of the new one.
        if Pin::most_tries(new.len()).is_none_or(|most| most < pin.limit) {
            return x.response.refused(&[0x6A80]);
        }
        x.response.explained(&[])?;
        pin.value = new.to_vec();
        self.options &= !0x02;
        self.session.session_pin = None;
        self.right_pin();
        x.response.has(&[])
    }

    fn change_code(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let Some(code) = &mut self.code else { return x.response.refused(&[0x6A88]) };
        let Some((old, new)) = x.command.data.split_at_checked(8).filter(|(_, new)| new.len() == 8)
        else {
            return x.response.refused(&[0x6700]);
        };
        if let Err(status) = code.compare(old) {
            return x.response.refused(&[status]);
        }
        x.response.explained(&[])?;
        code.value = new.to_vec();
        x.response.has(&[])
    }

    pub(super) fn reset_retry_counter(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let (command, mut no) = (x.command, Vec::new());
        let sets = command.p1 == 0;
        if command.p1 > 1 || command.p2 != 0x81 {
            return x.response.refused(&[0x6A86]);
        }
        no.extend(self.user.is_none().then_some(0x6A88));
        let allowed = self.options & 0x01 != 0 && !(sets && self.options & 0x20 != 0);
        no.extend((!allowed).then_some(0x6985));
        let lengths = match &self.user {
            Some(user) if sets && self.firmware.keeps_pin_length() => {
                let length = 8 + user.value.len();
                length..=length
            }
            _ if sets => 14..=24,
            _ => 8..=8,
        };
        no.extend((!lengths.contains(&command.data.len())).then_some(0x6700));
        let (Some(user), Some(code), []) = (&mut self.user, &mut self.code, no.as_slice()) else {
            return x.response.refused(&no);
        };
        let (given, new) = command.data.split_at(8);
        if let Err(status) = code.compare(given) {
            return x.response.refused(&[status]);
        }
        if sets && Pin::most_tries(new.len()).is_none_or(|most| most < user.limit) {
            return x.response.refused(&[0x6A80]);
        }
        x.response.explained(&[])?;
        if sets {
            user.value = new.to_vec();
        }
        user.tries = user.limit;
        self.session.session_pin = None;
        self.log_out();
        x.response.has(&[])
    }
}
