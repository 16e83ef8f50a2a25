//! INITIALIZE DEVICE.

use super::{Custodians, Domain, Exchange, Judgement, Model, Pin, Scheme, Session};
use crate::known::{Kek, Known};
use vschsm_protocol::tlv::{self, Object};

/// What a card is to be initialised with.
struct Plan {
    options: u16,
    user: Option<Pin>,
    code: Vec<u8>,
    custodians: Option<Custodians>,
    domains: Vec<Option<Domain>>,
}

impl Model {
    pub(super) fn initialize(&mut self, x: &mut Exchange<'_>) -> Judgement {
        let command = x.command;
        if command.p1p2() != 0 {
            return x.response.refused(&[0x6A86]);
        }
        if command.data.is_empty() {
            return self.tell_memory(x);
        }
        let plan = match self.plan(&command.data, x.known) {
            Ok(plan) => plan,
            Err(no) => return x.response.refused(&no),
        };
        match &mut self.code {
            Some(code) => match code.compare(&plan.code) {
                Err(0x6983) => return x.response.refused(&[0x6983]),
                // A wrong SO-PIN has another status word here than elsewhere.
                Err(_) => return x.response.refused(&[0x6985]),
                Ok(()) => {}
            },
            unset => *unset = Some(Pin { value: plan.code, limit: 15, tries: 15 }),
        }
        x.response.explained(&[])?;
        self.options = plan.options;
        self.user = plan.user;
        self.custodians = plan.custodians;
        self.domains = plan.domains;
        self.files.clear();
        self.keys.clear();
        let channel = self.session.channel;
        self.session = Session { channel, logged_in: true, ..Session::default() };
        x.response.has(&[])
    }

    fn tell_memory(&self, x: &mut Exchange<'_>) -> Judgement {
        if !self.firmware.tells_memory() {
            return x.response.refused(&[0x6700]);
        }
        x.response.explained(&[])?;
        let [memory, most] = self.firmware.memory();
        let free = memory.saturating_sub(self.used(x.known)).min(most);
        let free = u32::try_from(free).unwrap_or(u32::MAX).to_be_bytes();
        x.response.has(&[&free[..], &[0x00], &self.firmware.version()].concat())
    }

    /// What the data says, or the reasons against it.
    fn plan(&self, data: &[u8], known: &mut Known) -> Result<Plan, Vec<u16>> {
        let mut objects = tlv::parse(data).map_err(|_| vec![0x6A80])?;
        objects.retain(|object| self.firmware.initialises_by(object.tag));
        let mut no = Vec::new();
        let options = fixed::<2>(&objects, 0x80, &mut no).map(u16::from_be_bytes);
        let custodians = fixed::<2>(&objects, 0x93, &mut no);
        let tries = fixed::<1>(&objects, 0x91, &mut no).map_or(3, |[tries]| tries);
        let shares = fixed::<1>(&objects, 0x92, &mut no);
        let slots = fixed::<1>(&objects, 0x97, &mut no);
        no.extend((shares.is_some() && slots.is_some()).then_some(0x6A80));
        if let Some([number, required]) = custodians {
            let possible = (1..=90).contains(&number) && (1..=number).contains(&required);
            no.extend((!possible).then_some(0x6A80));
        }
        let user = tlv::find(&objects, 0x81).filter(|pin| !pin.is_empty());
        if let Some(user) = user {
            let most = Pin::most_tries(user.len());
            let possible = most.is_some_and(|most| (1..=most).contains(&tries));
            no.extend((!possible).then_some(0x6A80));
        }
        let code = tlv::find(&objects, 0x82).map(<[u8]>::to_vec);
        no.extend(code.is_none().then_some(0x6A80));
        no.extend(code.as_ref().is_some_and(|code| code.len() != 8).then_some(0x6700));
        let Some(code) = code.filter(|_| no.is_empty()) else { return Err(no) };
        let domains = match (shares, slots) {
            (Some([number]), _) => vec![Some(Domain::of_shares(number, known))],
            (None, Some([slots])) => vec![None; usize::from(slots)],
            (None, None) => Vec::new(),
        };
        Ok(Plan {
            options: options.unwrap_or(self.firmware.default_options()),
            user: user.map(|user| Pin { value: user.to_vec(), limit: tries, tries }),
            code,
            custodians: custodians.map(|[number, required]| Custodians {
                required,
                slots: vec![None; usize::from(number)],
            }),
            domains,
        })
    }
}

impl Domain {
    /// A domain that waits for as many shares; without shares it has a key that nobody knows.
    pub(super) fn of_shares(number: u8, known: &mut Known) -> Self {
        let kek = (number == 0).then(|| Kek::Random(known.fresh()));
        Self { scheme: Scheme::Shares { number, missing: number }, kek }
    }
}

/// The first object of that tag, which has `N` bytes; otherwise there is a reason to refuse.
fn fixed<const N: usize>(objects: &[Object<'_>], tag: u16, no: &mut Vec<u16>) -> Option<[u8; N]> {
    let value = tlv::find(objects, tag)?.try_into().ok();
    no.extend(value.is_none().then_some(0x6A80));
    value
}
