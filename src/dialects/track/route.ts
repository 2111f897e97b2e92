/**
 * Routes of dialect `track`.
 * @module
 */

import type { Config } from "../../config/schema.ts";
import type { Authority } from "../authority.ts";
import type { BodyShape, Dialect, Inbound, Ingest, IngestRoute, Services } from "../dialect.ts";
import { WeirError } from "../../base/errors.ts";
import { type FindSender, TrackIngest } from "./apply.ts";
import { credentialsOf } from "./credentials.ts";
import { deviceIdRoute } from "./device_id_route.ts";
import { readRoutes } from "./reads.ts";
import { type SenderOf, Senders } from "./sender.ts";
import { UserAgents } from "./user_agent.ts";

/** The dialect, with its caches of user agents and senders. */
export function createTrackDialect(authority: Authority): Dialect {
  const agents = new UserAgents();
  const senders = new Senders();
  const senderOf: SenderOf = async (inbound, services, sent) => {
    const { id, secret, origin } = credentialsOf(inbound.headers);
    const credentials = { id: id ?? sent.id, secret: secret ?? sent.secret, origin };
    const grant = await authority.admitClient(credentials);
    const { config, salts, sessions, ids, geo } = services;
    return senders.find(grant, inbound, { config, salts, sessions, ids, agents, geo });
  };
  const open = (batchOnly: boolean) => (inbound: Inbound, services: Services): Promise<Ingest> =>
    openTrack(inbound, services, { batchOnly, senderOf });
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
  const read = [deviceIdRoute(senderOf), ...readRoutes(authority)];
  return { name: "track", ingest: [single, batch], read };
}

function batchLimits({ track }: Pick<Config, "track" | "limits">): Pick<BodyShape, "maxBytes" | "maxRows"> {
  return { maxBytes: track.max_batch_bytes, maxRows: track.max_batch_rows };
}

async function openTrack(
  inbound: Inbound,
  services: Services,
  { batchOnly, senderOf }: { batchOnly: boolean; senderOf: SenderOf },
): Promise<Ingest> {
  const { config } = services;
  const { id: clientId, secret } = credentialsOf(inbound.headers);
  const findSender: FindSender = (sent) => senderOf(inbound, services, sent);
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
