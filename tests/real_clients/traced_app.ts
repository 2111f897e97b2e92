/**
 * An Express app with `repro-nest` in it, as it is published, running under Node.
 * @module
 */

import { installNpm } from "../support/npm_client.ts";
import { startClient } from "./client_process.ts";

/** How {@link startTracedApp} starts it. */
export interface TracedAppOptions {
  /** Where the client sends to. */
  readonly apiBase: string;
  /** X-App-Id and X-App-Secret of the client. */
  readonly appId: string;
  readonly appSecret: string;
  /** @default "on" */
  readonly tracing?: "on" | "off";
}

/** A request to the app. */
export interface AppRequest {
  readonly path: string;
  /** Sent as JSON, by POST; without one it is a GET. */
  readonly body?: unknown;
  /** Session and action that mark the request; the client leaves requests without them alone. */
  readonly session?: string;
  readonly action?: string;
}

/** The running app. Disposing of it ends it. */
export interface TracedApp extends AsyncDisposable {
  /** Where its own files lie, with a slash at the end. */
  readonly folder: string;
  /** The status and body of the app's answer. */
  ask(request: AppRequest): Promise<{ status: number; json: unknown }>;
}

const packages = ["repro-nest@0.0.222", "express@5.1.0", "mongoose@8.19.2"];
const source = new URL("./traced_app/", import.meta.url).pathname;

/** Starts the app; returns once it listens. */
export async function startTracedApp(options: TracedAppOptions): Promise<TracedApp> {
  const folder = await copyApp(await installNpm(packages));
  const { apiBase, appId, appSecret, tracing = "on" } = options;
  const process = startClient({
    command: "node",
    args: ["server.cjs"],
    // The client traces what lies below the working directory.
    cwd: folder,
    env: { REPRO_API_BASE: apiBase, APP_ID: appId, APP_SECRET: appSecret, TRACING: tracing },
  });
  const dispose = async (): Promise<void> => {
    await process[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  };
  try {
    const { port } = await process.next();
    return {
      folder: `${folder}/`,
      ask: (request) => ask(`http://127.0.0.1:${port}`, request),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Below the packages, so that the app finds them. */
async function copyApp(packageFolder: string): Promise<string> {
  const folder = await Deno.makeTempDir({ dir: packageFolder, prefix: "app-" });
  for await (const { name } of Deno.readDir(source)) await Deno.copyFile(source + name, `${folder}/${name}`);
  return folder;
}

async function ask(
  url: string,
  { path, body, session, action }: AppRequest,
): Promise<{ status: number; json: unknown }> {
  const headers = new Headers({ authorization: "Bearer of-the-visitor", "content-type": "application/json" });
  if (session !== undefined) headers.set("x-bug-session-id", session);
  if (action !== undefined) headers.set("x-bug-action-id", action);
  const post = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(url + path, { headers, ...post });
  return { status: response.status, json: await response.json() };
}
