//! Data as the blocks of a cipher.

use aes::cipher::array::{Array, ArraySize};
use alloc::vec::Vec;

/// What `operation` makes of a copy of `data`; `None` unless it is one block or several.
pub(super) fn in_blocks<N: ArraySize>(
    data: &[u8],
    operation: impl FnOnce(&mut [Array<u8, N>]),
) -> Option<Vec<u8>> {
    let mut bytes = data.to_vec();
    match Array::slice_as_chunks_mut(&mut bytes) {
        ([], _) | (_, [_, ..]) => return None,
        (blocks, []) => operation(blocks),
    }
    Some(bytes)
}
