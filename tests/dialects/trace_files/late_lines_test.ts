import { assertEquals } from "@std/assert";
import { LateLines } from "../../../src/dialects/trace_files/late_lines.ts";

Deno.test("LateLines writes what is left, in the order in which it came, when it is disposed of", () => {
  const written: string[] = [];
  {
    using lines = new LateLines();
    lines.add(() => written.push("a"));
    lines.add(() => written.push("b"));
    assertEquals(written, []);
  }
  assertEquals(written, ["a", "b"]);
});

Deno.test("LateLines writes lines by itself, each once", async () => {
  using lines = new LateLines();
  for (let round = 0; round < 2; round++) {
    let count = 0;
    await new Promise<void>((resolve) => {
      lines.add(() => count++);
      lines.add(() => resolve(void count++));
    });
    assertEquals(count, 2);
  }
});
