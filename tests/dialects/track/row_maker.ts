/**
 * Rows of dialect `track` from a seed: mostly common, some nearly so, some broken.
 * @module
 */

import { TextMaker } from "../../parse/json_texts.ts";

const minute = 60_000;
const texts = [
  '"a"',
  '""',
  '"ü"',
  '"😀😀"',
  '"a\\nb"',
  '"\\u0041"',
  '"\\\\"',
  '"\\""',
  '"x\u007f\u2028"',
  '"\\ud800"',
];
const numbers = [
  "0",
  "-0",
  "12",
  "-1.5e+3",
  "1E400",
  "0.1e-7",
  "123456789012345678901",
  "01",
  "-",
  "1.",
  ".5",
  "1e",
  "+1",
];
const paths = [
  "/a",
  "/a?b#c",
  "https://example.com/a/b?x=1#y",
  "https://example.com/a?ref=google",
  "https://a--b.com/x",
  "https://example.com/ü",
  "http://shop.example/",
  "http:/x",
  "home",
];
const spaces = ["", "", "", "", "", "", " ", "\t", "  "];

/** Makes rows. */
export class RowMaker {
  /** What is random in them. */
  readonly maker: TextMaker;
  readonly #named: readonly string[];
  #now = 0;

  /** @param ownDevices What the sender's own device is called: an event may name it, too. */
  constructor(seed: number, ownDevices: readonly string[]) {
    this.maker = new TextMaker(seed);
    this.#named = ownDevices;
  }

  /** @param now About when the event happened, ms since the epoch. */
  row(now: number): string {
    const { maker } = this;
    this.#now = now;
    const row = this.#object([
      ['"type"', maker.below(40) === 0 ? '"identify"' : '"track"'],
      ['"payload"', this.#payload()],
      ...this.#some(20, '"insertId"', this.#text(6)),
      ...this.#some(30, '"more"', this.#value()),
      ...this.#some(60, '"clientId"', '"c"'),
    ]);
    if (maker.below(12) > 0) return row;
    const at = maker.below(row.length);
    const piece = maker.pick([
      "",
      '"',
      "\\",
      "{",
      "}",
      "]",
      ",",
      ":",
      "-",
      "0",
      " ",
      "\u0001",
      "é",
      "\\u00e9",
    ]);
    return row.slice(0, at) + piece + row.slice(at + maker.below(3));
  }

  #payload(): string {
    const { maker } = this;
    return this.#object([
      [
        '"name"',
        maker.pick(['"screen_view"', '"screen_view"', '"signup"', '"session_start"', '"ünö"', '"dropped"']),
      ],
      ...this.#some(1, '"properties"', this.#properties()),
      ...this.#some(2, '"profileId"', maker.pick(['"user-1"', '"user-2"', '"blocked"', "5", '""'])),
      ...this.#some(40, '"groups"', '["g"]'),
      ...this.#some(40, '"name"', '"again"'),
    ]);
  }

  #properties(): string {
    const { maker } = this;
    const time = this.#now -
      maker.pick([0, 1, 999, 5_000, 20 * minute, 40 * minute, 26 * 60 * minute, -30_000]);
    const iso = new Date(time).toISOString();
    return this.#object([
      ...this.#some(1, '"__timestamp"', `"${maker.below(20) === 0 ? iso.replace("T", " ") : iso}"`),
      ...this.#some(
        1,
        '"__deviceId"',
        `"${maker.below(5) === 0 ? maker.pick(this.#named) : `device-${maker.below(6)}`}"`,
      ),
      ...this.#some(
        20,
        '"__deviceId"',
        maker.pick(['" padded "', '"ü"', `"${"😀".repeat(32)}"`, `"${"d".repeat(65)}"`]),
      ),
      ...this.#some(2, '"__path"', `"${maker.pick(paths)}"`),
      ...this.#some(
        6,
        '"__referrer"',
        maker.pick(['""', '"https://www.google.com/x"', '"https://example.com/"']),
      ),
      ...this.#some(
        8,
        '"__insertId"',
        `"${maker.pick(["i-1", "ü".repeat(256), "i".repeat(257), "😀".repeat(129)])}"`,
      ),
      ...this.#some(40, '"__os"', '"iOS"'),
      ...this.#some(30, '"__veryLongKeyThatIsNoneOfOurs"', "1"),
      ...this.#some(2, `"k${maker.below(9)}"`, this.#value()),
      ...this.#some(2, '"plan"', this.#text(4)),
      ...this.#some(2, '"position"', maker.below(9) > 0 ? String(maker.below(1000)) : maker.pick(numbers)),
      ...this.#some(200, '"huge"', `"${"é".repeat(maker.pick([70_000, 163_000, 163_776, 164_000]))}"`),
    ]);
  }

  #value(): string {
    const { maker } = this;
    const kind = maker.below(8);
    if (kind < 2) return this.#text(40);
    if (kind < 4) return maker.pick(numbers);
    if (kind < 5) return maker.pick(["true", "false", "null", "tru", "nulll"]);
    const depth = maker.below(6) === 0 ? 30 + maker.below(5) : maker.below(4);
    const opened = Array.from({ length: depth }, () => maker.pick(["[", '{"a":']));
    const closed = opened.map((piece) => piece === "[" ? "]" : "}").reverse();
    return opened.join("") + maker.pick(["1", "[]", "{ }", '{"a\\tb":1,"a":[2,{"b":"]"}]}']) +
      closed.join("");
  }

  #text(longest: number): string {
    const { maker } = this;
    return maker.below(3) === 0 ? maker.pick(texts) : `"${"x".repeat(maker.below(longest))}"`;
  }

  /** One member in so many rows. */
  #some(rarity: number, key: string, value: string): [string, string][] {
    return this.maker.below(rarity) === 0 || (rarity === 1 && this.maker.below(6) > 0) ? [[key, value]] : [];
  }

  #object(members: readonly [string, string][]): string {
    const { maker } = this;
    const space = (): string => maker.below(10) === 0 ? maker.pick(spaces) : "";
    return `{${space()}${
      members.map(([key, value]) => `${key}${space()}:${space()}${value}${space()}`).join(`,${space()}`)
    }}`;
  }
}
