//! DELETE, INSTALL and LOAD: what a package has to be, and in which order it comes.

use crate::{Host, delete, is_as_delivered, open, version};
use sha2::{Digest, Sha256};
use vschsm_testing::global_platform_host::command::{
    self, BlockPosition, LARGEST_BLOCK, field, get_status, install, install_for_load, load, with_le,
};
use vschsm_testing::global_platform_host::{
    APPLET, CARD_MANAGER, ChannelLevel, HostPackage, MODULE, PACKAGE,
};
use vschsm_testing::test_card::TestCard;

/// Loads a package in a card that is ready for it: the status word of the first LOAD that was
/// refused, or 9000.
fn loads(host: &mut Host<'_>, loads: &[Vec<u8>]) -> u16 {
    host.send_all(loads).map_or_else(|(_, status)| status, |()| 0x9000)
}

/// Says that a package with that hash comes, in a channel of its own.
fn announced(host: &mut Host<'_>, hash: &[u8]) {
    delete(host).expect_ok();
    host.send(&install_for_load(hash)).expect_ok();
}

/// Loads these LOADs, which are refused with that status word, and after which nothing is loaded
/// and the card is what it was. The last INSTALL gives 6985, but a whole package can be
/// loaded in the same session.
#[track_caller]
fn refuses(firmware: &str, hash: &[u8], blocks: &[Vec<u8>], status: u16) {
    let mut card = TestCard::new(firmware);
    let image = kept(&card.card().image());
    let mut host = open(&mut card, ChannelLevel::Mac);
    announced(&mut host, hash);
    let found = loads(&mut host, blocks);
    assert_eq!(format!("{found:04X}"), format!("{status:04X}"));
    assert_eq!(host.send(&load(BlockPosition::Last, 0x00, &[0xC4, 0x00])).status, 0x6985);
    assert_eq!(host.send(&install()).status, 0x6985);
    let package = HostPackage::of(firmware);
    host.send(&install_for_load(&package.hash())).expect_ok();
    host.send_all(&command::loads(&package, LARGEST_BLOCK)).expect("a whole package");
    assert!(is_as_delivered(&mut card, firmware));
    assert_eq!(kept(&card.card().image()), image, "nothing was installed");
}

/// What an image says of the applet: the device key and the firmware.
fn kept(image: &[u8]) -> Vec<String> {
    let text = String::from_utf8(image.to_vec()).unwrap();
    let lines = text.lines().map(str::trim);
    let told = lines.filter(|line| {
        ["\"firmware\"", "\"device-key\"", "\"content\""].iter().any(|name| line.starts_with(name))
    });
    told.map(Into::into).collect()
}

#[test]
fn blocks_of_every_size_come_in_channels_of_every_level() {
    for size in [64, 127, 128, 192, LARGEST_BLOCK] {
        for level in ChannelLevel::ALL {
            let mut card = TestCard::new("3.1");
            let commands = command::update(&HostPackage::of("3.4"), size);
            open(&mut card, level).send_all(&commands).expect("an update");
            assert!(is_as_delivered(&mut card, "3.4"), "{size} at {level:?}");
        }
    }
    // Without a MAC a block may have 255 bytes.
    let mut card = TestCard::new("3.1");
    let commands = command::update(&HostPackage::of("3.4"), 255);
    open(&mut card, ChannelLevel::Open).send_all(&commands).expect("an update");
    assert!(is_as_delivered(&mut card, "3.4"));
}

#[test]
fn every_answer_of_an_update_is_a_zero() {
    let mut card = TestCard::new("3.1");
    let mut host = open(&mut card, ChannelLevel::Mac);
    for apdu in command::update(&HostPackage::of("3.4"), LARGEST_BLOCK) {
        assert_eq!(host.send(&apdu).expect_ok(), [0x00], "{:02X?}", &apdu[..4]);
    }
}

#[test]
fn commands_without_le_do_as_well() {
    let mut card = TestCard::new("3.1");
    let mut host = open(&mut card, ChannelLevel::Mac);
    for mut apdu in command::update(&HostPackage::of("3.4"), LARGEST_BLOCK) {
        apdu.pop();
        host.send(&apdu).expect_ok();
    }
    assert!(is_as_delivered(&mut card, "3.4"));
}

