/**
 * The shape of a row: its keys and brackets in their order, without the values.
 * @module
 */

/** Objects within objects that belong to a shape; what lies deeper is a value. */
const mostNested = 8;
/** An object with more members is as good as a value. */
const mostMembers = 64;
/** Characters of an expression: what must be longer would not fit into the kernel either. */
const mostCode = 8192;

const encoder = new TextEncoder();

/** See the module. */
export interface RowShape {
  /** The bytes before the first value, between two, and behind the last. */
  readonly pieces: readonly Uint8Array[];
  readonly valueCount: number;
  /** Makes the row whose values lie in `values`, from `from` on. */
  build(values: readonly unknown[], from: number): unknown;
}

/** What has been made of a shape so far. */
interface Making {
  readonly pieces: Uint8Array[];
  readonly comma: string;
  readonly colon: string;
  /** Of the next piece. */
  text: string;
  /** An expression that makes the row. */
  code: string;
}

/**
 * The shape of rows like this one.
 *
 * @param row A value that `JSON.parse` gave.
 * @param options.hasSpaces Is there a space behind each comma and colon outside of strings, as Python writes JSON, or
 *   none at all?
 * @returns undefined where the row is no object, has a member that only `JSON.parse` can make, or too many
 */
export function shapeOf(row: unknown, options: { hasSpaces: boolean }): RowShape | undefined {
  if (!isOpen(row, 0)) return undefined;
  const [comma, colon] = options.hasSpaces ? [", ", ": "] : [",", ":"];
  const making: Making = { pieces: [], comma, colon, text: "", code: "" };
  if (!addObject(making, row, 0)) return undefined;
  const valueCount = making.pieces.length;
  making.pieces.push(encoder.encode(making.text));
  // All that comes from outside are keys, as JSON writes them: string literals, whatever they hold.
  const build = new Function("values", "from", `return ${making.code}`) as RowShape["build"];
  return { pieces: making.pieces, valueCount, build };
}

/** Do the members of this value belong to the shape? */
function isOpen(value: unknown, nested: number): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || nested > mostNested) {
    return false;
  }
  const { length } = Object.keys(value);
  return length > 0 && length <= mostMembers;
}

function addObject(making: Making, value: Record<string, unknown>, nested: number): boolean {
  let opening = "{";
  for (const [key, member] of Object.entries(value)) {
    // In an expression it is the prototype.
    if (key === "__proto__" || making.code.length > mostCode) return false;
    const name = JSON.stringify(key);
    making.text += (opening === "{" ? "{" : making.comma) + name + making.colon;
    making.code += `${opening}${name}:`;
    opening = ",";
    if (!isOpen(member, nested + 1)) addValue(making);
    else if (!addObject(making, member, nested + 1)) return false;
  }
  making.text += "}";
  making.code += "}";
  return true;
}

function addValue(making: Making): void {
  making.code += `values[from+${making.pieces.length}]`;
  making.pieces.push(encoder.encode(making.text));
  making.text = "";
}
