//! BER-TLV, read leniently: for looking at data, not for judging it.

/// A data object: its tag of one or two bytes, and its value.
pub(crate) type Object<'a> = (u16, &'a [u8]);

/// The value of the first object with `tag`.
pub(crate) fn find<'a>(objects: &[Object<'a>], tag: u16) -> Option<&'a [u8]> {
    objects.iter().find(|(found, _)| *found == tag).map(|(_, value)| *value)
}

/// The data objects that `bytes` consists of; none if it is anything else.
pub(crate) fn parse(bytes: &[u8]) -> Option<Vec<Object<'_>>> {
    let mut objects = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (tag, after) = match rest {
            [high, low, after @ ..] if high & 0x1F == 0x1F && low & 0x80 == 0 => {
                (u16::from_be_bytes([*high, *low]), after)
            }
            [tag, after @ ..] if tag & 0x1F != 0x1F => (u16::from(*tag), after),
            _ => return None,
        };
        let (len, after) = match after {
            [len @ ..=0x7F, after @ ..] => (usize::from(*len), after),
            [0x81, len, after @ ..] => (usize::from(*len), after),
            [0x82, high, low, after @ ..] => {
                (usize::from(u16::from_be_bytes([*high, *low])), after)
            }
            _ => return None,
        };
        let (value, after) = after.split_at_checked(len)?;
        objects.push((tag, value));
        rest = after;
    }
    Some(objects)
}
