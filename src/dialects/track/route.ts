/**
 * Routes of dialect `track`.
 * @module
 */

import type { Config } from "../../config/schema.ts";
import type { Authority } from "../authority.ts";
import type { BodyShape, Dialect, Inbound, Ingest, IngestRoute, Services } from "../dialect.ts";
import { WeirError } from "../../base/errors.ts";
import { type FindSender, TrackIngest } from "./apply.ts";
import { Sender } from "./sender.ts";
import { UserAgents } from "./user_agent.ts";

/** The dialect, with its cache of user agents. */
export function createTrackDialect(authority: Authority): Dialect {
  const agents = new UserAgents();
  const open = (batchOnly: boolean) => (inbound: Inbound, services: Services): Promise<Ingest> =>
    openTrack(inbound, services, { batchOnly, authority, agents });
  const single: IngestRoute = {
    method: "POST",
    path: "/track",
    shape: ({ track, limits }) => ({
      ...batchLimits({ track, limits }),
      rowsKey: "payload",
      single: true,
      ndjson: false,
    }),
    open: open(false),
  };
  const batch: IngestRoute = {
    method: "POST",
    path: "/track/batch",
    shape: ({ track, limits }) => ({
      ...batchLimits({ track, limits }),
      rowsKey: "events",
      single: false,
      ndjson: true,
    }),
    open: open(true),
  };
  return { name: "track", ingest: [single, batch], read: [] };
}

function batchLimits({ track }: Pick<Config, "track" | "limits">): Pick<BodyShape, "maxBytes" | "maxRows"> {
  return { maxBytes: track.max_batch_bytes, maxRows: track.max_batch_rows };
}

async function openTrack(
  inbound: Inbound,
  services: Services,
  parts: { batchOnly: boolean; authority: Authority; agents: UserAgents },
): Promise<Ingest> {
  const { batchOnly, authority, agents } = parts;
  const { headers } = inbound;
  const device = agents.describe(headers.get("user-agent") ?? "unknown/1.0");
  const origin = headers.get("origin") ?? undefined;
  const findSender: FindSender = async (id, secret) => {
    const project = await authority.admitClient({ id, secret, origin });
    return new Sender(project, inbound, { config: services.config, salts: services.salts, device });
  };
  const options = { inbound, services, findSender, batchOnly };
  const clientId = headers.get("openpanel-client-id") ?? headers.get("mixan-client-id");
  if (clientId === null) return new TrackIngest({ ...options, sender: undefined, refusal: undefined });
  const secret = headers.get("openpanel-client-secret") ?? headers.get("mixan-client-secret") ?? undefined;
  try {
    return new TrackIngest({ ...options, sender: await findSender(clientId, secret), refusal: undefined });
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    return new TrackIngest({ ...options, sender: undefined, refusal: error });
  }
}
