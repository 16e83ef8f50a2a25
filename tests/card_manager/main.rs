//! The card manager: a host that shares no code with the card opens channels to it and updates the
//! firmware, and others do not.

mod channel;
mod hostile;
mod interrupted;
mod keys;
mod load;
mod selection;
mod update;

use vschsm_card::Card;
use vschsm_testing::global_platform_host::command::{self, LARGEST_BLOCK};
use vschsm_testing::global_platform_host::{
    ChannelLevel, GlobalPlatformError, GlobalPlatformHost, HostKeys, HostPackage, PACKAGE,
};
use vschsm_testing::test_card::{TestCard, TestResponse};

/// A host, and the card in this process that it talks to.
type Host<'a> = GlobalPlatformHost<'a, Card>;

/// A host with a channel of that level to the card manager of `card`.
fn open(card: &mut TestCard, level: ChannelLevel) -> Host<'_> {
    Host::open(card.card(), HostKeys::of_card, level).expect("a channel")
}

/// The same with these keys and not those that the card was made with.
fn open_with<'a>(
    card: &'a mut TestCard,
    level: ChannelLevel,
    keys: &HostKeys,
) -> Result<Host<'a>, GlobalPlatformError> {
    Host::open(card.card(), |_| keys.clone(), level)
}

/// Updates the card to a firmware that is built in: the number of the command that it has refused,
/// after those that open the channel, and its status word.
fn update(card: &mut TestCard, firmware: &str) -> Result<(), (usize, u16)> {
    let commands = command::update(&HostPackage::of(firmware), LARGEST_BLOCK);
    open(card, ChannelLevel::Mac).send_all(&commands)
}

/// DELETE of the package, in a channel.
fn delete(host: &mut Host<'_>) -> TestResponse {
    host.send(&command::delete(&PACKAGE))
}

/// Selects the applet: what its FCI says of itself.
fn applet(card: &mut TestCard) -> Vec<u8> {
    card.hex("00A4040008 E82B0601040181C3 00").expect_ok()
}

/// The version that the applet says it has.
fn version(card: &mut TestCard) -> String {
    let information = applet(card);
    let (_, version) = information.split_last_chunk::<2>().expect("a version");
    format!("{}.{}", version[0], version[1])
}

/// Whether the card and a new one of that firmware and serial number say the same of themselves
/// where no key of theirs matters.
fn is_as_delivered(card: &mut TestCard, firmware: &str) -> bool {
    let mut new = TestCard::new(firmware);
    let told = |card: &mut TestCard| {
        let files = card.send(0x80, 0x58, 0x00, 0x00, &[]);
        let states = ["00200081", "00200088", "8052000000"].map(|apdu| card.hex(apdu));
        (card.card().atr().to_vec(), applet(card), files, states)
    };
    version(card) == firmware && told(card) == told(&mut new)
}
