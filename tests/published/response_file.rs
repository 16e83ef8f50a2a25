//! NIST's response files: lines `name = value` in paragraphs, under headings `[…]`.

use std::collections::BTreeMap;
use vschsm_protocol::crypto::curve::Curve;
use vschsm_testing::hex;

/// A paragraph, and what its section has said before it.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    /// File, section and number, for who looks it up.
    pub(crate) name: String,
    /// The heading without its brackets.
    pub(crate) section: &'a str,
    values: BTreeMap<&'a str, &'a str>,
}

/// The paragraphs of `text` that have a line of that name, in their order.
pub(crate) fn entries<'a>(file: &str, text: &'a str, line: &str) -> Vec<Entry<'a>> {
    let mut found: Vec<Entry<'_>> = Vec::new();
    let (mut section, mut values) = ("", BTreeMap::new());
    for paragraph in text.split("\n\n") {
        let mut complete = false;
        for text in paragraph.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, value)) = text.split_once('=').filter(|_| !text.starts_with('[')) {
                values.insert(name.trim(), value.trim());
                complete |= name.trim() == line;
            } else if let Some(heading) = text.strip_prefix('[') {
                (section, values) = (heading.trim_end_matches(']'), BTreeMap::new());
            }
        }
        if complete {
            let before = found.iter().filter(|entry| entry.section == section).count();
            let name = format!("{file} [{section}], entry {}", before + 1);
            found.push(Entry { name, section, values: values.clone() });
        }
    }
    found
}

impl<'a> Entry<'a> {
    /// The value of a line.
    pub(crate) fn text(&self, name: &str) -> &'a str {
        self.values.get(name).unwrap_or_else(|| panic!("{} has no {name}", self.name))
    }

    /// The value of a line of hexadecimal digits.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        hex(self.text(name))
    }

    /// The curve that the section is about.
    pub(crate) fn curve(&self) -> Curve {
        let name = format!("{}r1", self.section.replace("P-", "secp"));
        Curve::from_name(&name).unwrap_or_else(|| panic!("{} is about no curve", self.name))
    }

    /// A number, as wide as a field element or, where NIST wants it out of range, wider.
    pub(crate) fn coordinate(&self, curve: &Curve, name: &str) -> Vec<u8> {
        let digits = self.text(name).trim_start_matches('0');
        let width = 2 * curve.parameters().p.len().max(digits.len().div_ceil(2));
        hex(&format!("{digits:0>width$}"))
    }

    /// `04`, and the coordinates that two lines have.
    pub(crate) fn point(&self, curve: &Curve, x: &str, y: &str) -> Vec<u8> {
        [vec![0x04], self.coordinate(curve, x), self.coordinate(curve, y)].concat()
    }
}
