//! What the card says of its memory: it falls with each object, comes back with each deletion, and
//! ends at `6A84`, with nothing half done.

use vschsm_card::Card;
use vschsm_card::profile::Profile;
use vschsm_host::Transport;
use vschsm_host::command;
use vschsm_protocol::tlv;
use vschsm_testing::group::{certificates, verify_peer};
use vschsm_testing::hex;
use vschsm_testing::test_card::{TestCard, TestResponse, changed_image, domain, ec_template};

/// What the card says of its memory, in bytes.
fn free(card: &mut TestCard) -> usize {
    let response = card.hex("8050000000").expect_ok();
    response[..4].iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// The files and keys that the card lists.
fn listed(card: &mut TestCard) -> Vec<u8> {
    card.send(0x80, 0x58, 0x00, 0x00, &[]).expect_ok()
}

/// Makes a key on the curve of that name.
fn generate(card: &mut TestCard, id: u8, curve: &str) -> TestResponse {
    card.send(0x00, 0x46, id, 0x00, &ec_template(&domain(curve), &[]))
}

/// Makes keys on secp521r1 with the numbers that `free_ids` are, until there is no memory, and
/// checks what the card says of itself after each; how many there were.
fn fill(card: &mut TestCard, free_ids: impl Iterator<Item = u8>) -> usize {
    let mut count = 0;
    for id in free_ids {
        let before = (free(card), listed(card));
        let response = generate(card, id, "secp521r1");
        if response.status == 0x6A84 {
            assert!(before.0 < 521, "refused with {} bytes free", before.0);
            assert_eq!((free(card), listed(card)), before, "something was left behind");
            return count;
        }
        response.expect_ok();
        assert_eq!(free(card), before.0 - 521);
        assert_eq!(listed(card).len(), before.1.len() + 2);
        count += 1;
    }
    panic!("{count} keys and no end");
}

#[test]
fn a_card_is_filled_emptied_filled_again_and_restarted_without_losing_count() {
    let mut card = TestCard::initialised("3.4");
    assert_eq!(free(&mut card), 78_840);
    // Nitrokey HSM 2 FAQ: 150 keys of 521 bits in 76 kB, in round numbers.
    assert_eq!(fill(&mut card, 1..=255), 151);

    let mut card = card.restarted().logged_in();
    assert_eq!(free(&mut card), 78_840 - 151 * 521);
    assert_eq!(generate(&mut card, 200, "secp521r1").status, 0x6A84);
    // A key that is replaced gives its memory back.
    generate(&mut card, 1, "secp521r1").expect_ok();
    assert_eq!(free(&mut card), 78_840 - 151 * 521);

    for id in (1..=151).step_by(2) {
        card.hex(&format!("00E40200 02 CC{id:02X}")).expect_ok();
    }
    assert_eq!(free(&mut card), 78_840 - 75 * 521);
    let mut card = card.restarted().logged_in();
    assert_eq!(fill(&mut card, (1..=255).step_by(2)), 76);

    // What is too small for a key has room for a file.
    let rest = free(&mut card);
    assert_eq!(card.write(0xCF01, &vec![0; rest + 1]).status, 0x6A84);
    card.write(0xCF01, &vec![0; rest]).expect_ok();
    assert_eq!(free(&mut card), 0);
    let mut card = card.restarted().logged_in();
    assert_eq!((free(&mut card), listed(&mut card).len()), (0, 2 * (2 + 1 + 151)));
    card.hex("80500000 19 80020001 8106363438323139 82083537363231383830 910103").expect_ok();
    assert_eq!(free(&mut card), 78_840);
}

#[test]
fn every_kind_of_key_costs_what_its_bits_say() {
    let mut card = TestCard::initialised("3.4");
    // Nitrokey HSM 2 FAQ: about 300 keys of 256 bits, EC or AES, 150 of 521, 38 of RSA-2048 or 19
    // of RSA-4096. That the costs between them are as their lengths is derived.
    for (bits, keys) in [(256, 307), (521, 151), (2048, 38), (4096, 19)] {
        assert_eq!(78_840 / bits, keys);
    }
    let mut spent = 0;
    let mut check = |card: &mut TestCard, bits| {
        spent += bits;
        assert_eq!(free(card), 78_840 - spent, "{bits}");
    };
    card.generate_rsa(1, 1024, &[]);
    check(&mut card, 1024);
    card.generate_rsa(2, 2048, &[]);
    check(&mut card, 2048);
    for (id, bits) in [(3, 128), (4, 192), (5, 256)] {
        card.generate_aes(id, bits, &[]);
        check(&mut card, usize::from(bits));
    }
    for (id, curve, bits) in [(6, "brainpoolP320t1", 320), (7, "secp192k1", 192)] {
        generate(&mut card, id, curve).expect_ok();
        check(&mut card, bits);
    }
}

#[test]
fn a_card_over_its_limit_still_works_and_can_be_emptied() {
    let mut card = TestCard::initialised("3.4");
    card.write(0xCF01, &[0xAA; 1000]).expect_ok();
    let small =
        Profile::built_in("3.4").unwrap().source().replace("memory = 78840", "memory = 500");
    let lines: Vec<_> = small.lines().map(|line| format!("{line:?}")).collect();
    let firmware = format!("[{}]", lines.join(","));
    let image = changed_image(card.card(), |content| content.replace("\"3.4\"", &firmware));

    let mut card = Card::load(&image, [0; 32]).unwrap();
    card.begin().unwrap();
    let mut response = |apdu: &str| card.transmit(&hex(apdu)).response;
    assert_eq!(response("00200081 06 363438323139"), [0x90, 0x00]);
    assert_eq!(response("00D7CF02 07 54020000 5301AA"), [0x6A, 0x84]);
    assert_eq!(response("00E40200 02 CF01"), [0x90, 0x00]);
    assert_eq!(response("00D7CF02 07 54020000 5301AA"), [0x90, 0x00]);
}

/// A card of 3.4 with longer commands and that much memory, and the user logged in.
fn large(memory: usize) -> TestCard {
    let source = Profile::built_in("3.4").unwrap().source().to_owned();
    let source = source
        .replace("name = \"3.4\"", "name = \"large\"")
        .replace("max-command = 1232", "max-command = 32768")
        .replace("memory = 78840", &format!("memory = {memory}"));
    let card = Card::new(&Default::default(), Profile::parse(&source).unwrap(), [0x5B; 32]);
    let mut card = TestCard::from(card.unwrap());
    card.initialise_with(&[]);
    card
}

/// Registers a key by what is in its authenticated request, which is too long for a command.
fn register(card: &mut TestCard, request: &[u8]) -> TestResponse {
    let request = command::content(request);
    for (number, piece) in request.chunks(1000).enumerate() {
        let offset = u16::try_from(1000 * number).unwrap();
        card.transmit(&command::write_at(0x2F10, offset, piece)).expect_ok();
    }
    card.send(0x80, 0x54, 0x00, 0x00, &[])
}

#[test]
fn keys_that_authenticate_take_memory() {
    let mut custodian = large(1 << 20);
    let mut card = TestCard::new("3.4");
    card.initialise_with(&tlv::encode(0x93, &[90, 1]));
    verify_peer(&mut card, &certificates(&mut custodian));
    let before = free(&mut card);
    let mut taken = 0;
    for id in 1..=2 {
        // Nothing limits the name of a key but the length of a command.
        let name = vec![id; 30_000];
        let template = command::template(&command::ec_public_key(&domain("secp256r1")), &name, &[]);
        let request = custodian.send(0x00, 0x46, id, 0x00, &template).expect_ok();
        let key = tlv::at(&request, &[0x67, 0x7F21, 0x7F4E, 0x7F49]).unwrap();
        register(&mut card, &request).expect_ok();
        taken += name.len() + key.len();
        assert_eq!(free(&mut card), before - taken);
    }
    let template =
        command::template(&command::ec_public_key(&domain("secp256r1")), &[3; 30_000], &[]);
    let request = custodian.send(0x00, 0x46, 3, 0x00, &template).expect_ok();
    assert_eq!(register(&mut card, &request).status, 0x6A84);
    assert_eq!(free(&mut card), before - taken);
    let mut card = card.restarted().logged_in();
    assert_eq!(free(&mut card), before - taken);
}

#[test]
fn a_domain_takes_memory_for_its_name_and_its_key() {
    let mut card = TestCard::initialised("3.4");
    card.initialise_with(&tlv::encode(0x97, &[2]));
    let empty = free(&mut card);
    card.hex("80520100 01 02 00").expect_ok();
    assert_eq!(free(&mut card), empty);
    card.import_share(0, &[0x11; 32]).expect_ok();
    assert_eq!(free(&mut card), empty - 32);
    card.import_share(0, &[0x12; 32]).expect_ok();
    assert_eq!(free(&mut card), empty - 32);
    card.hex("80520101 01 00 00").expect_ok();
    assert_eq!(free(&mut card), empty - 64);
    card.write(0xCF01, &vec![0; 1000]).expect_ok();
    for domain in 0..2 {
        card.hex(&format!("805203{domain:02X}")).expect_ok();
    }
    assert_eq!(free(&mut card), empty - 1000);
}

#[test]
fn the_largest_memory_full_makes_an_image_of_less_than_16_mib() {
    let mut card = large(4 << 20);
    let mut files = 0;
    for fid in (0xCF00..=0xCFFF).chain(0xCE00..=0xCEFF) {
        if card.write(fid, &[0xAA; 32_000]).status == 0x6A84 {
            break;
        }
        files += 1;
    }
    assert_eq!(files, (4 << 20) / 32_000);
    let length = card.card().image().len();
    assert!(length < 9 << 20, "{length}");
    // What takes no memory: files without content, as many as there are identifiers.
    for fid in [0xC400_u16, 0xC800, 0xC900, 0xCA00, 0xCB00, 0xCD00] {
        (fid..=fid + 0xFF).for_each(|fid| drop(card.write(fid, &[]).expect_ok()));
    }
    let length = card.card().image().len();
    assert!(length < 10 << 20, "{length}");
}