#[test]
fn the_applet_may_be_deleted_before_its_package() {
    let mut card = TestCard::new("3.1");
    let mut host = open(&mut card, ChannelLevel::Mac);
    let alone = |name: &[u8]| {
        let data = [&[0x4F][..], &field(name)].concat();
        with_le([0x80, 0xE4, 0x00, 0x00], &data)
    };
    assert_eq!(host.send(&alone(&PACKAGE)).status, 0x6985, "its applet is there");
    host.send(&alone(&APPLET)).expect_ok();
    host.send(&alone(&PACKAGE)).expect_ok();
    let commands = command::update(&HostPackage::of("3.4"), LARGEST_BLOCK);
    host.send_all(&commands[1..]).expect("an update");
    assert!(is_as_delivered(&mut card, "3.4"));
}

#[test]
fn what_is_deleted_is_gone_only_when_the_other_is_installed() {
    let mut card = TestCard::new("3.1");
    let mut host = open(&mut card, ChannelLevel::Mac);
    delete(&mut host).expect_ok();
    assert!(is_as_delivered(&mut card, "3.1"));
    let mut card = card.restarted();
    assert!(is_as_delivered(&mut card, "3.1"));
}

#[test]
fn delete_of_what_there_is_not_is_6a88() {
    let mut card = TestCard::new("3.4");
    let mut host = open(&mut card, ChannelLevel::Mac);
    let near = [&PACKAGE[..11], &[0x02]].concat();
    let longer = [&APPLET[..], &[0x00]].concat();
    for name in [&near[..], &longer, &[0xA0; 8]] {
        assert_eq!(host.send(&command::delete(name)).status, 0x6A88, "{name:02X?}");
    }
    for data in [&[][..], &[0x4F], &[0x4F, 0x05, 0x00], &[0x4E, 0x00]] {
        let status = host.send(&with_le([0x80, 0xE4, 0x00, 0x80], data)).status;
        assert!([0x6A80, 0x6A88, 0x6700].contains(&status), "{status:04X} to {data:02X?}");
    }
    // The card manager itself stays.
    assert_eq!(host.send(&command::delete(&CARD_MANAGER)).status, 0x6985);
    host.send(&get_status(0x80)).expect_ok();
}

#[test]
fn a_package_comes_after_the_one_that_is_there_is_deleted() {
    let mut card = TestCard::new("3.1");
    let package = HostPackage::of("3.4");
    let mut host = open(&mut card, ChannelLevel::Mac);
    assert_eq!(host.send(&install_for_load(&package.hash())).status, 0x6985);
    delete(&mut host).expect_ok();
    host.send(&install_for_load(&package.hash())).expect_ok();
    // And in the session in which it is deleted.
    let mut host = open(&mut card, ChannelLevel::Mac);
    assert_eq!(host.send(&install_for_load(&package.hash())).status, 0x6985);
}

#[test]
fn install_for_load_has_all_its_fields_and_a_hash_of_known_size() {
    let mut card = TestCard::new("3.1");
    let mut host = open(&mut card, ChannelLevel::Mac);
    delete(&mut host).expect_ok();
    let hash = HostPackage::of("3.4").hash();
    for length in (1..64).filter(|length| ![20, 32].contains(length)) {
        let status = host.send(&install_for_load(&[0x5A; 64][..length])).status;
        assert_eq!(status, 0x6A80, "a hash of {length} bytes");
    }
    let whole = install_for_load(&hash);
    let data = &whole[5..whole.len() - 1];
    for length in 1..data.len() {
        let status = host.send(&with_le([0x80, 0xE6, 0x02, 0x00], &data[..length])).status;
        assert_eq!(status, 0x6A80, "{length} bytes");
    }
    let longer = [data, &[0x00]].concat();
    assert_eq!(host.send(&with_le([0x80, 0xE6, 0x02, 0x00], &longer)).status, 0x6A80);
    // Nothing of that has begun a load.
    assert_eq!(host.send(&load(BlockPosition::Within, 0x00, &[0xC4])).status, 0x6985);
    host.send(&whole).expect_ok();
    host.send(&load(BlockPosition::Within, 0x00, &[0xC4])).expect_ok();
}

