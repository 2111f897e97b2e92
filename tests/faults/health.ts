/**
 * What the admin listener says, as tests look at it.
 * @module
 */

import type { Check } from "../../src/admin/health.ts";
import type { Daemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";

/** The reply of /healthz/ready. */
export interface Readiness {
  readonly status: number;
  readonly failing: readonly Pick<Check, "name" | "reason">[];
}

/** Is it ready, and if not, why? */
export async function readiness(daemon: Daemon): Promise<Readiness> {
  const { status, json } = await send(`${daemon.adminUrl}/healthz/ready`);
  return { status, failing: (json as Readiness).failing };
}

/** Is it live? */
export async function isLive(daemon: Daemon): Promise<boolean> {
  return (await send(`${daemon.adminUrl}/healthz/live`)).status === 200;
}

/** Status code and word of /healthz, with one of its checks. */
export async function checkOf(
  daemon: Daemon,
  name: string,
): Promise<Check & { http: number; status: string }> {
  const { status: http, json } = await send(`${daemon.adminUrl}/healthz`);
  const { status, checks } = json as { status: string; checks: Check[] };
  const found = checks.find((check) => check.name === name);
  if (found === undefined) throw new Error(`/healthz has no check ${name}`);
  return { ...found, http, status };
}

/** One figure of /metrics, without labels. */
export async function metric(daemon: Daemon, name: string): Promise<number> {
  const { text } = await send(`${daemon.adminUrl}/metrics`);
  const found = text.match(new RegExp(`^${name} (\\S+)$`, "m"));
  if (found === null) throw new Error(`/metrics has no ${name}`);
  return Number(found[1]);
}

/** Resolves once `holds` does; asked again and again, because nothing tells when it begins to. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!await holds()) {
    if (performance.now() > deadline) throw new Error("What the test waits for did not come");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
