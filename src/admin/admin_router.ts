/**
 * The admin listener's routes: live, ready, health in detail, metrics, flush.
 * @module
 */

import { Hono } from "@hono/hono";
import type { Metrics } from "../base/metrics.ts";
import { toWeirError, WeirError } from "../base/errors.ts";
import { errorResponse } from "../receive/reply.ts";
import type { Health } from "./health.ts";

/** What the admin listener shows and does. */
export interface AdminOptions {
  readonly version: string;
  readonly metrics: Metrics;
  health(): Health;
  /** Brings gauges up to date before they are read. */
  refresh(): void;
  /** Writes everything that waits into parts; resolves to what was written. */
  flush(): Promise<unknown>;
}

/** The admin listener's handler. */
export function createAdminRouter(options: AdminOptions): (request: Request) => Response | Promise<Response> {
  const app = new Hono();
  app.get("/healthz/live", (context) => context.json({ status: "live" }));
  app.get("/healthz/ready", (context) => {
    const { ready, checks } = options.health();
    const failing = checks.filter((check) => check.state === "failing").map(({ name, reason }) => ({
      name,
      reason,
    }));
    return context.json({ status: ready ? "ready" : "not_ready", failing }, ready ? 200 : 503);
  });
  app.get("/healthz", (context) => {
    const health = options.health();
    return context.json(
      { status: statusOf(health), version: options.version, ...health },
      health.ready ? 200 : 503,
    );
  });
  app.get("/metrics", async () => {
    options.refresh();
    const { registry } = options.metrics;
    return new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } });
  });
  app.post("/flush", async (context) => context.json(await options.flush() as Record<string, unknown>));
  for (const [path, allow] of [["/flush", "POST"], ["/metrics", "GET, HEAD"], ["/healthz", "GET, HEAD"]]) {
    app.all(path, () => refuseMethod(allow));
  }
  app.notFound(() => errorResponse(new WeirError("not_found", "There is no such route"), undefined));
  app.onError((error) => errorResponse(toWeirError(error), undefined));
  return (request) => app.fetch(request);
}

function refuseMethod(allow: string): Response {
  const error = new WeirError("method_not_allowed", `Method must be ${allow}`, { headers: { allow } });
  return errorResponse(error, undefined);
}

function statusOf({ ready, checks }: Health): string {
  if (!ready) return "failing";
  return checks.some((check) => check.state === "degraded") ? "degraded" : "ok";
}
