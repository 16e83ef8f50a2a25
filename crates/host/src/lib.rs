//! A client library for SmartCard-HSMs, real and virtual ones.
//!
//! A real one is in a PC/SC reader. This program signs with a key on it:
//!
//! ```rust,standalone_crate
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use vschsm_card::{Card, personalisation::PersonalisationData};
//! # use vschsm_card::profile::{DEFAULT, Profile};
//! # // libpcsclite reads its variable once per process: what follows runs in a child.
//! # if std::env::args().len() == 1 {
//! #     let firmware = Profile::built_in(DEFAULT).ok_or("no such firmware")?;
//! #     let mut card = Card::new(&PersonalisationData::default(), firmware, [0; 32])?;
//! #     let keys = "[[key]]\ntype = 'ec:secp256r1'\nlabel = 'signing'";
//! #     vschsm_host::provisioning::Provisioning::from_toml(keys)?.apply(&mut card)?;
//! #     let environment = vschsm_reader::Environment::new([card])?;
//! #     let child = environment.command(std::env::current_exe()?).arg("child").output()?;
//! #     assert!(child.status.success(), "{child:?}");
//! #     assert!(child.stdout.starts_with(b"30"), "{child:?}");
//! #     return Ok(());
//! # }
//! use vschsm_host::reader::Reader;
//! use vschsm_host::smart_card_hsm::{SignAlgorithm, SmartCardHsm};
//!
//! // A part of the reader's name that no other has.
//! let mut token = SmartCardHsm::select(Reader::open("Nitrokey HSM")?)?;
//! token.verify_pin("648219")?;
//! let key = token.find_key("signing")?.ok_or("no such key")?;
//! let signature = token.sign(key, SignAlgorithm::EcdsaSha256, b"a message")?;
//! println!("{}", vschsm_host::hex::upper(&signature));
//! # Ok(())
//! # }
//! ```
//!
//! A virtual one is a value, and a [`Transport`]. Here it is initialised, has a label and a key
//! with a certificate, and is in a reader that only the processes of a test find:
//!
//! ```
//! # use vschsm_card::{Card, personalisation::PersonalisationData};
//! # use vschsm_card::profile::{DEFAULT, Profile};
//! # use vschsm_host::provisioning::Provisioning;
//! # use vschsm_reader::Environment;
//! # let firmware = Profile::built_in(DEFAULT).ok_or("no such firmware")?;
//! # let settings = "label = 'CI'\n[[key]]\ntype = 'ec:secp256r1'\ncertificate = 'CN=CI'";
//! let mut card = Card::new(&PersonalisationData::default(), firmware, [0; 32])?;
//! Provisioning::from_toml(settings)?.apply(&mut card)?;
//! let environment = Environment::new([card])?;
//! // Or `pkcs11-tool --list-objects`, or whatever else is a client of PC/SC.
//! let client = environment.command("sh").args(["-c", "test -S $PCSCLITE_CSOCK_NAME"]).status()?;
//! # assert!(client.success());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module                         | what                                                        |
//! |--------------------------------|-------------------------------------------------------------|
//! | [`smart_card_hsm`]             | a session with the applet: a method for each function       |
//! | [`transport`]                  | ways to a card: command APDUs there, responses back         |
//! | [`reader`]                     | cards in PC/SC readers (feature `pcsc`)                     |
//! | [`secure_channel`]             | secure messaging with a card                                |
//! | [`certificates`]               | certificates and requests, verified up to a trusted root    |
//! | [`provisioning`]               | what a new card is given, from a file or a value            |
//! | [`key_spec`]                   | kinds of keys, such as `rsa:2048`                           |
//! | [`dkek`]                       | share files of a DKEK, and passwords split among people     |
//! | [`public_key_authentication`]  | keys of custodians, who together log in at a card           |
//! | [`update`]                     | another firmware on a card, as its issuer puts it there     |
//! | [`pkcs15`]                     | descriptions of keys and certificates                       |
//! | [`public_key`]                 | public keys as SubjectPublicKeyInfo                         |
//! | [`command`]                    | command APDUs, a function for each                          |
//! | [`secret`], [`hex`]            | secrets that are wiped; hexadecimal digits                  |

pub mod certificates;
pub mod command;
pub mod dkek;
pub mod error;
pub mod hex;
pub mod key_spec;
pub mod pkcs15;
pub mod provisioning;
pub mod public_key;
pub mod public_key_authentication;
#[cfg(feature = "pcsc")]
pub mod reader;
pub mod secret;
pub mod secure_channel;
pub mod smart_card_hsm;
pub mod update;

pub use vschsm_protocol::transport;

pub use error::HostError;
pub use smart_card_hsm::SmartCardHsm;
pub use transport::{Transport, TransportError};
