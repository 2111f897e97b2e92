/**
 * What the disk takes for itself: write and fdatasync, one after the other. Arguments: file, bytes of a write,
 * milliseconds. Prints the latencies as JSON.
 * @module
 */

import { Latencies } from "../latencies.ts";

const [path, size, durationMs] = Deno.args;
const bytes = new Uint8Array(Number(size)).fill(0x61);
const latencies = new Latencies();
using file = await Deno.open(path, { create: true, append: true });
const end = performance.now() + Number(durationMs);
while (performance.now() < end) {
  const start = performance.now();
  await file.write(bytes);
  await file.syncData();
  latencies.add(performance.now() - start);
}
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(latencies.summary())));
