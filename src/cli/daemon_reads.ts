/**
 * What verbs ask a running daemon, and how they name it.
 * @module
 */

import { describeError } from "../base/log.ts";
import { type FlagSpecs, UsageError } from "./flags.ts";
import type { CliIo } from "./io.ts";

/** Flags of verbs that read requests. */
export const readFlagSpecs = {
  url: { value: "URL", text: "The daemon (http://127.0.0.1:7400)" },
  app: { value: "ID", text: "Sent as X-App-Id; without it the app is default, where auth is off" },
  "app-secret": {
    value: "TEXT",
    text: "Sent as X-App-Secret; better: APP_SECRET in the environment",
  },
  session: { value: "SID", text: "The request's session, where several have one of this id" },
} as const satisfies FlagSpecs;

/** Where to ask, and as whom. */
export interface DaemonTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A request as the daemon's lists tell it. */
export interface ListedItem {
  readonly sessionId: string;
  readonly requestRid: string;
  readonly key: string | null;
  readonly method: string | null;
  readonly url: string | null;
  readonly status: number | null;
  readonly durMs: number | null;
  readonly actionId: string | null;
  readonly firstT: number;
  readonly batches: number;
  readonly total?: number;
  readonly missingCount: number;
  readonly complete: boolean;
}

/** The daemon did not give what was asked for. */
export class ReadError extends Error {
  override readonly name = "ReadError";
  /** EX_UNAVAILABLE of sysexits, or 1 where there is no such request. */
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

const unavailableExit = 69;
const notFoundExit = 1;

/** @throws UsageError */
export function targetOf(
  values: Partial<Record<keyof typeof readFlagSpecs, string>>,
  io: CliIo,
): DaemonTarget {
  const { url = "http://127.0.0.1:7400", app } = values;
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new UsageError(`--url must be an http address: current value is ${url}`);
  }
  const secret = values["app-secret"] ?? io.env.APP_SECRET;
  const headers = Object.entries({ "x-app-id": app, "x-app-secret": secret })
    .filter((header): header is [string, string] => Boolean(header[1]));
  return { url: url.replace(/\/+$/, ""), headers: Object.fromEntries(headers) };
}

/**
 * Finds a request by its id.
 * @throws ReadError when there is none, or more than one
 */
export async function findRequest(
  target: DaemonTarget,
  { rid, session }: { rid: string; session: string | undefined },
): Promise<ListedItem> {
  const query = new URLSearchParams({ rid, limit: "20", ...(session === undefined ? {} : { session }) });
  const reply = await ask(target, `/v1/requests?${query}`);
  const { items } = await reply.json() as { items: ListedItem[] };
  if (items.length === 1) return items[0];
  if (items.length === 0) throw new ReadError(`There is no request ${JSON.stringify(rid)}`, notFoundExit);
  const sessions = items.map(({ sessionId }) => sessionId).join(", ");
  throw new ReadError(
    `Several sessions have a request of this id, name one by --session: ${sessions}`,
    notFoundExit,
  );
}

/**
 * The request in one of its forms.
 * @throws ReadError
 */
export async function openExport(
  target: DaemonTarget,
  { sessionId, requestRid, format }: ListedItem & { format: string },
): Promise<ReadableStream<Uint8Array>> {
  const path = `/v1/sessions/${sessionId}/requests/${encodeURIComponent(requestRid)}?format=${format}`;
  const reply = await ask(target, path);
  return reply.body ?? new ReadableStream({ start: (controller) => controller.close() });
}

async function ask({ url, headers }: DaemonTarget, path: string): Promise<Response> {
  let reply: Response;
  try {
    reply = await fetch(url + path, { headers });
  } catch (error) {
    throw new ReadError(`Cannot reach the daemon at ${url}: ${describeError(error)}`, unavailableExit);
  }
  if (reply.ok) return reply;
  const text = await reply.text();
  throw new ReadError(`The daemon answered ${reply.status}: ${messageOf(text)}`, unavailableExit);
}

function messageOf(text: string): string {
  try {
    const { message, error } = JSON.parse(text);
    return String(message ?? error?.message ?? error ?? text);
  } catch {
    return text.slice(0, 200);
  }
}