#[test]
fn the_security_domain_may_be_left_out() {
    let mut card = TestCard::new("3.1");
    let package = HostPackage::of("3.4");
    let mut host = open(&mut card, ChannelLevel::Mac);
    delete(&mut host).expect_ok();
    let fields = [&PACKAGE[..], &[], &package.hash(), &[], &[]].map(field).concat();
    host.send(&with_le([0x80, 0xE6, 0x02, 0x00], &fields)).expect_ok();
    host.send_all(&command::loads(&package, LARGEST_BLOCK)).expect("the package");
    host.send(&install()).expect_ok();
    assert!(is_as_delivered(&mut card, "3.4"));
}

#[test]
fn load_and_install_come_after_what_they_need() {
    let mut card = TestCard::new("3.1");
    let package = HostPackage::of("3.4");
    let blocks = command::loads(&package, LARGEST_BLOCK);
    let mut host = open(&mut card, ChannelLevel::Mac);
    assert_eq!(host.send(&blocks[0]).status, 0x6985);
    assert_eq!(host.send(&install()).status, 0x6985);
    delete(&mut host).expect_ok();
    assert_eq!(host.send(&blocks[0]).status, 0x6985);
    assert_eq!(host.send(&install()).status, 0x6985);
    host.send(&install_for_load(&package.hash())).expect_ok();
    assert_eq!(host.send(&install()).status, 0x6985);
    host.send(&install_for_load(&package.hash())).expect_ok();
    let (last, others) = blocks.split_last().unwrap();
    host.send_all(others).unwrap();
    assert_eq!(host.send(&install()).status, 0x6985);
    assert_eq!(version(&mut card), "3.1");

    let mut host = open(&mut card, ChannelLevel::Mac);
    announced(&mut host, &package.hash());
    host.send_all(others).unwrap();
    host.send(last).expect_ok();
    // Nothing comes after the last block.
    assert_eq!(host.send(last).status, 0x6985);
}

#[test]
fn every_damaged_block_is_noticed() {
    let package = HostPackage::of("3.4");
    let blocks = command::loads(&package, LARGEST_BLOCK);
    for number in 0..blocks.len() {
        for place in [5, blocks[number].len() / 2, blocks[number].len() - 2] {
            let mut damaged = blocks.clone();
            damaged[number][place] ^= 0x01;
            refuses("3.1", &package.hash(), &damaged, 0x6A80);
            // The digest that the package has itself will do.
            refuses("3.1", &[], &damaged, 0x6A80);
        }
    }
}

#[test]
fn a_block_left_out_sent_twice_or_in_another_place_is_noticed() {
    let package = HostPackage::of("3.4");
    let blocks = command::loads(&package, LARGEST_BLOCK);
    for number in 0..blocks.len() - 1 {
        let mut missing = blocks.clone();
        missing.remove(number);
        refuses("3.1", &package.hash(), &missing, 0x6A86);
        let mut repeated = blocks.clone();
        repeated.insert(number, blocks[number].clone());
        refuses("3.1", &package.hash(), &repeated, 0x6A86);
        let mut swapped = blocks.clone();
        swapped.swap(number, number + 1);
        refuses("3.1", &package.hash(), &swapped, 0x6A86);
    }
}

#[test]
fn blocks_numbered_anew_do_not_hide_what_is_missing() {
    let package = HostPackage::of("3.4");
    let blocks = command::loads(&package, LARGEST_BLOCK);
    let renumbered = |blocks: Vec<Vec<u8>>| {
        let numbered = (0..).zip(blocks);
        numbered.map(|(number, mut block)| {
            block[3] = number;
            block
        })
    };
    for number in 1..blocks.len() - 1 {
        let mut missing = blocks.clone();
        missing.remove(number);
        let blocks: Vec<_> = renumbered(missing).collect();
        refuses("3.1", &package.hash(), &blocks, 0x6A80);
    }
    for number in 0..blocks.len() - 2 {
        let mut swapped = blocks.clone();
        swapped.swap(number, number + 1);
        let blocks: Vec<_> = renumbered(swapped).collect();
        refuses("3.1", &package.hash(), &blocks, 0x6A80);
    }
}

