/**
 * The rooms that claims of a daemon may be in.
 * @module
 */

import { startRedis } from "../support/redis.ts";

/** What a daemon is configured with, for as long as the room is open. */
export interface OpenRoom extends AsyncDisposable {
  readonly config: Record<string, unknown>;
}

/** One room. */
export interface Room {
  readonly name: string;
  open(): Promise<OpenRoom>;
}

const memory: Room = {
  name: "memory",
  open: () => Promise.resolve({ config: {}, [Symbol.asyncDispose]: () => Promise.resolve() }),
};

const redis: Room = {
  name: "Redis",
  async open(): Promise<OpenRoom> {
    const server = await startRedis();
    return {
      config: { redis: { url: server.url } },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

/** All of them. */
export const rooms: readonly Room[] = [memory, redis];
