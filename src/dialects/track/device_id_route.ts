/**
 * GET `/track/device-id`: which device the daemon takes the sender for, and its live session (contract `track`, 1.6).
 * @module
 */

import { WeirError } from "../../base/errors.ts";
import type { ReadRoute } from "../dialect.ts";
import { credentialsOf } from "./credentials.ts";
import type { SenderOf } from "./sender.ts";

/** The route. */
export function deviceIdRoute(senderOf: SenderOf): ReadRoute {
  return {
    method: "GET",
    path: "/track/device-id",
    answer: async (inbound, services) => {
      const { sessions, config } = services;
      const sender = await senderOf(inbound, services, credentialsOf(inbound.headers));
      if (inbound.clientIp === "" || !inbound.headers.get("user-agent")) {
        throw new WeirError(
          "validation",
          "Missing ip or user agent: the device is not known by anything else",
        );
      }
      const { arrivedAt } = inbound;
      const deviceId = sender.deviceAt(arrivedAt, arrivedAt);
      const live = sessions.liveOf(sender.project, deviceId);
      const isLive = live?.takesLive(arrivedAt, config.sessions.timeout_ms) ?? false;
      const body = isLive
        ? { deviceId, sessionId: live!.id }
        : { deviceId, sessionId: "", message: "No session is live for this device" };
      return Response.json(body, { headers: { "content-type": "application/json; charset=utf-8" } });
    },
  };
}
