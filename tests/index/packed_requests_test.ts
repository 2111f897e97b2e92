import { assertEquals } from "@std/assert";
import { RequestPacker, unpackRequests } from "../../src/index/packed_requests.ts";

Deno.test("unpackRequests() gives back what was packed, also from a copy", () => {
  const packer = new RequestPacker();
  const requests = Array.from({ length: 50 }, (_, i) => ({
    app: "a",
    sid: `S${i}`,
    rid: `r${i}`,
    batches: Float64Array.from({ length: (i % 3) * 6 }, (_, n) => i * 1e10 + n),
    metas: Float64Array.from({ length: (i % 2) * 3 }, (_, n) => i + n),
    total: i - 1,
    replaced: i,
    firstT: 1e12 + i,
    lastT: Infinity,
  }));
  for (const { app, sid, rid, batches, metas, ...counts } of requests) {
    packer.begin({ app, sid, rid, counts, batches: batches.length / 6, metas: metas.length / 3 });
    for (const value of [...batches, ...metas]) packer.push(value);
  }
  assertEquals([...unpackRequests(structuredClone(packer.finish()))], requests);
});

Deno.test("unpackRequests() of an empty pack gives nothing", () => {
  assertEquals([...unpackRequests(new RequestPacker().finish())], []);
});
