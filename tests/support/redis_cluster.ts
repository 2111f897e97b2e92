/**
 * A Redis Cluster of three masters for one test.
 * @module
 */

import { freePort, type RedisServer, startRedis } from "./redis.ts";

/** A running cluster. */
export interface RedisCluster extends AsyncDisposable {
  /** Of one of its nodes. */
  readonly url: string;
  readonly nodes: readonly RedisServer[];
}

const slots = 16_384;
const startTimeoutMs = 20_000;

/** Starts three masters that share all slots. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const busPorts = Array.from({ length: 3 }, () => freePort());
  const nodes = await Promise.all(busPorts.map((busPort) => startNode(busPort)));
  const stop = async (): Promise<void> => {
    for (const node of nodes) await node[Symbol.asyncDispose]();
  };
  try {
    for (const [i, node] of nodes.entries()) {
      const [from, to] = [Math.floor(slots * i / 3), Math.floor(slots * (i + 1) / 3) - 1];
      await node.command("CLUSTER", "ADDSLOTSRANGE", String(from), String(to));
      await node.command("CLUSTER", "SET-CONFIG-EPOCH", String(i + 1));
    }
    for (const [i, node] of nodes.entries()) {
      if (i > 0) {
        await nodes[0].command("CLUSTER", "MEET", "127.0.0.1", String(node.port), String(busPorts[i]));
      }
    }
    for (const node of nodes) await waitUntilWhole(node);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: nodes[0].url, nodes, [Symbol.asyncDispose]: stop };
}

/** The bus takes a port of its own: by default the port + 10000, which may be out of range. */
function startNode(busPort: number): Promise<RedisServer> {
  return startRedis({ args: ["--cluster-enabled", "yes", "--cluster-port", String(busPort)] });
}

async function waitUntilWhole(node: RedisServer): Promise<void> {
  for (const deadline = performance.now() + startTimeoutMs;;) {
    const info = await node.command("CLUSTER", "INFO");
    if (info.includes("cluster_state:ok") && info.includes("cluster_known_nodes:3")) return;
    if (performance.now() > deadline) throw new Error("The cluster did not come together");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
