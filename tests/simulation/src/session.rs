//! A session: cards, and what happens to them, step by step; what must hold is looked at after
//! each.

use crate::bench::{Bench, Host};
use crate::coverage::{Application, Coverage};
use crate::known::Known;
use crate::model::firmware::Firmware;
use crate::model::{IssuerKeys, Judgement, Model, Response, Sent};
use crate::pool;
use crate::step::{Act, Apdu, Disk, Envelope, Part, Step};
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::panic::{AssertUnwindSafe, catch_unwind};
use vschsm_card::profile::Profile;
use vschsm_host::command::{content, raw_signature};
use vschsm_host::update::{Update, UpdateError, package};
use vschsm_protocol::apdu::Command;
use vschsm_protocol::instruction;
use vschsm_protocol::tlv;
use vschsm_testing::global_platform_host::{
    CARD_MANAGER, CHALLENGE, Chaining, ChannelLevel, HostChannel, HostKeys, Proposal, command,
};
use vschsm_testing::secure_host::{HostOpening, HostProtocol};

/// What a session begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// From which the randomness of cards and driver comes.
    pub seed: u64,
    /// The firmwares of the cards.
    pub(crate) firmwares: Vec<Firmware>,
    /// Whether everything is looked at after every step, which takes long.
    pub(crate) thorough: bool,
}

/// Something that should not be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The step after which it was found.
    pub step: u32,
    /// What was looked at.
    pub(crate) check: Check,
    /// What it was that happened, in words.
    pub(crate) act: String,
    /// What is wrong.
    pub(crate) what: String,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Panic,
    Response,
    State,
    Saved,
    Rollback,
    Restart,
    Reset,
    Secret,
    Repetition,
}

impl Finding {
    /// Whether it is the same thing that is wrong, if perhaps at another place.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.check == other.check && self.act == other.act
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { step, check, act, what } = self;
        let about = match check {
            Check::Panic => "it panics",
            Check::Response => "the response is wrong",
            Check::State => "the card is not what it should be",
            Check::Saved => "what was answered is not what was saved",
            Check::Rollback => "a refused command has changed the card",
            Check::Restart => "the card does not come back",
            Check::Reset => "a reset is not what a power cycle is",
            Check::Secret => "a secret is to be seen",
            Check::Repetition => "the same session went otherwise",
        };
        write!(f, "step {step}, {act}: {about}: {what}")
    }
}

/// A session that goes on.
pub(crate) struct Session {
    plan: Plan,
    pub(crate) benches: Vec<Bench>,
    known: Known,
    /// The responses that steps had, for those that refer to them.
    responses: HashMap<u32, Vec<u8>>,
    pub(crate) coverage: Coverage,
    /// How many APDUs the cards have had.
    pub(crate) apdus: u64,
    /// Of all responses so far.
    pub(crate) digest: u64,
}

/// What came of a step, or why it should not have.
type Outcome = Result<(), (Check, String)>;

fn found(check: Check) -> impl Fn(String) -> (Check, String) {
    move |what| (check, what)
}

