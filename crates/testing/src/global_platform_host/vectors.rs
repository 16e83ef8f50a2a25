//! The host against numbers that others have computed, or that real cards have sent.

use super::command;
use super::{
    CARD_MANAGER, Chaining, ChannelLevel, HostChannel, HostKeys, HostPackage, MASTER_KEY, Proposal,
    options,
};
use crate::{digits, hex};

/// A host's challenge, and the card's response to it.
struct PublishedExchange {
    keys: HostKeys,
    host: [u8; 8],
    proposal: Proposal,
}

impl PublishedExchange {
    fn new(key: [u8; 16], host: &str, response: &str) -> Self {
        let proposal = Proposal::parse(&hex(response)).expect("a proposal");
        let keys = HostKeys::all(key).session(proposal.counter);
        Self { keys, host: hex(host).try_into().unwrap(), proposal }
    }

    /// Whether the cryptogram is that of a card that has the keys.
    fn is_of_the_card(&self) -> bool {
        self.keys.card_cryptogram(&self.host, &self.proposal) == self.proposal.cryptogram
    }
}

/// Computed with OpenSSL.
fn computed() -> PublishedExchange {
    let response = "00000000000000000000 01 02 0001 A1A2A3A4A5A6 4E20129EE15D55C8";
    PublishedExchange::new(MASTER_KEY, "0102030405060708", response)
}

fn protected(
    exchange: &PublishedExchange,
    chaining: Chaining,
    level: ChannelLevel,
    apdus: &[&str],
) -> Vec<String> {
    let mut channel = HostChannel::new(exchange.keys.clone(), chaining);
    let first = channel.authenticate(level, &exchange.host, &exchange.proposal);
    let rest = apdus.iter().map(|apdu| digits(&channel.protect(&hex(apdu))));
    [digits(&first)].into_iter().chain(rest).collect()
}

#[test]
fn session_keys_and_cryptograms_are_those_of_another_implementation() {
    let exchange = computed();
    let HostKeys { encryption, mac, data } = &exchange.keys;
    assert_eq!(digits(encryption), "25C9794A1205FF244F5FA0378D2F8D59");
    assert_eq!(digits(mac), "9BED98891580C3B245FE9EC58BFA8D2A");
    assert_eq!(digits(data), "0E51FDF196141F227A57BD154012FD39");
    assert!(exchange.is_of_the_card());
    let host = exchange.keys.host_cryptogram(&exchange.host, &exchange.proposal);
    assert_eq!(digits(&host), "7943B2D3D16CA435");
}

#[test]
fn a_mac_starts_from_the_one_before_encrypted_or_not() {
    let exchange = computed();
    let authenticate = "84820100107943B2D3D16CA4358DAFF2AE49D5119F";
    assert_eq!(
        protected(&exchange, Chaining::Encrypted, ChannelLevel::Mac, &["80F28000024F00"]),
        [authenticate, "84F280000A4F00FD3E0DE848CF068D"]
    );
    assert_eq!(
        protected(&exchange, Chaining::Plain, ChannelLevel::Mac, &["80F28000024F00"]),
        [authenticate, "84F280000A4F0020A1622373E459B0"]
    );
    let mac = hex("8DAFF2AE49D5119F").try_into().unwrap();
    assert_eq!(digits(&exchange.keys.chained(mac)), "88E5CB562D37AE02");
}

/// Le is behind the MAC and not in it, and the MAC is that of the plain data. Computed with Py-GP
/// 1.0.0.
#[test]
fn each_level_protects_commands_as_another_host_does() {
    let exchange = computed();
    let commands = ["80F28000024F0000", "80E400800C4F0AE82B0601040181C31F02", "80E60C000401020304"];
    let protect = |level| protected(&exchange, Chaining::Encrypted, level, &commands);
    assert_eq!(protect(ChannelLevel::Open)[1..], commands);
    assert_eq!(
        protect(ChannelLevel::Mac),
        [
            "84820100107943B2D3D16CA4358DAFF2AE49D5119F",
            "84F280000A4F00FD3E0DE848CF068D00",
            "84E40080144F0AE82B0601040181C31F02B6C63714ADDEAFE7",
            "84E60C000C01020304DE78133EBAC44133",
        ]
    );
    assert_eq!(
        protect(ChannelLevel::Encrypted),
        [
            "84820300107943B2D3D16CA43519942203C2600B0F",
            "84F2800010CDA18B342F9D6AB047794938EFAC0D4700",
            "84E4008018BEBCF14C5BF9AB0747872CE99E59E013C528D888AAC548CF",
            "84E60C0010E892DF2B1F8F42ADA0E8E89B0DA53706",
        ]
    );
}

/// Source: GlobalPlatform Card Specification 2.2, E.4.6.
#[test]
fn no_data_stays_no_data() {
    for level in [ChannelLevel::Mac, ChannelLevel::Encrypted] {
        let protected = &protected(&computed(), Chaining::Encrypted, level, &["80CA006600"])[1];
        assert!(protected.starts_with("84CA006608") && protected.len() == 28, "{protected}");
    }
}

