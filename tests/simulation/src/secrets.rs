//! What nobody may see of a card: PINs, private and secret keys, key-encryption keys.

use crate::model::Judgement;
use vschsm_testing::{digits, hex};

/// The secrets of a card, as they stand in its image.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Vec<Vec<u8>>);

/// Before which of an image's values they stand.
const NAMES: [&str; 8] = [
    "\"device-key\": \"",
    "\"value\": \"",
    "\"scalar\": \"",
    "\"p\": \"",
    "\"q\": \"",
    "\"key\": \"",
    "\"sum-of-shares\": \"",
    "\"agreed-key\": \"",
];

/// Before which the AES keys stand.
const AES: &str = "\"key\": \"";

impl Secrets {
    /// Adds those of an image, and never forgets one, so that replaced secrets are kept too.
    pub(crate) fn learn(&mut self, image: &[u8]) {
        let image = String::from_utf8_lossy(image);
        for line in image.lines() {
            let line = line.trim_start();
            let value = NAMES.iter().find_map(|name| line.strip_prefix(name));
            let value = value.and_then(|value| value.split('"').next()).map(hex);
            // The weak AES keys of 3.1 and 3.2 are one byte again and again: they are found by
            // chance, and are easily guessed.
            let is_weak =
                |value: &[u8]| line.starts_with(AES) && value.windows(2).all(|it| it[0] == it[1]);
            if let Some(value) = value.filter(|value| self.is_new(value) && !is_weak(value)) {
                self.0.push(value);
            }
        }
    }

    fn is_new(&self, value: &Vec<u8>) -> bool {
        !value.is_empty() && !self.0.contains(value)
    }

    /// That none of them is in these bytes.
    pub(crate) fn are_not_in(&self, bytes: &[u8]) -> Judgement {
        let found = self.0.iter().find(|secret| has(bytes, secret));
        found.map_or(Ok(()), |secret| Err(format!("it has the secret {}", digits(secret))))
    }

    /// That none of them is in this text, in any way that debug output has bytes.
    pub(crate) fn are_not_told(&self, text: &str) -> Judgement {
        for secret in &self.0 {
            let forms = [digits(secret), format!("{secret:?}"), format!("{secret:02X?}")];
            let lower = digits(secret).to_lowercase();
            let mut forms = forms.iter().map(|form| form.trim_matches(['[', ']']));
            if forms.any(|form| text.contains(form)) || text.contains(&lower) {
                return Err(format!("debug output has the secret {lower}"));
            }
        }
        Ok(())
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    let Some(first) = part.first() else { return false };
    let mut rest = bytes;
    while let Some(place) = rest.iter().position(|byte| byte == first) {
        rest = &rest[place..];
        if rest.starts_with(part) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use vschsm_testing::test_card::TestCard;

    #[test]
    fn pins_and_keys_are_found_in_an_image_and_wherever_else_they_are() {
        let mut card = TestCard::with_dkek("3.4", [0x5C; 32]);
        card.generate_aes(1, 128, &[]);
        card.generate_ec(2, "secp256r1", &[]);
        let mut secrets = Secrets::default();
        secrets.learn(&card.card().image());
        // Device key, both PINs, the DKEK, and two keys.
        assert_eq!(secrets.0.len(), 6);
        assert_eq!(secrets.are_not_in(b"nothing of that"), Ok(()));
        assert!(secrets.are_not_in(b"PIN 648219!").is_err());
        assert!(secrets.are_not_told("it is 36 34 38 32 31 39").is_ok());
        assert!(secrets.are_not_told("it is [54, 52, 56, 50, 49, 57]").is_err());
        assert!(secrets.are_not_told("it is 5c".repeat(32).as_str()).is_ok());
        assert!(secrets.are_not_told("5c".repeat(32).as_str()).is_err());
    }
}
