/**
 * Clients of the collector's methods, as its users have them.
 * @module
 */

import { type Client, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport as nodeTransport } from "@connectrpc/connect-node";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { TestEventCollector } from "../../src/dialects/test_events/messages/testsystem/v1/observer_pb.ts";
import type { Daemon } from "../support/daemon.ts";

/** A client of the service. */
export type Collector = Client<typeof TestEventCollector>;

/** Every way to the service, by name. */
export const transports: Record<string, (baseUrl: string) => Transport> = {
  "connect-web, JSON": (baseUrl) => createConnectTransport({ baseUrl }),
  "connect-web, proto": (baseUrl) => createConnectTransport({ baseUrl, useBinaryFormat: true }),
  "gRPC-Web": (baseUrl) => createGrpcWebTransport({ baseUrl }),
  "connect-node": (baseUrl) => nodeTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
};

/** A client of the daemon as it runs now. */
export function collectorOf(daemon: Daemon, transport = "connect-web, proto"): Collector {
  return createClient(TestEventCollector, transports[transport](daemon.url));
}

/** How a call fails. @throws Error when it goes well */
export async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call went well");
}