/// Computed with Py-GP 1.0.0.
#[test]
fn keys_are_sent_encrypted_with_their_check_values() {
    let channel = HostChannel::new(computed().keys, Chaining::Encrypted);
    let key = hex("000102030405060708090A0B0C0D0E0F").try_into().unwrap();
    let command = digits(&channel.put_keys(0x01, 0x02, &HostKeys::all(key)));
    let sent = "8010BB13AF6D7265A4C41BE5B357EE2A3CB503DDADA1";
    assert_eq!(command, ["80D8018143", "02", sent, sent, sent].concat());
}

/// A JCOP whose keys its owner has published. Source: GlobalPlatformPro issue 192.
#[test]
fn a_real_jcop_shows_the_cryptogram_that_follows_from_its_keys() {
    let key = hex("90379A3E7116D455E55F9398736A01CA").try_into().unwrap();
    let response = "00003266201710208650 FF 02 0018 25ACCEA62970 56E582A1325F085B";
    let exchange = PublishedExchange::new(key, "BA53AAED5BBD5654", response);
    assert!(digits(&exchange.keys.encryption).starts_with("BAD64CE8"));
    assert!(exchange.is_of_the_card());
}

/// A JCOP with the master key for all three. Source: GlobalPlatformPro issue 169.
#[test]
fn a_real_jcop_shows_the_challenge_that_follows_from_its_keys() {
    let response = "00007213002987072483 FF 02 0206 13A5A6AADE02 7E59F3F8C98F0EE3";
    let exchange = PublishedExchange::new(MASTER_KEY, "EC255ADBCDB6C751", response);
    assert!(exchange.is_of_the_card());
    assert_eq!(exchange.keys.challenge(&CARD_MANAGER), exchange.proposal.challenge);
}

/// Source: GlobalPlatformPro issue 39, where the card has other keys.
#[test]
fn keys_of_a_session_are_those_that_globalplatformpro_has_computed() {
    let response = "00000000000000000000 01 02 001D 47D2B3096958 573B9A89EBF78EA3";
    let exchange = PublishedExchange::new(MASTER_KEY, "4849A29D9FCFC9E3", response);
    let HostKeys { encryption, mac, data } = &exchange.keys;
    assert_eq!(digits(encryption), "1526478F541984920D6C39016463B195");
    assert_eq!(digits(mac), "B3DC47CE007033D288B4EA273EE5C0F5");
    assert_eq!(digits(data), "262AC040EA69227BD7FD5CDE2353454A");
    assert!(exchange.is_of_the_card());
    let host = exchange.keys.host_cryptogram(&exchange.host, &exchange.proposal);
    assert_eq!(digits(&host), "8234791221A1FEBE");
}

/// Computed with OpenSSL.
#[test]
fn keys_of_a_card_follow_from_its_diversification_data() {
    let keys = HostKeys::of_card(&hex("00007213002987072483").try_into().unwrap());
    let session = keys.session([0x02, 0x06]);
    assert_eq!(digits(&session.encryption), "8A5F4ADDAA1FD5907D8D6552864379E2");
    assert_eq!(digits(&session.mac), "58F02F78DBF42F6DC04FAA37C7BFA7FD");
    assert_ne!(keys.data, keys.mac);
}

/// Source: responses of JCOP cards in public issues.
#[test]
fn options_are_read_from_the_card_recognition_data() {
    let jcop = "6631732F06072A864886FC6B01600C060A2A864886FC6B02020101630906072A864886FC6B03\
                640B06092A864886FC6B040215";
    assert_eq!(options(&hex(jcop)), Some(0x15));
    assert_eq!(options(&hex(&jcop.replace("040215", "040255"))), Some(0x55));
    assert_eq!(options(&hex(&jcop.replace("040215", "040370"))), None);
}

#[test]
fn a_package_is_the_components_of_a_cap_file() {
    let package = HostPackage::new("text", 3, 4);
    let components = "01 0016 DECAFFED 01 02 04 04 03 0C E82B0601040181C31F027F01 \
                      02 001F 0016 001F 0011 0000 0000 0000 0004 0000 0020 0000 0000 \
                              000000000000 00 01 00 \
                      03 0011 01 0D E82B0601040181C31F027F0101 0000 07 0004 74657874";
    // `sha256sum` of them.
    let digest = "C34B01996954A59D6359A9CCB6767B36ACBFC76A1975F4D6DAD7479D85F166E4";
    let expected = format!("{components} 09 0020 {digest}");
    assert_eq!(digits(package.load_file()), digits(&hex(&expected)));
    assert_eq!(package.blocks(1000), [hex(&format!("C479 {expected}"))]);
    assert_eq!(package.blocks(40).iter().map(Vec::len).collect::<Vec<_>>(), [40, 40, 40, 3]);
}

#[test]
fn an_update_deletes_loads_and_installs() {
    let package = HostPackage::of("3.4");
    let commands = command::update(&package, command::LARGEST_BLOCK);
    let heads: Vec<_> = commands.iter().map(|command| digits(&command[..4])).collect();
    assert_eq!(heads[..3], ["80E40080", "80E60200", "80E80000"]);
    let last = heads.len() - 4;
    assert_eq!(heads[heads.len() - 2..], [format!("80E880{last:02X}"), "80E60C00".into()]);
    let data = commands[2..heads.len() - 1].iter().flat_map(|load| &load[5..load.len() - 1]);
    let loaded: Vec<u8> = data.copied().collect();
    assert_eq!(loaded[..2], [0xC4, 0x82]);
    assert_eq!(loaded[4..], *package.load_file());
}
