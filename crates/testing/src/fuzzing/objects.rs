//! Data objects.

use vschsm_protocol::tlv;

/// Tags under which a value is looked for.
const PATH: [u16; 3] = [0x7F21, 0x7F4E, 0x7F49];

/// The bytes are parsed: what comes of it is all of them, and is the same written again.
pub(super) fn run(data: &[u8]) {
    let Ok(objects) = tlv::parse(data) else {
        assert_eq!(tlv::at(data, &PATH[..1]), None, "an object in what is no sequence");
        return;
    };
    let encoded: Vec<_> = objects.iter().map(|object| object.encoded).collect();
    assert_eq!(encoded.concat(), data, "bytes that belong to no object");
    for object in &objects {
        let first = tlv::find(&objects, object.tag).expect("it is there");
        assert_eq!(tlv::at(data, &[object.tag]), Some(first));
        assert!(object.encoded.ends_with(object.value));
        let shortest = tlv::encode(object.tag, object.value);
        assert!(shortest.len() <= object.encoded.len());
        let again = tlv::parse(&shortest).expect("it was encoded");
        let [again] = again[..] else { panic!("{} objects of one", again.len()) };
        assert_eq!((again.tag, again.value), (object.tag, object.value));
    }
    let within = PATH.iter().try_fold(data, |value, tag| tlv::at(value, &[*tag]));
    assert_eq!(tlv::at(data, &PATH), within);
}