impl Session {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut known = Known::new();
        pool::introduce(&mut known);
        let benches = plan.firmwares.iter().enumerate().map(|(place, firmware)| {
            let seed = plan.seed.wrapping_mul(16).wrapping_add(place as u64);
            Bench::new(place, *firmware, seed, &mut known)
        });
        let benches = benches.collect();
        let (plan, responses) = (plan.clone(), HashMap::new());
        Self { plan, benches, known, responses, coverage: Coverage::default(), apdus: 0, digest: 0 }
    }

    /// Does a step, and looks at what must hold.
    pub(crate) fn perform(&mut self, step: &Step) -> Result<(), Finding> {
        let done = catch_unwind(AssertUnwindSafe(|| self.act(step)));
        let done = done.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()));
            Err((Check::Panic, text.unwrap_or_default()))
        });
        done.map_err(|(check, what)| {
            let act = self.words(step);
            Finding { step: step.number, check, act, what }
        })
    }

    /// What a step does, in few words.
    fn words(&self, step: &Step) -> String {
        match &step.act {
            Act::Send { apdu, .. } => {
                let bytes = self.bytes(apdu);
                let name = match bytes.as_slice() {
                    [_, ins, _, p2, ..] => instruction::name(instruction::APPLET, *ins, *p2)
                        .or_else(|| instruction::name(instruction::CARD_MANAGER, *ins, 0))
                        .unwrap_or("an unknown command"),
                    _ => "no command",
                };
                format!("{name} to card {}", step.card)
            }
            other => format!("{other} of card {}", step.card),
        }
    }

    fn act(&mut self, step: &Step) -> Outcome {
        if step.card >= self.benches.len() {
            return Ok(());
        }
        match &step.act {
            Act::Send { apdu, envelope } => {
                let bytes = self.bytes(apdu);
                self.send(step, &bytes, *envelope)?;
            }
            Act::Reset => {
                let bench = &mut self.benches[step.card];
                bench.reset();
                if self.plan.thorough {
                    bench.compare_with_powered().map_err(found(Check::Reset))?;
                }
            }
            Act::Restart => self.restart(step)?,
            Act::Channel(protocol) => self.open_channel(step, *protocol)?,
            Act::Issuer(level) => self.open_issuer_channel(step, *level)?,
            Act::Keys { version, byte } => self.put_keys(step, *version, *byte)?,
            Act::Update { firmware, commands } => self.update(step, firmware, *commands)?,
        }
        self.look(step)
    }

    /// What must hold after every step.
    fn look(&mut self, step: &Step) -> Outcome {
        let bench = &mut self.benches[step.card];
        if self.plan.thorough || step.number.is_multiple_of(16) {
            bench.model.audit(bench.card.state()).map_err(found(Check::State))?;
        }
        if self.plan.thorough {
            same_card(&bench.disk, &bench.card.image()).map_err(found(Check::Saved))?;
            if step.number.is_multiple_of(32) {
                let text = format!("{:?}", bench.card);
                bench.secrets.are_not_told(&text).map_err(found(Check::Secret))?;
            }
        }
        Ok(())
    }

    fn restart(&mut self, step: &Step) -> Outcome {
        let seed = self.plan.seed ^ u64::from(step.number) << 32;
        let bench = &mut self.benches[step.card];
        bench.restart(seed).map_err(found(Check::Restart))?;
        bench.model.audit(bench.card.state()).map_err(found(Check::State))
    }

    /// The bytes of a command, as far as what it refers to is there.
    fn bytes(&self, apdu: &Apdu) -> Vec<u8> {
        apdu.bytes(&|part| self.resolve(part))
    }

    fn resolve(&self, part: &Part) -> Vec<u8> {
        let response = |step| self.responses.get(step).map(Vec::as_slice).unwrap_or_default();
        let certificate = |card: &usize, place: usize| {
            let bench = self.benches.get(*card).or(self.benches.first());
            let chain = bench.map(|bench| bench.model.device.certificates.as_slice());
            let chain = tlv::parse(chain.unwrap_or_default()).unwrap_or_default();
            chain.get(place).map(|certificate| certificate.value.to_vec()).unwrap_or_default()
        };
        match part {
            Part::Bytes(bytes) => bytes.clone(),
            Part::Response(step) => response(step).to_vec(),
            Part::Content(step) => content(response(step)).to_vec(),
            Part::Signature(step) => raw_signature(response(step)),
            Part::Device(card) => certificate(card, 0),
            Part::Authority(card) => certificate(card, 1),
            Part::X(card) => {
                let bench = self.benches.get(*card).or(self.benches.first());
                let point = bench.and_then(|bench| bench.model.device.point.get(1..33));
                point.unwrap_or_default().to_vec()
            }
            Part::RefillToken { card, key, uses } => {
                let bench = self.benches.get(*card).or(self.benches.first());
                let token = bench.and_then(|bench| bench.model.refill_token(*key, *uses));
                token.unwrap_or_default()
            }
            Part::Pooled(key) => {
                let keys = pool::keys();
                keys[key % keys.len()].blob.clone()
            }
            Part::Object(tag, parts) => Part::wrapped(*tag, parts, &|part| self.resolve(part)),
        }
    }

    /// Sends a command, and judges the response, if anybody has seen one.
    fn send(
        &mut self,
        step: &Step,
        bytes: &[u8],
        envelope: Envelope,
    ) -> Result<Option<Response>, (Check, String)> {
        let bench = &mut self.benches[step.card];
        let application = match bench.model.session.manager {
            Some(_) => Application::CardManager,
            None => Application::Applet,
        };
        let before = (step.disk == Disk::Full).then(|| (bench.model.clone(), bench.saved.clone()));
        let manager = bench.model.session.manager.as_ref();
        let proof = manager.and_then(|manager| manager.proof.as_deref());
        let (protected, sent) = protect(&mut bench.host, proof, bytes, envelope);
        let outcome = bench.card.transmit(&protected);
        self.apdus += 1;
        self.digest = outcome.response.iter().fold(self.digest, |digest, byte| {
            (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        });

        let response = open(&mut bench.host, &sent, &outcome.response);
        let response = response.map_err(found(Check::Response))?;
        self.coverage.count(application, bytes, response.status);
        if matches!(bytes, [_, 0x86, ..]) && response.is_success() {
            // The keys are those of another channel, and whoever has opened it knows them.
            bench.host = Host::Plain;
        }
        let old = bench.disk.clone();
        if outcome.changed {
            bench.save();
        }
        let judged = bench.model.judge(&sent, &response, &mut self.known, bench.card.state());
        judged.map_err(|what| (Check::Response, format!("{:04X}: {what}", response.status)))?;
        bench.close_host();
        if outcome.changed {
            bench.model.audit(bench.card.state()).map_err(found(Check::State))?;
            if !response.is_success() {
                same_but_tries(&old, &bench.disk).map_err(found(Check::Rollback))?;
            }
        }
        if self.plan.thorough {
            bench.secrets.are_not_in(&response.data).map_err(found(Check::Secret))?;
            if outcome.changed {
                bench.secrets.learn(&bench.disk);
            }
        }
        if !outcome.changed || step.disk == Disk::Works {
            self.responses.insert(step.number, response.data.clone());
            return Ok(Some(response));
        }
        if let Some((model, saved)) = before {
            bench.disk = old;
            bench.saved = saved;
            bench.model = model;
        }
        self.restart(step)?;
        Ok(None)
    }

    /// Sends a command of which nothing is known to stand against it, in a step with several.
    fn ask(&mut self, step: &Step, bytes: &[u8]) -> Result<Option<Vec<u8>>, (Check, String)> {
        let response = self.send(step, bytes, Envelope::Protected)?;
        Ok(response.filter(Response::is_success).map(|response| response.data))
    }

    fn open_channel(&mut self, step: &Step, protocol: HostProtocol) -> Outcome {
        let opening = HostOpening::new(protocol);
        if self.ask(step, &opening.choice())?.is_none() {
            return Ok(());
        }
        let Some(proof) = self.ask(step, &opening.request())? else { return Ok(()) };
        let bench = &mut self.benches[step.card];
        let host = opening.finish(&proof, &bench.model.device.certificates);
        bench.host = Host::Secure(host.map_err(found(Check::Response))?);
        Ok(())
    }

    fn open_issuer_channel(&mut self, step: &Step, level: ChannelLevel) -> Outcome {
        if self.ask(step, &command::select(&CARD_MANAGER))?.is_none() {
            return Ok(());
        }
        let keys = self.benches[step.card].model.issuer.of_session();
        let response = self.ask(step, &command::initialize_update(0x00, &CHALLENGE))?;
        let Some(proposal) = response.and_then(|response| Proposal::parse(&response)) else {
            return Ok(());
        };
        let mut channel = HostChannel::new(keys, Chaining::Encrypted);
        let command = channel.authenticate(level, &CHALLENGE, &proposal);
        let response = self.send(step, &command, Envelope::Protected)?;
        if response.is_some_and(|response| response.is_success()) {
            self.benches[step.card].host = Host::Issuer(channel, level);
        }
        Ok(())
    }

    fn put_keys(&mut self, step: &Step, version: u8, byte: u8) -> Outcome {
        let bench = &mut self.benches[step.card];
        let Host::Issuer(channel, _) = &bench.host else { return Ok(()) };
        let keys = HostKeys::all([byte; 16]);
        let command = channel.put_keys(0x00, version, &keys);
        if let Some(manager) = &mut bench.model.session.manager {
            let keys = IssuerKeys { version, keys, sequence: 0 };
            manager.keys = Some((command[5..].to_vec(), keys));
        }
        self.send(step, &command, Envelope::Protected).map(drop)
    }

    /// An update as `vschsm update` does it: commands that the model does not judge one by one.
    fn update(&mut self, step: &Step, firmware: &str, commands: usize) -> Outcome {
        let bench = &mut self.benches[step.card];
        let (Some(new), Some(profile)) = (Firmware::named(firmware), Profile::built_in(firmware))
        else {
            return Ok(());
        };
        let package = package(profile.version(), profile.source());
        let package = package.map_err(|error| (Check::Response, error.to_string()))?;
        let mut update = Update::new(&package, None, CHALLENGE);
        let expected = expected_of_update(&bench.model, new);
        let (mut next, mut sent, mut failure) = (Some(update.first()), 0, None);
        while let Some(command) = next.take().filter(|_| sent < commands) {
            let outcome = bench.card.transmit(&command);
            let status = Response::parse(&outcome.response).map_or(0, |response| response.status);
            let manager = sent > 0 && sent + 1 < update.length();
            let application = if manager { Application::CardManager } else { Application::Applet };
            self.coverage.count(application, &command, status);
            self.apdus += 1;
            if outcome.changed {
                bench.save();
            }
            match update.next(&outcome.response) {
                Ok(command) => next = command,
                Err(error) => failure = Some(error),
            }
            sent += 1;
        }
        if failure.is_some() && failure != expected.err() {
            return Err((Check::Response, format!("the update fails: {failure:?}")));
        }
        if expected.is_err() && failure.is_none() && sent < commands {
            return Err((Check::Response, "the update should have failed".into()));
        }
        let knows_keys = expected != Err(UpdateError::OtherKeys);
        bench.model.issuer.sequence += u16::from(knows_keys && sent >= 4);
        if expected.is_ok() && sent + 1 >= update.length() {
            let issuer = bench.model.issuer.clone();
            bench.model = Model { issuer, ..Model::delivered(new, bench.card.state()) };
            self.known.note_certificates(&bench.model.device.certificates);
        }
        bench.reset();
        bench.model.audit(bench.card.state()).map_err(found(Check::State))
    }
}

