import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Compression, formatPartName } from "../../src/flush/layout.ts";
import { memberBytes } from "../../src/flush/members.ts";
import { PartWriter } from "../../src/flush/part_writer.ts";
import { gather, readStretch, type Stretch, StretchReader } from "../../src/flush/stored_bytes.ts";
import { tempDir } from "../support/temp.ts";

const compressions: Compression[] = ["none", "gzip", "zstd"];

/** Lines of very different lengths, one of them longer than a member. */
function lineOf(i: number): Uint8Array {
  const size = [5, 300, 40_000, 2_500_000, memberBytes - 1, 1][i % 6];
  const line = new Uint8Array(size + 1).map((_, k) => 0x20 + ((k * 31 + i) % 90));
  line[size] = 0x0a;
  return line;
}

async function writePart(
  dir: string,
  compression: Compression,
): Promise<{ stretch: Stretch; lines: Stretch[] }> {
  const writer = new PartWriter(compression);
  const name = formatPartName({ checkpoint: 1, n: 0, compression });
  const temporary = writer.begin(dir, name);
  const lines: Stretch[] = [];
  const path = `${dir}/${name}`;
  for (let i = 0; i < 12; i++) {
    const offset = writer.beginLine();
    const line = lineOf(i);
    for (let at = 0; at < line.length; at += 700_001) writer.write(line.subarray(at, at + 700_001));
    lines.push({ path, compression, offset, length: writer.endLine() - offset });
  }
  const length = writer.finish();
  await Deno.rename(temporary, path);
  assertEquals((await Deno.stat(path)).size, length);
  return { stretch: { path, compression, offset: 0, length }, lines };
}

for (const compression of compressions) {
  Deno.test(`PartWriter's ${compression} lines can be read each by itself, and all together`, async () => {
    await using dir = await tempDir();
    const { stretch, lines } = await writePart(dir.path, compression);
    for (const [i, line] of lines.entries()) {
      const wanted = lineOf(i);
      await using reader = new StretchReader(line);
      assertEquals(await gather(reader.range(0, wanted.length), wanted.length), wanted);
      await assertRejects(() => gather(reader.range(wanted.length, 1), 1));
    }
    let bytes = 0;
    for await (const piece of readStretch(stretch)) {
      assert(piece.bytes.length <= memberBytes);
      bytes += piece.bytes.length;
    }
    assertEquals(bytes, lines.reduce((sum, _, i) => sum + lineOf(i).length, 0));
  });

  Deno.test(`StretchReader reads ranges of a ${compression} part forwards, and starts anew to go back`, async () => {
    await using dir = await tempDir();
    const { stretch, lines } = await writePart(dir.path, compression);
    const whole = new Uint8Array(lines.reduce((sum, _, i) => sum + lineOf(i).length, 0));
    let at = 0;
    const starts = lines.map((_, i) => {
      whole.set(lineOf(i), at);
      return (at += lineOf(i).length) - lineOf(i).length;
    });
    await using reader = new StretchReader(stretch);
    for (
      const start of [0, 3, 10, 400_000, 400_050, 2_000_000, 5, starts[4], starts[9] - 3, whole.length - 9]
    ) {
      const read = await gather(reader.range(start, 9), 9);
      assertEquals(read, whole.subarray(start, start + 9), `from ${start}`);
    }
    for (const [i, start] of starts.entries()) assertEquals(await reader.offsetOf(start), lines[i].offset);
    assertEquals(await reader.offsetOf(whole.length), undefined);
    assertEquals(await gather(reader.range(1, 0), 0), new Uint8Array(0));
  });

  Deno.test(`PartWriter ends ${compression} members of rows at line ends where it can`, async () => {
    await using dir = await tempDir();
    const writer = new PartWriter(compression);
    const temporary = writer.begin(dir.path, formatPartName({ checkpoint: 1, n: 0, compression }));
    for (let i = 0; i < 90; i++) writer.write(lineOf(2));
    const length = writer.finish();
    if (compression === "none") return;
    let members = 0;
    for await (const { bytes } of readStretch({ path: temporary, compression, offset: 0, length })) {
      assertEquals([bytes.at(-1), bytes.length % 40_001], [0x0a, 0]);
      members++;
    }
    assertEquals(members, 4);
  });
}

Deno.test("StretchReader can be used again after its file was not found", async () => {
  await using dir = await tempDir();
  const path = `${dir.path}/later`;
  await using reader = new StretchReader({ path, compression: "none", offset: 0, length: Infinity });
  for (let i = 0; i < 2; i++) await assertRejects(() => gather(reader.range(2, 3), 3), Deno.errors.NotFound);
  await Deno.writeTextFile(path, "abcdefgh");
  assertEquals(new TextDecoder().decode(await gather(reader.range(2, 3), 3)), "cde");
});
