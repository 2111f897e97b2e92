/**
 * The layers above the file: `WEIR_SECTION__KEY` in the environment, and flags.
 * @module
 */

import type { ConfigPath } from "./issue.ts";
import { coerceText, factsAt, sections, settings } from "./settings.ts";
import { isMapping, type Place, SettingTree } from "./setting_tree.ts";
import { nearest } from "./suggest.ts";
import { readYamlLayer } from "./yaml_layer.ts";

/** Flags that set something; all of them win over the environment. */
export const flagSettings = {
  port: { flag: "--port", path: "server.port" },
  adminPort: { flag: "--admin-port", path: "admin.port" },
  dataDir: { flag: "--data-dir", path: "data_dir" },
  logFormat: { flag: "--log-format", path: "log.format" },
  logLevel: { flag: "--log-level", path: "log.level" },
} as const;

/** Names with the prefix that are no settings. */
const otherNames = new Set(["WEIR_CONFIG", "WEIR_FAULTS"]);
/**
 * What Kubernetes and Docker links add to the environment for a service whose name begins with "weir".
 * `WEIR_PORT` is among them and tells itself apart by its value.
 */
const serviceLink =
  /^WEIR_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_.*)?)$/;
const serviceAddress = /^(tcp|udp|sctp):\/\//;

/** The environment variable that sets this setting or section: `flush.interval_ms`, `WEIR_FLUSH__INTERVAL_MS`. */
export function envName(path: string): string {
  return "WEIR_" + path.toUpperCase().replaceAll(".", "__");
}

/** Sections before their settings, so that the more specific name wins. */
const pathsByName: ReadonlyMap<string, string> = new Map(
  [...sections, ...settings.map(({ path }) => path)].map((path) => [envName(path), path]),
);

/** Lays the `WEIR_*` variables over the tree; a name that sets nothing is reported. */
export function applyEnvironment(tree: SettingTree, env: Readonly<Record<string, string>>): void {
  for (const [name, path] of pathsByName) {
    if (Object.hasOwn(env, name)) {
      applyText(tree, { path: path.split("."), text: env[name], place: placeOf(`env ${name}`) });
    }
  }
  for (const name of Object.keys(env).sort()) {
    const known = pathsByName.has(name) || otherNames.has(name) || isServiceLink(name, env[name]);
    if (!name.startsWith("WEIR_") || known) continue;
    tree.report([], { place: placeOf(`env ${name.slice(0, 100)}`), message: unknownName(name) });
  }
}

/** Lays the flags over the tree. */
export function applyFlags(
  tree: SettingTree,
  flags: Readonly<Partial<Record<keyof typeof flagSettings, string | number>>>,
): void {
  for (const [name, { flag, path }] of Object.entries(flagSettings)) {
    const value = flags[name as keyof typeof flagSettings];
    if (value === undefined) continue;
    applyText(tree, { path: path.split("."), text: String(value), place: placeOf(`flag ${flag}`) });
  }
}

function applyText(
  tree: SettingTree,
  { path, text, place }: { path: ConfigPath; text: string; place: Place },
): void {
  const kind = factsAt(path)?.kind;
  if (kind !== "section" && kind !== "list") {
    tree.set(path, coerceText(path, text));
    tree.place(path, place);
    return;
  }
  const { file, origin } = place;
  // Read into a tree of its own first: a section is merged key by key with what is there already.
  const given = new SettingTree();
  readYamlLayer(given, { text, file, originOf: () => origin }, path);
  for (const issue of given.issues) tree.issues.push(issue);
  if (given.issues.length > 0) return;
  merge(tree, { path, value: given.value(path), from: given });
}

function merge(
  tree: SettingTree,
  { path, value, from }: { path: ConfigPath; value: unknown; from: SettingTree },
): void {
  if (factsAt(path)?.kind === "section" && isMapping(value)) {
    for (const [key, below] of Object.entries(value)) {
      merge(tree, { path: [...path, key], value: below, from });
    }
    return;
  }
  if (value !== undefined) tree.adopt(path, from);
}

function isServiceLink(name: string, value: string): boolean {
  return serviceLink.test(name) || (/^WEIR_([A-Z0-9_]+_)?PORT$/.test(name) && serviceAddress.test(value));
}

function unknownName(name: string): string {
  for (const [listName, path] of pathsByName) {
    if (name.startsWith(listName + "__") && factsAt(path.split("."))?.kind === "list") {
      return `A list is set as a whole: give ${path} as JSON in ${listName}`;
    }
  }
  const wanted = meantNames(name);
  return wanted.length === 0 ? "Sets nothing" : `Sets nothing: did you mean ${wanted.join(" or ")}`;
}

/** Names for somebody who wrote one underscore for two, left the section out, or mistyped. */
function meantNames(name: string): string[] {
  const bare = name.slice("WEIR_".length);
  const known = [...pathsByName.keys()];
  const found = known.filter((one) => one.endsWith("__" + bare) || one.replaceAll("__", "_") === name);
  if (found.length > 0) return found;
  const near = nearest(bare, [...known, ...otherNames].map((one) => one.slice("WEIR_".length)));
  return near === undefined ? [] : ["WEIR_" + near];
}

function placeOf(origin: string): Place {
  return { origin, file: origin, line: 0, col: 0, keyLine: 0, keyCol: 0 };
}
