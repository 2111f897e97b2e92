/**
 * Where zstd frames and their blocks end (RFC 8878, section 3.1), found without decompressing them.
 *
 * The runtime's decoder needs this: it ignores what follows a frame, does not tell a frame that is cut off, and where
 * an error comes after its first piece of output, it throws it at the whole process. A write that holds no more than
 * one block fails before it gives output.
 * @module
 */

const frameMagic = 0xfd2fb528;
/** Frames that hold nothing for us; the lowest four bits are free. */
const skippableMagic = 0x184d2a50;
const maxBlockBytes = 128 * 1024;
/** What a decoder must take, and need not exceed, for bodies of HTTP (RFC 9659). */
const maxWindowBytes = 8 * 1024 * 1024;
/** The longest field: descriptor apart, a frame's header has 1 + 4 + 8 bytes. */
const maxFieldBytes = 13;

/**
 * The field that is being read:
 *
 * - `magic`, `descriptor`, `header`: the start of a frame
 * - `block`: a block's header, which content may follow
 * - `checksum`: the end of a frame that has one
 * - `size`: of a skippable frame, which so much content follows
 */
type Field = "magic" | "descriptor" | "header" | "block" | "checksum" | "size";

/** Cuts a stream of zstd frames behind every block, resumable at every byte. */
export class ZstdBlocks {
  #field: Field = "magic";
  #wanted = 4;
  readonly #bytes = new Uint8Array(maxFieldBytes);
  readonly #view = new DataView(this.#bytes.buffer);
  #length = 0;
  /** Bytes of content that come before the next field. */
  #content = 0;
  #descriptor = 0;

  /** Is it between two frames, where the stream may end? */
  get isBetween(): boolean {
    return this.#field === "magic" && this.#length === 0 && this.#content === 0;
  }

  /**
   * Cuts the next bytes of the stream: no piece reaches from one block into the next.
   * @throws RangeError when it is no zstd, or needs a dictionary or more memory than HTTP allows
   */
  *cut(bytes: Uint8Array): Generator<Uint8Array> {
    let from = 0;
    for (let at = 0; at < bytes.length;) {
      if (this.#content > 0) {
        const taken = Math.min(this.#content, bytes.length - at);
        this.#content -= taken;
        at += taken;
      } else {
        this.#bytes[this.#length++] = bytes[at++];
        if (this.#length < this.#wanted || !this.#readField()) continue;
      }
      if (this.#content > 0) continue;
      yield bytes.subarray(from, at);
      from = at;
    }
    if (from < bytes.length) yield bytes.subarray(from);
  }

  /** Takes up a field that is complete, and says what comes next. Returns whether a block, or a frame, may end here. */
  #readField(): boolean {
    switch (this.#field) {
      case "magic":
        return this.#readMagic(this.#view.getUint32(0, true));
      case "descriptor":
        return this.#readDescriptor(this.#bytes[0]);
      case "header":
        return this.#readHeader();
      case "block":
        return this.#readBlock(this.#view.getUint16(0, true) | this.#bytes[2] << 16);
      case "checksum":
        return this.#next("magic", 4);
      case "size":
        this.#content = this.#view.getUint32(0, true);
        return this.#next("magic", 4);
    }
  }

  #next(field: Field, wanted: number): boolean {
    const mayEnd = field === "block" || field === "checksum" || field === "magic";
    this.#field = field;
    this.#wanted = wanted;
    this.#length = 0;
    return mayEnd;
  }

  #readMagic(magic: number): boolean {
    if (magic === frameMagic) return this.#next("descriptor", 1);
    if ((magic & ~15) === skippableMagic) return this.#next("size", 4);
    throw new RangeError("Cannot read zstd: no frame begins where one should");
  }

  #readDescriptor(descriptor: number): boolean {
    if ((descriptor & 3) !== 0) throw new RangeError("Cannot read zstd: a dictionary is asked for");
    this.#descriptor = descriptor;
    const contentSizeBytes = [this.#isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6];
    return this.#next("header", (this.#isSingleSegment ? 0 : 1) + contentSizeBytes);
  }

  get #isSingleSegment(): boolean {
    return (this.#descriptor & 0x20) !== 0;
  }

  #readHeader(): boolean {
    const window = this.#isSingleSegment ? this.#contentSize() : windowSize(this.#bytes[0]);
    if (window > maxWindowBytes) {
      throw new RangeError(`Cannot read zstd: window must be at most 8 MiB: current value is ${window}`);
    }
    return this.#next("block", 3);
  }

  /** Of a frame that is one segment, whose header holds nothing else. */
  #contentSize(): number {
    if (this.#wanted === 1) return this.#bytes[0];
    if (this.#wanted === 2) return this.#view.getUint16(0, true) + 256;
    return this.#wanted === 4 ? this.#view.getUint32(0, true) : Number(this.#view.getBigUint64(0, true));
  }

  #readBlock(header: number): boolean {
    const isLast = (header & 1) === 1;
    const type = header >>> 1 & 3;
    const size = header >>> 3;
    if (type === 3 || size > maxBlockBytes) throw new RangeError("Cannot read zstd: a block is damaged");
    this.#content = type === 1 ? 1 : size;
    if (!isLast) return this.#next("block", 3);
    return (this.#descriptor & 4) !== 0 ? this.#next("checksum", 4) : this.#next("magic", 4);
  }
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + base / 8 * (descriptor & 7);
}
