import { assertEquals, assertThrows } from "@std/assert";
import { fences, markdownTable, regionOf, replaceRegion, tableCells } from "../../docs/markdown.ts";

Deno.test("markdownTable() pads its columns, and tableCells() reads it back", () => {
  const rows = [["`a|b`", "x"], ["", "longer than its head"]];
  const table = markdownTable(["one", "two"], rows);
  assertEquals(
    table,
    "| one    | two                  |\n" +
      "| ------ | -------------------- |\n" +
      "| `a\\|b` | x                    |\n" +
      "|        | longer than its head |\n",
  );
  assertEquals(tableCells(`text\n\n${table}\nmore\n\n${table}`), [...rows, ...rows]);
});

Deno.test("replaceRegion() replaces what stands between the marks and nothing else", () => {
  const page =
    "a\n<!-- generated:t -->\nold\n<!-- /generated -->\nb\n<!-- generated:u -->\n<!-- /generated -->\n";
  const replaced = replaceRegion(page, "t", "new\n");
  assertEquals(replaced, page.replace("\nold\n", "\n\nnew\n\n"));
  assertEquals(replaceRegion(replaced, "t", "new\n"), replaced);
  assertEquals(regionOf(replaced, "t"), "\n\nnew\n\n");
  assertEquals(regionOf(page, "v"), undefined);
});

Deno.test("replaceRegion() refuses a page without the mark, with two, or without an end", () => {
  const mark = "<!-- generated:t -->";
  for (const page of ["", mark, `${mark}${mark}<!-- /generated -->`]) {
    assertThrows(() => replaceRegion(page, "t", ""), Error, "Cannot fill the region t");
  }
});

Deno.test("fences() finds language, words, text and line of every block", () => {
  const page = "# t\n\n```sh run\nls\n```\n\ntext\n\n```\n\n```\n```yaml\na: 1\nb: 2\n```\n";
  assertEquals(fences(page), [
    { language: "sh", words: ["run"], text: "ls\n", line: 3 },
    { language: "", words: [], text: "\n", line: 9 },
    { language: "yaml", words: [], text: "a: 1\nb: 2\n", line: 12 },
  ]);
});
