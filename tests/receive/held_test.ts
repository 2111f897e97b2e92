import { assertEquals, assertThrows } from "@std/assert";
import { Held } from "../../src/receive/held.ts";

/** Something that notes when it is given back. */
function item(name: string, given: string[], fails = false): Disposable {
  return {
    [Symbol.dispose](): void {
      given.push(name);
      if (fails) throw new Error(name);
    },
  };
}

Deno.test("Held gives back the last first, once", () => {
  const given: string[] = [];
  const held = new Held(item("a", given));
  held.use(item("b", given));
  held[Symbol.dispose]();
  held[Symbol.dispose]();
  assertEquals(given, ["b", "a"]);
});

Deno.test("Held gives back the rest where one fails", () => {
  const given: string[] = [];
  const held = new Held(item("a", given), item("b", given, true), item("c", given));
  assertThrows(() => held[Symbol.dispose](), Error, "b");
  assertEquals(given, ["c", "b", "a"]);
});

Deno.test("Held.move() leaves it to another", () => {
  const given: string[] = [];
  const held = new Held(item("a", given));
  const moved = held.move();
  held[Symbol.dispose]();
  assertEquals(given, []);
  moved[Symbol.dispose]();
  assertEquals(given, ["a"]);
});
