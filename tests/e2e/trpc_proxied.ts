/**
 * Daemons with one tRPC route, before real servers and before those that misbehave.
 * @module
 */

import { type Daemon, startDaemon } from "../support/daemon.ts";
import { type RawPeer, type RawUpstream, startRawUpstream } from "../trpc/raw_upstream.ts";
import { startFetchServer, type TrpcUpstream } from "../trpc/servers.ts";

/** Path of the route. */
export const prefix = "/api/trpc";
/** Headers of a JSON body. */
export const json = { "content-type": "application/json" };
/** Bytes. */
export const miB = 1024 * 1024;

/** A daemon before an upstream. */
export interface Proxied extends AsyncDisposable {
  readonly daemon: Daemon;
  /** Of the route. */
  readonly url: string;
}

/** A daemon with one route to this upstream. */
export async function proxyTo(upstream: string, options: Record<string, unknown> = {}): Promise<Proxied> {
  const daemon = await startDaemon({
    config: { trpc: { routes: [{ prefix, upstream, ...options }] }, shutdown: { grace_ms: 1_500 } },
  });
  return { daemon, url: daemon.url + prefix, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}

/** A daemon before a server of version 11 without a transformer. */
export async function proxyToReal(
  options: Record<string, unknown> = {},
): Promise<Proxied & { readonly upstream: TrpcUpstream }> {
  const upstream = startFetchServer({ version: 11, transformer: "none" });
  const proxied = await proxyTo(upstream.url, options);
  return {
    ...proxied,
    upstream,
    async [Symbol.asyncDispose](): Promise<void> {
      await proxied[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** A daemon before an upstream that runs `script`. */
export async function proxyToRaw(
  script: (peer: RawPeer, connection: number) => Promise<void>,
  options: Record<string, unknown> = {},
): Promise<Proxied & { readonly upstream: RawUpstream }> {
  const upstream = startRawUpstream(script);
  const proxied = await proxyTo(upstream.origin, options);
  return {
    ...proxied,
    upstream,
    async [Symbol.asyncDispose](): Promise<void> {
      await proxied[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** Answers every request on a connection with the same bytes. */
export function always(reply: string | Uint8Array): (peer: RawPeer) => Promise<void> {
  return async (peer) => {
    while (await peer.nextRequest() !== undefined) await peer.write(reply);
  };
}

/** Codes of the errors of a batch, or of the one error. */
export function codesOf(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.map((one) => one.error.data.code);
}
