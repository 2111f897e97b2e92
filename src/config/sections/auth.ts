/**
 * Settings of who may send.
 * @module
 */

import { boolean, entry, list, optionalText, requiredText, section, type TextRule } from "../fields.ts";
import { address, name, origin } from "./rules.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const secret: TextRule = { wanted: "a text of 1 to 1024 characters", minLength: 1, secret: true };
const secretHash: TextRule = {
  wanted: "salt and scrypt key as hex with a dot between them, 32 and 64 digits",
  pattern: /^[0-9a-f]{32}\.[0-9a-f]{64}$/,
  secret: true,
};

const client = entry({
  id: requiredText("Client id, sent as openpanel-client-id", {
    wanted: "a UUID in lowercase, 8-4-4-4-12 hex digits",
    pattern: uuid,
  }),
  secret: optionalText("Secret in plain text; better is secret_hash, or ${VAR}", secret),
  secret_hash: optionalText("Secret as salt.hash: scrypt over secret and salt, 32 bytes, hex", secretHash),
  project: requiredText("Project that the client's events belong to", name),
  cors_origins: list("Origins that need no secret; https://*.example.com stands for subdomains", {
    item: origin,
    fallback: [],
  }),
  ignore_cors_and_secret: boolean("Take whoever knows the client id", false),
  allow_unsafe_revenue: boolean("Take revenue without a secret", false),
  block_ips: list("Client addresses that are refused", { item: address, fallback: [] }),
  block_profile_ids: list("Profiles that are refused", {
    item: requiredText("A profile id", name),
    fallback: [],
  }),
  drop_events: list("Names of events that are answered as taken, and not stored", {
    item: requiredText("A name of an event", name),
    fallback: [],
  }),
});

const app = entry({
  id: requiredText("App id, sent as X-App-Id", name),
  secret: optionalText("Secret in plain text; better is secret_hash, or ${VAR}", secret),
  secret_hash: optionalText("Secret as salt.hash: scrypt over secret and salt, 32 bytes, hex", secretHash),
  enabled: boolean("Refuse the app while false", true),
  sdk_token: optionalText("Token for the app's pages; /v1/sdk/bootstrap hands it to whoever names the app", {
    wanted: "a text of 1 to 200 printable ASCII characters",
    pattern: /^[\x21-\x7e]{1,200}$/,
  }),
  capture: list("Events that /v1/sdk/bootstrap tells the app's pages to capture", {
    item: requiredText("rrweb, action or net", {
      wanted: "rrweb, action or net",
      pattern: /^(?:rrweb|action|net)$/,
    }),
    fallback: ["action", "net"],
  }),
});

/** Section `auth`. */
export const auth = section("Who may send", {
  enabled: boolean("Ask for credentials. Off only where the daemon listens on loopback", false),
  clients: list("Senders of analytics events", { item: client, fallback: [] }),
  apps: list("Senders of backend trace entries", { item: app, fallback: [] }),
});
