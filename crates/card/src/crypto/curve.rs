//! The curves: their names, their domain parameters, and who computes on them.

use hex_literal::hex;

use super::engine::{Engine, RustCrypto};

/// The parameters that define a curve, big-endian; the cofactor is 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Domain {
    /// The prime of the field, in the width of a field element.
    pub p: &'static [u8],
    /// The coefficient `a`, in the width of a field element.
    pub a: &'static [u8],
    /// The coefficient `b`, in the width of a field element.
    pub b: &'static [u8],
    /// The base point: `04`, x, y.
    pub g: &'static [u8],
    /// The order of the base point.
    pub n: &'static [u8],
}

/// Makes [`Curve`] of a table: one row a curve, in ascending order of the enum.
macro_rules! curves {
    ($($curve:ident, $name:literal, $bits:literal, $arithmetic:ty => $domain:expr,)*) => {
        /// An elliptic curve that keys can be on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Curve {
            $(#[doc = concat!("`", $name, "`")] $curve,)*
        }

        impl Curve {
            /// Every curve.
            pub const ALL: [Self; [$($bits),*].len()] = [$(Self::$curve),*];

            /// The name that OpenSC and OpenSSL know the curve by.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$curve => $name,)*
                }
            }

            /// The size of the field in bits.
            pub fn bits(self) -> u32 {
                match self {
                    $(Self::$curve => $bits,)*
                }
            }

            /// The domain parameters.
            pub fn domain(self) -> &'static Domain {
                match self {
                    $(Self::$curve => &const { $domain },)*
                }
            }

            /// Who computes on the curve.
            pub(super) fn engine(self) -> &'static dyn Engine {
                match self {
                    $(Self::$curve => &RustCrypto::<$arithmetic>::NEW,)*
                }
            }
        }
    };
}

impl Curve {
    /// The curve of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }

    /// The curve with these domain parameters, each with any number of leading zero bytes.
    pub fn from_domain(p: &[u8], a: &[u8], b: &[u8], g: &[u8], n: &[u8]) -> Option<Self> {
        let given = [p, a, b, g, n].map(significant);
        Self::ALL.into_iter().find(|curve| {
            let Domain { p, a, b, g, n } = curve.domain();
            [p, a, b, g, n].map(|value| significant(value)) == given
        })
    }

    /// The length of a field element in bytes.
    pub fn field_len(self) -> usize {
        self.domain().p.len()
    }

    /// The length of a scalar in bytes.
    pub fn order_len(self) -> usize {
        self.domain().n.len()
    }
}

/// `value` without its leading zero bytes.
pub(super) fn significant(value: &[u8]) -> &[u8] {
    let zeros = value.iter().take_while(|byte| **byte == 0).count();
    value.get(zeros..).unwrap_or_default()
}

// SEC 2 and RFC 5639.
curves! {
    Secp256r1, "secp256r1", 256, p256::NistP256 => Domain {
        p: &hex!("FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF"),
        a: &hex!("FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC"),
        b: &hex!("5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B"),
        g: &hex!(
            "046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C2964FE342E2FE1A7F9B8E"
            "E7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"
        ),
        n: &hex!("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"),
    },
    Secp384r1, "secp384r1", 384, p384::NistP384 => Domain {
        p: &hex!(
            "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF000000000000"
            "0000FFFFFFFF"
        ),
        a: &hex!(
            "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFFFF000000000000"
            "0000FFFFFFFC"
        ),
        b: &hex!(
            "B3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85"
            "C8EDD3EC2AEF"
        ),
        g: &hex!(
            "04AA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A"
            "545E3872760AB73617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1"
            "CE1D7E819D7A431D7C90EA0E5F"
        ),
        n: &hex!(
            "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC"
            "196ACCC52973"
        ),
    },
    Secp521r1, "secp521r1", 521, p521::NistP521 => Domain {
        p: &hex!(
            "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
            "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        ),
        a: &hex!(
            "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
            "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC"
        ),
        b: &hex!(
            "0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B"
            "1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00"
        ),
        g: &hex!(
            "0400C6858E06B70404E9CD9E3ECB662395B4429C648139053FB521F828AF606B4D3DBAA14B5E77EFE759"
            "28FE1DC127A2FFA8DE3348B3C1856A429BF97E7E31C2E5BD66011839296A789A3BC0045C8A5FB42C7D1B"
            "D998F54449579B446817AFBD17273E662C97EE72995EF42640C550B9013FAD0761353C7086A272C24088"
            "BE94769FD16650"
        ),
        n: &hex!(
            "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B"
            "7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409"
        ),
    },
    Secp256k1, "secp256k1", 256, k256::Secp256k1 => Domain {
        p: &hex!("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F"),
        a: &hex!("0000000000000000000000000000000000000000000000000000000000000000"),
        b: &hex!("0000000000000000000000000000000000000000000000000000000000000007"),
        g: &hex!(
            "0479BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798483ADA7726A3C4655D"
            "A4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8"
        ),
        n: &hex!("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141"),
    },
    BrainpoolP256r1, "brainpoolP256r1", 256, bp256::BrainpoolP256r1 => Domain {
        p: &hex!("A9FB57DBA1EEA9BC3E660A909D838D726E3BF623D52620282013481D1F6E5377"),
        a: &hex!("7D5A0975FC2C3057EEF67530417AFFE7FB8055C126DC5C6CE94A4B44F330B5D9"),
        b: &hex!("26DC5C6CE94A4B44F330B5D9BBD77CBF958416295CF7E1CE6BCCDC18FF8C07B6"),
        g: &hex!(
            "048BD2AEB9CB7E57CB2C4B482FFC81B7AFB9DE27E1E3BD23C23A4453BD9ACE3262547EF835C3DAC4FD97"
            "F8461A14611DC9C27745132DED8E545C1D54C72F046997"
        ),
        n: &hex!("A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7"),
    },
    BrainpoolP384r1, "brainpoolP384r1", 384, bp384::BrainpoolP384r1 => Domain {
        p: &hex!(
            "8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B412B1DA197FB71123ACD3A729901D1A718747"
            "00133107EC53"
        ),
        a: &hex!(
            "7BC382C63D8C150C3C72080ACE05AFA0C2BEA28E4FB22787139165EFBA91F90F8AA5814A503AD4EB04A8"
            "C7DD22CE2826"
        ),
        b: &hex!(
            "04A8C7DD22CE28268B39B55416F0447C2FB77DE107DCD2A62E880EA53EEB62D57CB4390295DBC9943AB7"
            "8696FA504C11"
        ),
        g: &hex!(
            "041D1C64F068CF45FFA2A63A81B7C13F6B8847A3E77EF14FE3DB7FCAFE0CBD10E8E826E03436D646AAEF"
            "87B2E247D4AF1E8ABE1D7520F9C2A45CB1EB8E95CFD55262B70B29FEEC5864E19C054FF99129280E4646"
            "217791811142820341263C5315"
        ),
        n: &hex!(
            "8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B31F166E6CAC0425A7CF3AB6AF6B7FC3103B88"
            "3202E9046565"
        ),
    },
}