#[test]
fn a_package_that_ends_too_early_or_too_late_is_noticed() {
    let package = HostPackage::of("3.4");
    let mut early = command::loads(&package, LARGEST_BLOCK);
    early.pop();
    early.last_mut().unwrap()[2] = BlockPosition::Last as u8;
    refuses("3.1", &package.hash(), &early, 0x6A80);
    let mut late = command::loads(&package, LARGEST_BLOCK);
    let number = u8::try_from(late.len()).unwrap();
    late.last_mut().unwrap()[2] = BlockPosition::Within as u8;
    late.push(load(BlockPosition::Last, number, &[0x00]));
    refuses("3.1", &package.hash(), &late, 0x6A80);
    refuses("3.1", &package.hash(), &[load(BlockPosition::Last, 0x00, &[0xC4, 0x00])], 0x6A80);
}

#[test]
fn a_hash_is_that_of_the_package_by_sha_1_or_sha_256_or_left_out() {
    let package = HostPackage::of("3.4");
    let blocks = command::loads(&package, LARGEST_BLOCK);
    let right = [vec![], package.hash().to_vec(), Sha256::digest(package.load_file()).to_vec()];
    for hash in right {
        let mut card = TestCard::new("3.1");
        let mut host = open(&mut card, ChannelLevel::Mac);
        announced(&mut host, &hash);
        assert_eq!(loads(&mut host, &blocks), 0x9000, "{hash:02X?}");
        host.send(&install()).expect_ok();
        assert!(is_as_delivered(&mut card, "3.4"));
    }
    let other = HostPackage::of("3.3");
    let wrong = [other.hash().to_vec(), Sha256::digest(other.load_file()).to_vec(), vec![0x00; 20]];
    for hash in wrong {
        refuses("3.1", &hash, &blocks, 0x6A80);
    }
}

#[test]
fn a_package_says_itself_what_its_digest_is() {
    let whole = HostPackage::of("3.4").load_file().to_vec();
    let components = &whole[..whole.len() - 35];
    for wrong in [
        HostPackage::from(components.to_vec()),
        HostPackage::from(whole[..whole.len() - 1].to_vec()),
        // One byte more of the components than the digest is of.
        HostPackage::from([&whole[..40], &[0x00], &whole[40..]].concat()),
        HostPackage::closed(whole.clone()),
    ] {
        let blocks = command::loads(&wrong, LARGEST_BLOCK);
        refuses("3.1", &wrong.hash(), &blocks, 0x6A80);
        refuses("3.1", &[], &blocks, 0x6A80);
    }
}

/// Bytes that have the right hash and digest and are not a package.
#[track_caller]
fn is_no_package(components: &[u8]) {
    let package = HostPackage::closed(components.to_vec());
    refuses("3.1", &package.hash(), &command::loads(&package, LARGEST_BLOCK), 0x6A80);
}

/// The components of a package without its digest, and where the one with the firmware begins.
fn components(firmware: &str) -> (Vec<u8>, usize) {
    let mut whole = HostPackage::of(firmware).load_file().to_vec();
    whole.truncate(whole.len() - 35);
    (whole, 79)
}

#[test]
fn what_is_not_a_package_of_a_firmware_is_refused() {
    let (whole, firmware) = components("3.4");
    is_no_package(&[]);
    is_no_package(b"name = \"3.4\"");
    // Tag, magic, version, and the name.
    for place in [0, 3, 6, 10, 11, 13, 24] {
        let mut changed = whole.clone();
        changed[place] ^= 0x01;
        is_no_package(&changed);
    }
    for length in [1, 2, 3, 24, 25, 26, 59, firmware, firmware + 3, 100, whole.len() - 1] {
        is_no_package(&whole[..length]);
    }
    // Without its header, and without its firmware.
    is_no_package(&whole[25..]);
    is_no_package(&[&whole[..firmware], &[0x07, 0x00, 0x00]].concat());
}

