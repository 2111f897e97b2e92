import { assert, assertEquals } from "@std/assert";
import { Outcomes, rejectionReasons } from "../../src/base/outcome.ts";

Deno.test("Outcomes counts accepted and refused rows, and names the refused ones in order", () => {
  const outcomes = new Outcomes();
  outcomes.accepted += 2;
  outcomes.duplicates++;
  outcomes.reject(1, "validation", "a");
  outcomes.reject(4, "internal", "b");
  assertEquals(outcomes.rows, 4);
  assertEquals(outcomes.rejected, [
    { index: 1, reason: "validation", error: "a" },
    { index: 4, reason: "internal", error: "b" },
  ]);
});

Deno.test("rejectionReasons say what each word means", () => {
  for (const [reason, meaning] of Object.entries(rejectionReasons)) {
    assert(/^[a-z_]+$/.test(reason) && meaning.length > 10 && !meaning.endsWith("."), reason);
  }
});
