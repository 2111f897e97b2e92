/**
 * Requests as bytes, made once; what must differ from one request to the next is patched in place.
 * @module
 */

/** What the requests of one arm hold. */
export type BodyPlan =
  | {
    kind: "batch";
    /** Events in one body of POST /track/batch. */
    events: number;
    /** Gives each event of the run an insert id of its own. @default false */
    insertIds?: boolean;
    /** Bytes of filler added to each event. @default 0 */
    fillerBytes?: number;
  }
  | { kind: "single" }
  /** One call of a tRPC batch. */
  | { kind: "trpc" }
  | {
    kind: "trace";
    /** Requests among which the batches are dealt out in turn. */
    openRequests: number;
    /** Index of the first batch that each request gets. */
    firstIndex: number;
    /** Entries in one body. */
    entries: number;
    /** Number of the first request in the run. @default 0 */
    firstRequest?: number;
  };

/** One connection's source of requests: head and body in one piece of bytes, valid until the next call. */
export type NextRequest = () => Uint8Array;

const encoder = new TextEncoder();
const idDigits = 10;
/** Client id of every request: published clients send theirs as a header. */
export const clientId = "6f2c0f6e-3d0b-4f43-9a57-0d0a3a0f9b11";

/**
 * Makes the sources of all connections of one arm.
 * @param now Time of the events, ms since the epoch; the daemon refuses old ones.
 */
export function makeRequests(plan: BodyPlan, connections: number, now: number): NextRequest[] {
  if (plan.kind === "trace") return traceRequests(plan, connections, now);
  if (plan.kind === "trpc") return Array(connections).fill(() => trpcRequest);
  const body = plan.kind === "single" ? eventText(0, now, {}) : batchText(plan, now);
  const path = plan.kind === "single" ? "/track" : "/track/batch";
  const template = encoder.encode(head(path, encoder.encode(body).length) + body);
  if (plan.kind === "single" || !plan.insertIds) return Array(connections).fill(() => template);

  const places = findAll(template, encoder.encode("#".repeat(idDigits)));
  let bodies = 0;
  return Array.from({ length: connections }, () => {
    const bytes = template.slice();
    return () => {
      const digits = String(bodies++).padStart(idDigits, "0");
      const codes = encoder.encode(digits);
      for (const place of places) for (let i = 0; i < idDigits; i++) bytes[place + i] = codes[i];
      return bytes;
    };
  });
}

const trpcBody = JSON.stringify({ 0: { username: "manager", password: "correct horse", remember: true } });
const trpcRequest = encoder.encode(head("/api/trpc/login?batch=1", trpcBody.length) + trpcBody);

/** One event of about 293 bytes; with an insert id, 33 more. */
function eventText(i: number, now: number, options: { insertIds?: boolean; fillerBytes?: number }): string {
  const properties = {
    __timestamp: new Date(now - (i % 1000)).toISOString(),
    __deviceId: `device-${i % 25}`,
    __path: `/products/${1000 + (i % 9000)}`,
    __title: `Product ${1000 + (i % 9000)}`,
    plan: i % 3 === 0 ? "enterprise" : "professional",
    position: i % 100,
    price: 19.99,
    loggedIn: true,
    campaign: "spring-26",
    ...(options.insertIds ? { __insertId: `${"#".repeat(idDigits)}-${String(i).padStart(4, "0")}` } : {}),
    ...(options.fillerBytes ? { filler: "x".repeat(options.fillerBytes) } : {}),
  };
  const payload = { name: "screen_view", properties, profileId: `user-${i % 500}` };
  return JSON.stringify({ type: "track", payload });
}

function batchText(plan: BodyPlan & { kind: "batch" }, now: number): string {
  const events = Array.from({ length: plan.events }, (_, i) => eventText(i, now, plan));
  return `{"events":[${events.join(",")}]}`;
}

/** The events of `count` lines as NDJSON, each with its line break. */
export function ndjsonLines(count: number, now: number): Uint8Array<ArrayBuffer> {
  return encoder.encode(Array.from({ length: count }, (_, i) => eventText(i, now, {}) + "\n").join(""));
}

function head(path: string, contentLength: number): string {
  return `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
    `user-agent: weir-bench/1.0\r\nopenpanel-client-id: ${clientId}\r\n` +
    `content-length: ${contentLength}\r\n\r\n`;
}

function traceRequests(plan: BodyPlan & { kind: "trace" }, connections: number, now: number): NextRequest[] {
  const events = Array.from(
    { length: 8 },
    (_, i) => ({ t: now + i, fn: `step${i}`, file: "src/a.ts", line: i }),
  );
  // Digits of the rid and, aligned to the right, of the index are patched in.
  const entry = JSON.stringify({
    requestRid: "r-" + "#".repeat(idDigits),
    t: now,
    trace: JSON.stringify(events),
    traceBatchIndex: 0,
  }).replace('"traceBatchIndex":0', `"traceBatchIndex":${"@".repeat(idDigits)}`);
  const body = `{"entries":[${Array(plan.entries).fill(entry).join(",")}]}`;
  const template = encoder.encode(head("/v1/sessions/S_bench/backend", encoder.encode(body).length) + body);
  const rids = findAll(template, encoder.encode("#".repeat(idDigits)));
  const indexes = findAll(template, encoder.encode("@".repeat(idDigits)));
  let next = 0;
  return Array.from({ length: connections }, () => {
    const bytes = template.slice();
    return () => {
      for (let i = 0; i < plan.entries; i++, next++) {
        const rid = (plan.firstRequest ?? 0) + next % plan.openRequests;
        const index = plan.firstIndex + Math.floor(next / plan.openRequests);
        bytes.set(encoder.encode(String(rid).padStart(idDigits, "0")), rids[i]);
        bytes.set(encoder.encode(String(index).padStart(idDigits, " ")), indexes[i]);
      }
      return bytes;
    };
  });
}

function findAll(bytes: Uint8Array, what: Uint8Array): number[] {
  const places: number[] = [];
  for (let at = bytes.indexOf(what[0]); at >= 0; at = bytes.indexOf(what[0], at + 1)) {
    if (what.every((byte, i) => bytes[at + i] === byte)) {
      places.push(at);
      at += what.length - 1;
    }
  }
  return places;
}
