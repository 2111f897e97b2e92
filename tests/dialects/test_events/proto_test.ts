import { assertEquals } from "@std/assert";
import { generate } from "../../../proto/generate.ts";

Deno.test("the message types are what proto/ says", async () => {
  assertEquals(await generate(true), 0);
});
