/**
 * Routes of dialect `track`.
 * @module
 */

import type { Config } from "../../config/schema.ts";
import type { Authority, ClientGrant } from "../authority.ts";
import type { BodyShape, Dialect, Inbound, Ingest, IngestRoute, Services } from "../dialect.ts";
import { WeirError } from "../../base/errors.ts";
import { type FindSender, TrackIngest } from "./apply.ts";
import { credentialsOf } from "./credentials.ts";
import { deviceIdRoute } from "./device_id_route.ts";
import { readRoutes } from "./reads.ts";
import { type Sender, type SenderOf, Senders } from "./sender.ts";
import { UserAgents } from "./user_agent.ts";

/** The dialect, with its caches of user agents and senders. */
export function createTrackDialect(authority: Authority): Dialect {
  const agents = new UserAgents();
  const senders = new Senders();
  const senderOf: SenderOf = (inbound, services, credentials) => {
    const { config, salts, sessions, ids, geo } = services;
    const find = (grant: ClientGrant): Sender =>
      senders.find(grant, inbound, { config, salts, sessions, ids, agents, geo });
    const grant = authority.admitClient(credentials);
    return grant instanceof Promise ? grant.then(find) : find(grant);
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
  const { id, secret, origin } = credentials;
  const findSender: FindSender = async (sent) =>
    await senderOf(inbound, services, { id: id ?? sent.id, secret: secret ?? sent.secret, origin });
  const ingestOf = (sender?: Sender, refusal?: WeirError): Ingest =>
    new TrackIngest({
      inbound,
      services,
      findSender,
      batchOnly,
      sender: id === undefined ? undefined : sender,
      anonymous: id === undefined ? sender : undefined,
      refusal,
    });
  // Without a secret in the headers, the body may still hold it.
  const refused = (error: unknown): Ingest => {
    if (id === undefined || !(error instanceof WeirError)) throw error;
    return ingestOf(undefined, secret === undefined ? undefined : error);
  };
  if (id === undefined && services.config.auth.enabled) return ingestOf();
  try {
    const sender = senderOf(inbound, services, credentials);
    return sender instanceof Promise ? sender.then((found) => ingestOf(found), refused) : ingestOf(sender);
  } catch (error) {
    return refused(error);
  }
}
