import { assert, assertEquals, assertRejects } from "@std/assert";
import { WeirError } from "../../src/base/errors.ts";
import { smallDisk } from "../support/temp.ts";
import { line, openJournal, readBack, trackedFrame } from "./support.ts";

const diskBytes = 1024 * 1024;
const ignore = !await canMount();

/** May this user mount a file system of its own? Without, there is no disk to fill. */
async function canMount(): Promise<boolean> {
  await using disk = await smallDisk(diskBytes);
  return disk !== undefined;
}

Deno.test({
  name:
    "a journal on a real disk that is full refuses, keeps what it acknowledged, and goes on with room (needs mount)",
  ignore,
  async fn(): Promise<void> {
    await using disk = (await smallDisk(diskBytes))!;
    await Deno.writeFile(`${disk.path}/filler`, new Uint8Array(diskBytes / 2));
    const { journal } = await openJournal(`${disk.path}/journal`);
    const acked: string[] = [];
    const fill = async (first: number): Promise<void> => {
      for (let n = first; journal.state === "ok"; n++) {
        // Several at once, so that a group is stored in part before the disk is full.
        const texts = [0, 1, 2].map((i) => line(n * 10 + i, 20_000 + n * 100));
        const settled = await Promise.allSettled(texts.map((text) => journal.append(trackedFrame(text))));
        settled.forEach(({ status }, i) => status === "fulfilled" && acked.push(texts[i]));
      }
    };
    await fill(0);
    assert(acked.length > 0);
    assertEquals([journal.state, journal.reason], ["full", "write: ENOSPC"]);
    assertEquals((await readBack(disk.path)).frames.map(({ text }) => text), acked);
    const { code } = await assertRejects(() => journal.append(trackedFrame(line(1, 100_000))), WeirError);
    assertEquals(code, "storage_full");

    await Deno.remove(`${disk.path}/filler`);
    await journal.append(trackedFrame(line(5000)));
    acked.push(line(5000));
    assertEquals(journal.state, "ok");
    await fill(600);
    await journal.close();
    const recovered = await readBack(disk.path);
    assert(recovered.frames.every(({ text }, i) => text === acked[i]));
    assertEquals([recovered.frames.length, recovered.truncated], [acked.length, undefined]);
  },
});

Deno.test({
  name: "rotate() on a real disk without a block left rejects, and the journal stays as it was (needs mount)",
  ignore,
  async fn(): Promise<void> {
    await using disk = (await smallDisk(diskBytes))!;
    const { journal } = await openJournal(`${disk.path}/journal`);
    await journal.append(trackedFrame(line(1)));
    const filler = await Deno.open(`${disk.path}/filler`, { createNew: true, write: true });
    await assertRejects(async () => {
      for (;;) await filler.write(new Uint8Array(4096));
    });
    const { code } = await assertRejects(() => journal.rotate(), WeirError);
    assertEquals([code, journal.state, journal.currentSegment], ["storage_full", "ok", 1]);
    filler.close();
    await Deno.remove(`${disk.path}/filler`);
    const next = await journal.rotate();
    assert(next > 1);
    await journal.close();
    assertEquals((await readBack(disk.path)).segments, [1, next]);
  },
});
