/**
 * The kernel of block_scan.ts, in AssemblyScript: the rules of the Scanner, 64 bytes at a time.
 *
 * For each 64 bytes it makes bit masks, bit i standing for byte i: which bytes are quotes, brackets and so on. From
 * those follow, without a branch, which bytes are escaped and which lie in strings. Only brackets, and separators on
 * the floor, are then looked at one by one.
 *
 * After a change: deno run --no-lock --allow-read --allow-write --allow-env src/kernel_build.ts
 */

/** Where the block lies, 64 bytes of white space behind it. */
const input: usize = 1024;
/** Where the stops are written to. */
const output: usize = 131072;
const oddBits: u64 = 0xaaaaaaaaaaaaaaaa;

/** How the block ended: open brackets above the floor; 1 in a string + 2 behind a backslash + notes * 4. */
export let endDepth: i32 = 0;
export let endState: i32 = 0;

/**
 * Finds the stops in `length` bytes and returns how many there are. A stop is its place * 4 + notes on the bytes since
 * the one before: 1 for a Unicode escape, 2 for a line break between tokens. A closing bracket on the floor and a
 * bracket that is one too deep are the last stop; the end depth and state mean nothing then.
 */
export function scan(length: i32, maxDepth: i32, startDepth: i32, startState: i32): i32 {
  let depth = startDepth;
  let inString: u64 = 0 - <u64>(startState & 1);
  let nextIsEscaped: u64 = <u64>(startState >> 1) & 1;
  let notes: u32 = 0;
  let out = output;
  for (let at: i32 = 0; at < length; at += 64) {
    const from = input + <usize>at;
    const a = v128.load(from), b = v128.load(from, 16), c = v128.load(from, 32), d = v128.load(from, 48);

    const backslashes = equal(a, b, c, d, 0x5c);
    let escaped: u64 = 0;
    let unicode: u64 = 0;
    if ((backslashes | nextIsEscaped) != 0) {
      // A run of backslashes escapes every second byte: subtracting carries through a run, and the bits at which it
      // comes out odd are those that escape.
      const starts = backslashes & ~nextIsEscaped;
      const codes = (((starts << 1) | oddBits) - starts) ^ oddBits;
      escaped = codes ^ (backslashes | nextIsEscaped);
      nextIsEscaped = at + 64 <= length ? (codes & backslashes) >> 63 : (escaped >> <u64>(length - at)) & 1;
      unicode = escaped & equal(a, b, c, d, 0x75);
    }

    // Each bit becomes the parity of the quotes up to it: set within a string.
    let inside = equal(a, b, c, d, 0x22) & ~escaped;
    inside ^= inside << 1;
    inside ^= inside << 2;
    inside ^= inside << 4;
    inside ^= inside << 8;
    inside ^= inside << 16;
    inside ^= inside << 32;
    inside ^= inString;
    inString = <u64>(<i64>inside >> 63);
    const outside = ~inside;

    // With this bit set, "[" is "{", and "]" is "}".
    const bit = i8x16.splat(0x20);
    const e = v128.or(a, bit), f = v128.or(b, bit), g = v128.or(c, bit), h = v128.or(d, bit);
    const opening = equal(e, f, g, h, 0x7b) & outside;
    let brackets = (equal(e, f, g, h, 0x7d) & outside) | opening;
    let breaks = (equal(a, b, c, d, 0x0a) | equal(a, b, c, d, 0x0d)) & outside;
    if (depth > 0 && (brackets | breaks | unicode) == 0) continue;

    const separators = (equal(a, b, c, d, 0x2c) | equal(a, b, c, d, 0x3a)) & outside;
    let ahead: u64 = ~(<u64>0);
    for (;;) {
      const bracket: u64 = brackets & (0 - brackets);
      if (depth == 0) {
        let stops = separators & ahead & (bracket - 1);
        if ((bracket & ~opening) != 0) stops |= bracket;
        while (stops != 0) {
          const stop = stops & (0 - stops);
          const passed = stop - 1;
          notes |= <u32>((unicode & passed) != 0) | (<u32>((breaks & passed) != 0) << 1);
          unicode &= ~passed;
          breaks &= ~passed;
          store<u32>(out, (<u32>(at + <i32>ctz(stop)) << 2) | notes);
          out += 4;
          notes = 0;
          stops ^= stop;
        }
      }
      if (bracket == 0) break;
      if ((bracket & opening) != 0) {
        if (depth == maxDepth) {
          store<u32>(out, <u32>(at + <i32>ctz(bracket)) << 2);
          return <i32>((out + 4 - output) >> 2);
        }
        depth++;
      } else {
        if (depth == 0) return <i32>((out - output) >> 2);
        depth--;
      }
      ahead = ~(bracket | (bracket - 1));
      brackets ^= bracket;
    }
    notes |= <u32>(unicode != 0) | (<u32>(breaks != 0) << 1);
  }
  endDepth = depth;
  endState = <i32>(inString & 1) | <i32>(nextIsEscaped << 1) | <i32>(notes << 2);
  return <i32>((out - output) >> 2);
}

/** Which of the 64 bytes are this one? */
@inline
function equal(a: v128, b: v128, c: v128, d: v128, byte: i8): u64 {
  const all = i8x16.splat(byte);
  return <u64>i8x16.bitmask(i8x16.eq(a, all)) | (<u64>i8x16.bitmask(i8x16.eq(b, all)) << 16) |
    (<u64>i8x16.bitmask(i8x16.eq(c, all)) << 32) | (<u64>i8x16.bitmask(i8x16.eq(d, all)) << 48);
}
