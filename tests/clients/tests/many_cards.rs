//! A thousand cards in one program.

use clients::ManyCards;
use vschsm_host::command::SELECT_APPLET;
use vschsm_testing::pcsc_client::{PcscClient, SHARED};

const COUNT: usize = 1000;

/// How much memory they may take, in bytes: 250 kB each.
const LIMIT: u64 = 250_000 * 1000;

/// Logs in, and signs with key 1, which is RSA's, and with key 6, which is a curve's.
fn use_card(client: &mut PcscClient, number: usize) -> Vec<u8> {
    let handle = client.connect(&ManyCards::reader(number), SHARED).expect("the reader has a card");
    let mut data = |apdu: &[u8]| {
        let mut response = client.transmit(handle, apdu).expect("a response");
        assert!(response.ends_with(&[0x90, 0x00]), "{apdu:02X?}: {response:02X?}");
        response.truncate(response.len() - 2);
        response
    };
    data(SELECT_APPLET);
    data(b"\x00\x20\x00\x81\x06648219");
    let signature = data(b"\x80\x68\x01\x33\x00\x00\x03abc\x00\x00");
    assert_eq!(signature.len(), 256);
    data(b"\x80\x68\x06\x73\x03abc\x00");
    client.disconnect(handle);
    signature
}

#[test]
fn a_thousand_cards_of_twenty_keys_take_little_memory_used_or_not() {
    let few = ManyCards::started(1);
    let many = ManyCards::started(COUNT);
    let (one, all) = (few.memory(), many.memory());
    assert!(all - one <= LIMIT, "{all} bytes, and {one} with one card");

    // Copies of a card have its keys, and a signature of this kind has no random part.
    let signature = use_card(&mut few.client(), 0);
    let mut client = many.client();
    for number in 0..COUNT {
        assert_eq!(use_card(&mut client, number), signature, "card {number}");
    }

    let (one, all) = (few.memory(), many.memory());
    assert!(all - one <= LIMIT, "after use {all} bytes, and {one} with one card");
}

#[test]
fn a_thousand_cards_leave_room_for_as_many_clients_as_one_does() {
    let many = ManyCards::started(COUNT);

    let mut clients: Vec<_> = (0..200).map(|_| many.client()).collect();

    for (number, client) in clients.iter_mut().enumerate() {
        use_card(client, number);
    }
}
