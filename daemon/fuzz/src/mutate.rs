//! Seeded changes of an input: the same on every machine, without any fuzzer.

/// A small random generator (xorshift64*), for which the same seed is the same sequence.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, 0 where nothing is.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from((self.next() >> 16) % bound).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    /// One of these.
    fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// A stretch of up to `most` bytes of something `length` long.
    fn stretch(&mut self, length: usize, most: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let end = (start + 1 + self.below(most)).min(length);
        start..end.max(start)
    }
}

/// One of the corpus, changed in one to six places by bits, bytes, words and pieces of others.
pub fn mutated(corpus: &[Vec<u8>], words: &[Vec<u8>], random: &mut Random, most: usize) -> Vec<u8> {
    let mut bytes = random.pick(corpus).cloned().unwrap_or_default();
    for _ in 0..=random.below(6) {
        change(&mut bytes, corpus, words, random);
    }
    bytes.truncate(most);
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    match random.below(8) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            let edges = [0, 1, 0x7f, 0x80, 0xff, random.byte()];
            if let (Some(byte), Some(edge)) = (bytes.get_mut(at), random.pick(&edges)) {
                *byte = *edge;
            }
        }
        2 => {
            let stretch = random.stretch(bytes.len(), 24);
            bytes.drain(stretch);
        }
        3 => {
            let stretch = random.stretch(bytes.len(), 64);
            let copy = bytes[stretch].to_vec();
            bytes.splice(at..at, copy);
        }
        4 | 5 => {
            let word = random.pick(words).cloned().unwrap_or_default();
            let end = (at + [0, word.len()][random.below(2)]).min(bytes.len());
            bytes.splice(at..end, word);
        }
        6 => {
            let other = random.pick(corpus).cloned().unwrap_or_default();
            let stretch = random.stretch(other.len(), 256);
            let piece = other[stretch].iter().copied();
            bytes.splice(at..at, piece);
        }
        _ => {
            let piece = [random.byte(), random.byte()];
            bytes.splice(at..at, piece);
        }
    }
}
