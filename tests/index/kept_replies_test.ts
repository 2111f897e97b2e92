import { assertEquals } from "@std/assert";
import type { KeptReply } from "../../src/base/record.ts";
import { KeptReplies } from "../../src/index/kept_replies.ts";
import { MemoryCatalog } from "./memory_catalog.ts";

const keepMs = 1000;
const replyAt = (at: number): KeptReply => ({ status: 202, contentType: "text/plain", body: `${at}`, at });
const line = (segment: number, offset: number): Parameters<KeptReplies["add"]>[2] => ({
  segment,
  offset,
  length: 5,
  rows: 1,
});

function newReplies(): { replies: KeptReplies; catalog: MemoryCatalog; clock: { time: number } } {
  const catalog = new MemoryCatalog();
  const clock = { time: 0 };
  const replies = new KeptReplies({
    catalog,
    clock: { now: () => clock.time, monotonic: () => clock.time },
    keepMs,
  });
  return { replies, catalog, clock };
}

Deno.test("KeptReplies.find() forgets a reply after keepMs, in memory and in the catalog alike", () => {
  const { replies, catalog, clock } = newReplies();
  replies.add("a", replyAt(0), line(1, 0));
  catalog.replies.set("b", replyAt(0));
  clock.time = keepMs - 1;
  assertEquals(replies.find("a"), replyAt(0));
  assertEquals(replies.find("b"), replyAt(0));
  clock.time = keepMs;
  assertEquals(replies.find("a"), undefined);
  assertEquals(replies.find("b"), undefined);
});

Deno.test("KeptReplies keeps the first reply, until it expired", () => {
  const { replies, clock } = newReplies();
  replies.add("a", replyAt(0), line(1, 0));
  replies.add("a", replyAt(1), line(1, 10));
  assertEquals(replies.find("a"), replyAt(0));
  clock.time = keepMs;
  replies.add("a", replyAt(keepMs), line(1, 20));
  assertEquals(replies.find("a"), replyAt(keepMs));
});

Deno.test("KeptReplies answers while a flush is under way, and after it failed", () => {
  const { replies } = newReplies();
  replies.add("a", replyAt(0), line(1, 0));
  replies.add("a", replyAt(1), line(2, 0));
  replies.add("b", replyAt(2), line(2, 5));
  assertEquals([...replies.plan(2)], [1, 0, 5, 1]);
  assertEquals(replies.find("a"), replyAt(0));
  assertEquals(replies.find("b"), replyAt(2));
  replies.add("a", replyAt(3), line(2, 10));
  assertEquals(replies.find("a"), replyAt(0));
  replies.failed();
  assertEquals(replies.find("a"), replyAt(0));
  assertEquals([...replies.plan(3)], [1, 0, 5, 1, 2, 0, 15, 3]);
  replies.committed();
  assertEquals(replies.find("a"), undefined);
  assertEquals(replies.size().entries, 0);
});

Deno.test("KeptReplies keeps nothing when keepMs is 0", () => {
  const { replies } = newReplies();
  replies.keepMs = 0;
  replies.add("a", replyAt(0), line(1, 0));
  assertEquals(replies.find("a"), undefined);
});

Deno.test("KeptReplies keeps the first reply while it is in flush, whatever comes for its key", () => {
  const { replies, catalog } = newReplies();
  replies.add("a", replyAt(0), line(1, 0));
  replies.plan(2);
  replies.add("a", replyAt(1), line(2, 0));
  assertEquals(replies.find("a"), replyAt(0));
  catalog.replies.set("a", replyAt(0));
  replies.committed();
  assertEquals(replies.find("a"), replyAt(0));
});