#[test]
fn a_firmware_that_is_no_profile_or_not_the_one_it_says_is_refused() {
    let (whole, firmware) = components("3.4");
    let text = std::str::from_utf8(&whole[firmware + 3..]).expect("a text").to_owned();
    assert!(text.starts_with("# SmartCard-HSM 3.4"), "{:?}", text.get(..20));
    let wrong = |firmware: &str, major, minor| {
        let package = HostPackage::new(firmware, major, minor);
        refuses("3.1", &package.hash(), &command::loads(&package, LARGEST_BLOCK), 0x6A80);
    };
    for (major, minor) in [(3, 3), (4, 4), (4, 3)] {
        wrong(&text, major, minor);
    }
    for text in ["", "name", &text.replace("rsa = [", "rsa = "), &text.replace("name = ", "nam = ")]
    {
        wrong(text, 3, 4);
    }
    // What a file may not say, a package may not either: such a card could not be used or updated.
    for (line, beyond) in [
        ("max-command = 1232", "max-command = 0"),
        ("max-command = 1232", "max-command = 260"),
        ("memory = 78840", "memory = 4194305"),
        ("atr = \"", "atr = \"\" # "),
        ("platform = \"", "platform = \"\\u0007"),
    ] {
        assert!(text.contains(line), "{line}");
        wrong(&text.replacen(line, beyond, 1), 3, 4);
    }
    let mut changed = whole;
    changed[firmware + 3] = 0xFF;
    is_no_package(&changed);
}

#[test]
fn firmware_of_other_hardware_is_6a81() {
    for (from, to) in
        [("2.5", "2.6"), ("2.6", "3.0"), ("3.6", "4.0"), ("4.0", "3.6"), ("2.6", "2.5")]
    {
        let package = HostPackage::of(to);
        refuses(from, &package.hash(), &command::loads(&package, LARGEST_BLOCK), 0x6A81);
    }
}

/// The field with that number is another one: the same length, and no name of the card's.
fn with_another(fields: &[&[u8]], number: usize) -> Vec<u8> {
    let mut fields: Vec<_> = fields.iter().map(|field| field.to_vec()).collect();
    let last = fields[number].last_mut().expect("a name");
    *last ^= 0x40;
    fields.iter().flat_map(|value| field(value)).collect()
}

#[test]
fn a_package_of_another_name_or_for_another_domain_is_not_announced() {
    let package = HostPackage::of("3.4");
    let hash = package.hash();
    let fields: [&[u8]; 5] = [&PACKAGE, &CARD_MANAGER, &hash, &[], &[]];
    for number in [0, 1] {
        let mut card = TestCard::new("3.1");
        let mut host = open(&mut card, ChannelLevel::Mac);
        delete(&mut host).expect_ok();
        let wrong = with_le([0x80, 0xE6, 0x02, 0x00], &with_another(&fields, number));
        let status = host.send(&wrong).status;
        assert!([0x6A80, 0x6A88].contains(&status), "{status:04X} to field {number}");
        assert_eq!(host.send(&command::loads(&package, LARGEST_BLOCK)[0]).status, 0x6985);
    }
}

#[test]
fn an_applet_of_another_name_is_not_installed() {
    let package = HostPackage::of("3.4");
    let fields: [&[u8]; 6] = [&PACKAGE, &MODULE, &APPLET, &[0x00], &[], &[]];
    for number in [0, 1, 2] {
        let mut card = TestCard::new("3.1");
        let mut host = open(&mut card, ChannelLevel::Mac);
        announced(&mut host, &package.hash());
        host.send_all(&command::loads(&package, LARGEST_BLOCK)).expect("the package");
        let wrong = with_le([0x80, 0xE6, 0x0C, 0x00], &with_another(&fields, number));
        let status = host.send(&wrong).status;
        assert!([0x6A80, 0x6A88].contains(&status), "{status:04X} to field {number}");
        assert!(is_as_delivered(&mut card, "3.1"), "field {number}");
    }
}

/// Two headers could say two versions.
#[test]
fn a_component_that_comes_twice_is_6a80() {
    let whole = HostPackage::of("3.4");
    let components = &whole.load_file()[..whole.load_file().len() - 35];
    let mut rest = components;
    while let [_, high, low, ..] = rest {
        let (again, after) = rest.split_at(3 + usize::from(u16::from_be_bytes([*high, *low])));
        let package = HostPackage::closed([components, again].concat());
        refuses("3.1", &package.hash(), &command::loads(&package, LARGEST_BLOCK), 0x6A80);
        rest = after;
    }
}
