//! The two ways to a card, and tests that go both.

/// How clients reach a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through pcscd and vpcd, as who runs the tests.
    Pcscd,
    /// Through the server of `vschsm run --pcsc-socket`, as somebody without rights.
    BuiltIn,
}

impl Way {
    /// What is `pcscd` or `built_in`, by which way it is.
    pub fn choose<T>(self, pcscd: T, built_in: T) -> T {
        match self {
            Self::Pcscd => pcscd,
            Self::BuiltIn => built_in,
        }
    }
}

/// Makes two tests of each function that takes a [`Way`]: its name, `::through_pcscd` and
/// `::through_the_built_in_server`. A function that is not listed is dead code, as the compiler
/// says.
#[macro_export]
macro_rules! both_ways {
    ($($test:ident,)*) => {
        $(
            mod $test {
                #[test]
                fn through_pcscd() {
                    super::$test($crate::Way::Pcscd);
                }

                #[test]
                fn through_the_built_in_server() {
                    super::$test($crate::Way::BuiltIn);
                }
            }
        )*
    };
}
