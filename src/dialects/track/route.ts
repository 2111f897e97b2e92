/**
 * Routes of dialect `track`.
 * @module
 */

import type { Config } from "../../config/schema.ts";
import type { Authority } from "../authority.ts";
import type { BodyShape, Dialect, Inbound, Ingest, IngestRoute, Services } from "../dialect.ts";
import { WeirError } from "../../base/errors.ts";
import { TrackIngest, type TrackRequest } from "./apply.ts";
import { credentialsOf } from "./credentials.ts";
import { deviceIdRoute } from "./device_id_route.ts";
import { readRoutes } from "./reads.ts";
import { type SenderOf, Senders } from "./sender.ts";
import { UserAgents } from "./user_agent.ts";

/** The dialect, with its caches of user agents and senders. */
export function createTrackDialect(authority: Authority): Dialect {
  const senders = new Senders(new UserAgents());
  const senderOf: SenderOf = (inbound, services, credentials) => {
    const grant = authority.admitClient(credentials);
    return grant instanceof Promise
      ? grant.then((granted) => senders.find(granted, inbound, services))
      : senders.find(grant, inbound, services);
  };
  const open = (batchOnly: boolean): IngestRoute["open"] => (inbound, services) =>
    openTrack(inbound, services, { batchOnly, senderOf });
  const single: IngestRoute = {
    method: "POST",
    path: "/track",
    shape: shapeOf({ rowsKey: "payload", single: true, ndjson: false }),
    open: open(false),
  };
  const batch: IngestRoute = {
    method: "POST",
    path: "/track/batch",
    shape: shapeOf({ rowsKey: "events", single: false, ndjson: true }),
    open: open(true),
  };
  const read = [deviceIdRoute(senderOf), ...readRoutes(authority)];
  return { name: "track", ingest: [single, batch], read };
}

/** The shape under the configuration's limits; the same one as long as that is the same. */
function shapeOf(form: Pick<BodyShape, "rowsKey" | "single" | "ndjson">): IngestRoute["shape"] {
  let of: Config | undefined;
  let shape: BodyShape | undefined;
  return (config) => {
    if (shape === undefined || of !== config) {
      const { max_batch_bytes: maxBytes, max_batch_rows: maxRows } = config.track;
      shape = { ...form, maxBytes, maxRows };
      of = config;
    }
    return shape;
  };
}

function openTrack(
  inbound: Inbound,
  services: Services,
  { batchOnly, senderOf }: { batchOnly: boolean; senderOf: SenderOf },
): Ingest | Promise<Ingest> {
  const credentials = credentialsOf(inbound.headers);
  const request: TrackRequest = { inbound, services, credentials, senderOf, batchOnly };
  if (credentials.id === undefined && services.config.auth.enabled) return new TrackIngest(request, {});
  try {
    const sender = senderOf(inbound, services, credentials);
    if (!(sender instanceof Promise)) return new TrackIngest(request, { sender });
    return sender.then(
      (found) => new TrackIngest(request, { sender: found }),
      (error) => refuse(request, error),
    );
  } catch (error) {
    return refuse(request, error);
  }
}

/** Without a secret in the headers, the body may still hold it. */
function refuse(request: TrackRequest, error: unknown): Ingest {
  const { id, secret } = request.credentials;
  if (id === undefined || !(error instanceof WeirError)) throw error;
  return new TrackIngest(request, { refusal: secret === undefined ? undefined : error });
}
