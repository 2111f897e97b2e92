/**
 * A process that stores known records and flushes twice; the test lets it stand still in the second flush, and
 * kills it there. Arguments: folder, compression.
 * @module
 */

import { addBatch, addEvent, addMeta, addReply, HandClock, openHouse } from "./house.ts";

const [dataDir, compression] = Deno.args;
const house = await openHouse(dataDir, { compression: compression as "gzip", clock: new HandClock() });

for (const round of [1, 2]) {
  for (let i = 0; i < 40; i++) {
    await house.append((unit) => {
      for (let k = 0; k < 5; k++) {
        const id = `${round}-${i}-${k}`;
        addEvent(unit, { id, project: `p${k % 3}`, insertId: k === 4 ? undefined : `insert ${id}` }, k);
      }
    });
  }
  // Across the rounds: R is open for ever, C is complete in each, X gets its first batch replaced.
  await house.append((unit) => addBatch(unit, `["R",${round}]`, { rid: "R", index: round }));
  await house.append((unit) => addMeta(unit, `{"round":${round}}`, { rid: "R", t: round }));
  await house.append((unit) => addBatch(unit, `["C",${round}]`, { rid: `C${round}`, index: 0, total: 1 }));
  await house.append((unit) => addBatch(unit, `["X",${round}]`, { rid: "X", index: 0 }));
  await house.append((unit) => addReply(unit, `key ${round}`));
  await house.flusher.flush(round === 1 ? "due" : "all");
}
