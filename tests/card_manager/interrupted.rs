//! The power fails after any command of an update: the card is the old one or the new one.

use crate::{is_as_delivered, open, update};
use vschsm_card::Card;
use vschsm_host::{Transport, TransportError};
use vschsm_testing::global_platform_host::command::{self, LARGEST_BLOCK};
use vschsm_testing::global_platform_host::{
    ChannelLevel, GlobalPlatformHost, HostKeys, HostPackage,
};
use vschsm_testing::test_card::TestCard;

/// A card as a driver keeps it: what is on disk is what it was when it last had to be saved.
struct Driver {
    card: Card,
    disk: Vec<u8>,
    commands_left: usize,
}

impl Transport for Driver {
    fn transmit(&mut self, apdu: &[u8]) -> Result<Vec<u8>, TransportError> {
        if self.commands_left == 0 {
            // Nobody is there, which a host takes for a refusal.
            return Ok(vec![0x00, 0x00]);
        }
        self.commands_left -= 1;
        let outcome = self.card.transmit(apdu);
        if outcome.changed {
            self.disk = self.card.image();
        }
        Ok(outcome.response)
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        self.card.reset();
        Ok(())
    }
}

/// Runs an update that ends after that many commands: what is on disk then, and how many commands
/// the host still had to send.
fn interrupted(image: &[u8], after: usize, commands: &[Vec<u8>]) -> (Vec<u8>, bool) {
    let card = Card::load(image, [7; 32]).expect("the image of a card");
    let mut driver = Driver { card, disk: image.to_vec(), commands_left: after };
    let finished = match GlobalPlatformHost::open(&mut driver, HostKeys::of_card, ChannelLevel::Mac)
    {
        Ok(mut host) => host.send_all(commands).is_ok(),
        Err(_) => false,
    };
    (driver.disk, finished)
}

#[test]
fn a_reset_after_any_command_leaves_the_old_card_or_the_new_one() {
    for (from, to) in [("3.1", "3.4"), ("2.0", "2.5"), ("4.0", "4.1")] {
        let image = TestCard::new(from).card().image();
        let commands = command::update(&HostPackage::of(to), LARGEST_BLOCK);
        let mut after = 0;
        loop {
            let (disk, finished) = interrupted(&image, after, &commands);
            let card = Card::load(&disk, [9; 32]).expect("what is on disk");
            assert_eq!(card.image(), disk, "after {after} commands");
            let mut card = TestCard::from(card);
            let firmware = if finished { to } else { from };
            assert!(is_as_delivered(&mut card, firmware), "after {after} commands of {from}");
            // Whichever it is, it can be updated from the start.
            update(&mut card, to).expect("an update");
            assert!(is_as_delivered(&mut card, to), "after {after} commands of {from}");
            if finished {
                break;
            }
            after += 1;
        }
        // SELECT, GET DATA, INITIALIZE UPDATE and EXTERNAL AUTHENTICATE come before them.
        assert_eq!(after, commands.len() + 4);
    }
}

#[test]
fn a_reset_forgets_what_was_deleted_and_loaded() {
    let commands = command::update(&HostPackage::of("3.4"), LARGEST_BLOCK);
    let (install, others) = commands.split_last().unwrap();
    for count in 0..=others.len() {
        let mut card = TestCard::new("3.1");
        open(&mut card, ChannelLevel::Mac)
            .send_all(&others[..count])
            .expect("an update, half done");
        card.card().reset();
        let mut host = open(&mut card, ChannelLevel::Mac);
        if count > 1 {
            assert_eq!(host.send(&others[count.min(others.len() - 1)]).status, 0x6985);
        }
        assert_eq!(host.send(install).status, 0x6985, "after {count} commands");
        assert!(is_as_delivered(&mut card, "3.1"), "after {count} commands");
    }
}

#[test]
fn a_channel_that_ends_forgets_them_too() {
    let commands = command::update(&HostPackage::of("3.4"), LARGEST_BLOCK);
    let (install, others) = commands.split_last().unwrap();
    let mut card = TestCard::new("3.1");
    let mut host = open(&mut card, ChannelLevel::Mac);
    host.send_all(others).expect("an update, but for the end");
    assert_eq!(host.send_plain(install).status, 0x6982);
    assert_eq!(open(&mut card, ChannelLevel::Mac).send(install).status, 0x6985);
    assert!(is_as_delivered(&mut card, "3.1"));
}
