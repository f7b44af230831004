/// How the file begins on little-endian machines, with its version and its options.
const HEADER: &[u8; 16] = b"GVariant\0\0\0\0\0\0\0\0";
/// The length of an entry of a table.
const ENTRY: usize = 24;
/// What stands for no entry above.
const NONE: u32 = u32::MAX;
/// The shift of the Bloom filter, which has no words.
const BLOOM: u32 = 5 << 27;

/// A table of a GVDB file. Its keys are below the empty one, but for those that begin with a dot.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// What the keys stand for, in the order of their bytes.
    pub(super) items: std::collections::BTreeMap<String, Item>,
}

/// What a key of a table stands for.
#[derive(Debug)]
pub(super) enum Item {
    /// The bytes of a boxed value.
    Value(Vec<u8>),
    /// Another table.
    Table(Table),
}

/// Returns the bytes of a file with one table.
pub(super) fn table_bytes(table: &Table) -> Vec<u8> {
    let mut bytes = vec![0; HEADER.len() + 8];
    bytes[..HEADER.len()].copy_from_slice(HEADER);
    let range = write(table, &mut bytes);
    bytes[HEADER.len()..HEADER.len() + 8].copy_from_slice(&range);
    bytes
}

/// A position in the file, whose sources are bounded far below 4 GiB.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(NONE)
}

fn align(bytes: &mut Vec<u8>, to: usize) -> usize {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
    bytes.len()
}

fn range(start: usize, end: usize) -> [u8; 8] {
    let mut range = [0; 8];
    range[..4].copy_from_slice(&number(start).to_le_bytes());
    range[4..].copy_from_slice(&number(end).to_le_bytes());
    range
}

/// Writes a table and all that its keys stand for behind it, and returns where the table is: the Bloom filter's size, the number of buckets, the first
/// entry of each bucket, and the entries by bucket.
fn write(table: &Table, bytes: &mut Vec<u8>) -> [u8; 8] {
    // The empty key comes first among all, and is above those without a dot.
    let keys: Vec<&str> = std::iter::once("").chain(table.items.keys().map(String::as_str)).collect();
    let count = number(keys.len());
    let mut ordered: Vec<&str> = keys.clone();
    ordered.sort_by_key(|key| hash(key) % count);
    let index = |key: &str| ordered.iter().position(|other| *other == key).map_or(NONE, number);
    let start = align(bytes, 4);
    bytes.extend(BLOOM.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    for bucket in 0..count {
        let first = ordered.iter().take_while(|key| hash(key) % count < bucket).count();
        bytes.extend(number(first).to_le_bytes());
    }
    let entries = bytes.len();
    let end = entries + ENTRY * keys.len();
    bytes.resize(end, 0);
    for (position, key) in ordered.iter().enumerate() {
        let key_start = bytes.len();
        bytes.extend_from_slice(key.as_bytes());
        let (letter, value) = match table.items.get(*key) {
            Some(Item::Value(value)) => {
                let start = align(bytes, 8);
                bytes.extend_from_slice(value);
                (b'v', range(start, bytes.len()))
            }
            Some(Item::Table(inner)) => (b'H', write(inner, bytes)),
            None => {
                let below: Vec<u32> = keys[1..].iter().filter(|key| !key.starts_with('.')).map(|key| index(key)).collect();
                if below.is_empty() {
                    (0, [0; 8])
                } else {
                    let start = align(bytes, 4);
                    bytes.extend(below.iter().flat_map(|index| index.to_le_bytes()));
                    (b'L', range(start, bytes.len()))
                }
            }
        };
        let parent = if key.is_empty() || key.starts_with('.') { NONE } else { index("") };
        let length = u16::try_from(key.len()).unwrap_or(u16::MAX);
        let entry = [
            &hash(key).to_le_bytes()[..],
            &parent.to_le_bytes(),
            &number(key_start).to_le_bytes(),
            &length.to_le_bytes(),
            &[letter, 0],
            &value,
        ];
        bytes[entries + ENTRY * position..][..ENTRY].copy_from_slice(&entry.concat());
    }
    range(start, end)
}

/// Returns the hash by which a key's bucket is found: Bernstein's, over signed bytes.
fn hash(key: &str) -> u32 {
    key.bytes().fold(5381, |hash: u32, byte| hash.wrapping_mul(33).wrapping_add_signed(i32::from(byte.cast_signed())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hashed_by_signed_bytes() {
        assert_eq!((hash(""), hash("a"), hash("ab"), hash("æ")), (5381, 177_670, 5_863_208, 5_857_806));
    }

    #[test]
    fn a_table_with_one_value_is_these_bytes() {
        let items = [("a".to_owned(), Item::Value(b"x\0\0s".to_vec()))].into();
        let numbers = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        let expected = [
            HEADER.to_vec(),
            // The table lies at 24, with two buckets: `a` (177,670) is in the first, and the empty key (5381) in the second.
            numbers(&[24, 88, BLOOM, 2, 0, 1]),
            numbers(&[177_670, 1, 88]),
            b"\x01\0v\0".to_vec(),
            numbers(&[96, 100]),
            numbers(&[5381, NONE, 100]),
            b"\0\0L\0".to_vec(),
            numbers(&[100, 104]),
            b"a\0\0\0\0\0\0\0x\0\0s".to_vec(),
            numbers(&[0]),
        ];
        assert_eq!(table_bytes(&Table { items }), expected.concat());
    }
}