/// Whether an update gets done.
fn expected_of_update(model: &Model, new: Firmware) -> Result<(), UpdateError> {
    use vschsm_protocol::apdu::Status;
    if model.issuer.keys != IssuerKeys::of_delivery(&model.device.name).keys {
        return Err(UpdateError::OtherKeys);
    }
    if !model.is_replaceable() {
        return Err(UpdateError::Refused("DELETE", Status(0x6985)));
    }
    if new.hardware() != model.firmware.hardware() {
        return Err(UpdateError::Refused("LOAD", Status(0x6A81)));
    }
    Ok(())
}

/// The bytes that go to the card, and what the model makes of them.
fn protect<'a>(
    host: &mut Host,
    proof: Option<&[u8]>,
    bytes: &'a [u8],
    envelope: Envelope,
) -> (Vec<u8>, Sent<'a>) {
    let plain = || (bytes.to_vec(), Sent::Plain(bytes));
    let Ok(command) = Command::parse(bytes) else { return plain() };
    // What begins the issuer's channel has the proof that the model waits for.
    if proof.is_some_and(|proof| command.data.starts_with(proof)) {
        return (bytes.to_vec(), Sent::Protected(command));
    }
    if !matches!(command.cla, 0x00 | 0x80) || envelope == Envelope::Plain {
        return plain();
    }
    let mut protected = match host {
        Host::Plain => return plain(),
        // Protected, it would be longer than some firmware's longest command.
        Host::Secure(_) if bytes.len() > 1150 => return plain(),
        Host::Secure(host) => host.protect(bytes),
        Host::Issuer(channel, level) if is_secured(*level, bytes) => channel.protect(bytes),
        Host::Issuer(..) => return plain(),
    };
    let Envelope::Tampered(bit) = envelope else { return (protected, Sent::Protected(command)) };
    // P1, P2, and the MAC before an Le of at most two bytes.
    let end = protected.len() - if matches!(host, Host::Issuer(..)) { 1 } else { 2 };
    let places: Vec<_> = [2, 3].into_iter().chain(end - 7..end).collect();
    protected[places[bit / 8 % places.len()]] ^= 1 << (bit % 8);
    (protected, Sent::Tampered)
}

