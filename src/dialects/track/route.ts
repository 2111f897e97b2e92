/**
 * Routes of dialect `track`.
 * @module
 */

import type { Config } from "../../config/schema.ts";
import type { Authority } from "../authority.ts";
import type { BodyShape, Dialect, Inbound, Ingest, IngestRoute, Services } from "../dialect.ts";
import { WeirError } from "../../base/errors.ts";
import { type FindSender, TrackIngest } from "./apply.ts";
import { Senders } from "./sender.ts";
import { UserAgents } from "./user_agent.ts";

/** The dialect, with its caches of user agents and senders. */
export function createTrackDialect(authority: Authority): Dialect {
  const agents = new UserAgents();
  const senders = new Senders();
  const open = (batchOnly: boolean) => (inbound: Inbound, services: Services): Promise<Ingest> =>
    openTrack(inbound, services, { batchOnly, authority, agents, senders });
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
  parts: { batchOnly: boolean; authority: Authority; agents: UserAgents; senders: Senders },
): Promise<Ingest> {
  const { batchOnly, authority, agents, senders } = parts;
  const { headers } = inbound;
  const { config, salts, sessions, ids, geo } = services;
  const origin = headers.get("origin") ?? undefined;
  const clientId = headers.get("openpanel-client-id") ?? headers.get("mixan-client-id") ?? undefined;
  const secret = headers.get("openpanel-client-secret") ?? headers.get("mixan-client-secret") ?? undefined;
  const findSender: FindSender = async (sent) => {
    const credentials = { id: clientId ?? sent.id, secret: secret ?? sent.secret, origin };
    const grant = await authority.admitClient(credentials);
    return senders.find(grant, inbound, { config, salts, sessions, ids, agents, geo });
  };
  const options = { inbound, services, findSender, batchOnly };
  if (clientId === undefined) {
    const anonymous = config.auth.enabled ? undefined : await findSender({});
    return new TrackIngest({ ...options, sender: undefined, anonymous, refusal: undefined });
  }
  try {
    const sender = await findSender({});
    return new TrackIngest({ ...options, sender, anonymous: undefined, refusal: undefined });
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    // Without a secret in the headers, the body may still hold it.
    const refusal = secret === undefined ? undefined : error;
    return new TrackIngest({ ...options, sender: undefined, anonymous: undefined, refusal });
  }
}
