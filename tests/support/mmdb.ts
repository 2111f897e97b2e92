/**
 * Writes small MaxMind files, by the public description of the format (MaxMind DB File Format Specification v2.0).
 * @module
 */

/** What stands in a file: objects, lists, texts, doubles. */
export type MmdbValue = string | number | readonly MmdbValue[] | { readonly [name: string]: MmdbValue };

const recordBytes = 3;
const separatorBytes = 16;

/** A whole number, where the format wants one. */
class Whole {
  constructor(readonly value: number, readonly type: 5 | 6 | 9) {}
}

type Encodable = MmdbValue | Whole | readonly Encodable[] | { readonly [name: string]: Encodable };

/** A file that knows these IPv4 networks, such as `203.0.113.0/24`. */
export function mmdbFile(networks: Record<string, MmdbValue>): Uint8Array {
  const data: number[] = [];
  /** For each node: two records, a node's number, or the offset of data as a negative number minus one. */
  const nodes: (number | undefined)[][] = [[undefined, undefined]];
  for (const [network, value] of Object.entries(networks)) {
    const offset = data.length;
    data.push(...encode(value));
    const [address, prefix] = network.split("/");
    const bits = address.split(".").map((part) => Number(part).toString(2).padStart(8, "0")).join("");
    let node = 0;
    for (let i = 0; i < Number(prefix); i++) {
      const bit = Number(bits[i]);
      if (i === Number(prefix) - 1) nodes[node][bit] = -offset - 1;
      else {
        nodes[node][bit] ??= nodes.push([undefined, undefined]) - 1;
        node = nodes[node][bit]!;
      }
    }
  }
  const records = nodes.flat().map((record) =>
    record === undefined ? nodes.length : record < 0 ? nodes.length + separatorBytes - record - 1 : record
  );
  const tree = records.flatMap((record) => [record >> 16, (record >> 8) & 0xff, record & 0xff]);
  return Uint8Array.from([
    ...tree,
    ...Array(separatorBytes).fill(0),
    ...data,
    ...[0xab, 0xcd, 0xef],
    ...new TextEncoder().encode("MaxMind.com"),
    ...encode({
      binary_format_major_version: new Whole(2, 5),
      binary_format_minor_version: new Whole(0, 5),
      build_epoch: new Whole(1_700_000_000, 9),
      database_type: "Weir-Test-City",
      description: { en: "For tests" },
      ip_version: new Whole(4, 5),
      languages: ["en"],
      node_count: new Whole(nodes.length, 6),
      record_size: new Whole(recordBytes * 8, 5),
    }),
  ]);
}

/** A city as GeoLite2 files have it. */
export function city(
  of: { country: string; city: string; region: string; longitude: number; latitude: number },
): MmdbValue {
  return {
    country: { iso_code: of.country },
    city: { names: { en: of.city } },
    subdivisions: [{ names: { en: of.region } }],
    location: { longitude: of.longitude, latitude: of.latitude },
  };
}

function encode(value: Encodable): number[] {
  if (typeof value === "string") {
    const text = new TextEncoder().encode(value);
    return [...control(2, text.length), ...text];
  }
  if (typeof value === "number") {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value);
    return [...control(3, 8), ...bytes];
  }
  if (value instanceof Whole) {
    const hex = value.value.toString(16);
    const bytes = (hex.length % 2 ? `0${hex}` : hex).match(/../g)!.map((pair) => parseInt(pair, 16));
    return [...control(value.type, bytes.length), ...bytes];
  }
  if (Array.isArray(value)) return [...control(11, value.length), ...value.flatMap(encode)];
  const members = Object.entries(value as Record<string, Encodable>);
  return [
    ...control(7, members.length),
    ...members.flatMap(([name, member]) => [...encode(name), ...encode(member)]),
  ];
}

/** Types above 7 stand in a byte of their own; sizes here are below 285. */
function control(type: number, size: number): number[] {
  const small = Math.min(size, 29);
  const first = type > 7 ? [small, type - 7] : [(type << 5) | small];
  return size < 29 ? first : [...first, size - 29];
}
