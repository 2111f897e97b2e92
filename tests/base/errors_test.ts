import { assert, assertEquals, assertMatch, assertStrictEquals } from "@std/assert";
import { type ErrorCode, errorTable, toWeirError, WeirError } from "../../src/base/errors.ts";

Deno.test("errorTable names a status, a level and a hint for every code", () => {
  for (const [code, row] of Object.entries(errorTable)) {
    assertMatch(code, /^[a-z0-9]+(_[a-z0-9]+)*$/);
    assert(row.status >= 400 && row.status <= 599, code);
    assert(["debug", "info", "warn", "error"].includes(row.level), code);
    assert(row.hint.length > 10 && row.hint.endsWith("."), code);
  }
});

Deno.test("errorTable lets a client try again exactly where the same request may succeed", () => {
  for (const [code, { status, retryable }] of Object.entries(errorTable)) {
    const mayPass = status >= 500 || status === 408 || status === 429;
    assertEquals(retryable, mayPass, code);
  }
});

Deno.test("WeirError takes status, retryable and Retry-After from the table", () => {
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const error = new WeirError(code, "Text");
    const { status, retryable } = errorTable[code];
    assertEquals([error.status, error.retryable, error.message, error.name], [
      status,
      retryable,
      "Text",
      "WeirError",
    ]);
    assertEquals(error.retryAfterS, status === 503 || status === 429 ? 1 : undefined, code);
  }
  assertEquals(new WeirError("overloaded", "Text", { retryAfterS: 7 }).retryAfterS, 7);
});

Deno.test("toWeirError() leaves a WeirError as it is and says nothing of any other", () => {
  const known = new WeirError("draining", "Stopping");
  assertStrictEquals(toWeirError(known), known);
  for (const thrown of [new TypeError("secret"), "secret", undefined, null, 7, { secret: 1 }]) {
    const error = toWeirError(thrown);
    assertEquals([error.code, error.message], ["internal", "Internal server error"]);
    assertStrictEquals(error.cause, thrown);
  }
});