/// Whether a command is one of the issuer's channel, which secures it, and not too long for that.
fn is_secured(level: ChannelLevel, command: &[u8]) -> bool {
    let of_channel = matches!(command, [0x80, 0xCA | 0xD8 | 0xE4 | 0xE6 | 0xE8 | 0xF2, ..]);
    let is_short = command.len() == 5 || command.len() < 210 && command.get(4) != Some(&0);
    level != ChannelLevel::Open && of_channel && is_short
}

/// The response, unprotected.
fn open(host: &mut Host, sent: &Sent<'_>, response: &[u8]) -> Result<Response, String> {
    let opened = match (host, sent) {
        (Host::Secure(host), Sent::Protected(_)) => host.unprotect(response)?,
        _ => response.to_vec(),
    };
    Response::parse(&opened).ok_or_else(|| "it has no status word".into())
}

/// Whether two images are of the same card.
fn same_card(saved: &[u8], card: &[u8]) -> Judgement {
    if saved == card { Ok(()) } else { Err(difference(saved, card)) }
}

/// Whether two images differ in nothing but PIN tries and uses of keys, which the model knows.
fn same_but_tries(before: &[u8], after: &[u8]) -> Judgement {
    let lines = |image: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(image);
        let may_differ = ["\"tries\": ", "\"uses\": "];
        let lines = text.lines().skip(1);
        let lines = lines.filter(|line| !may_differ.iter().any(|part| line.contains(part)));
        lines.map(Into::into).collect()
    };
    if before == after || lines(before) == lines(after) {
        return Ok(());
    }
    Err(difference(before, after))
}

/// The first line of an image's content in which two differ.
fn difference(one: &[u8], other: &[u8]) -> String {
    let [one, other] = [one, other].map(String::from_utf8_lossy);
    let mut lines = one.lines().zip(other.lines()).skip(1);
    let line = lines.find(|(one, other)| one != other);
    line.map_or("one is longer".into(), |(one, other)| format!("{one} and {other}"))
}
