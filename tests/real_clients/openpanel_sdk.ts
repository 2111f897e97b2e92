/**
 * `@openpanel/sdk` as it is published, in a program of its own that runs under Deno or under Node.
 * @module
 */

import { installNpm } from "../support/npm_client.ts";
import { type ClientProcess, startClient } from "./client_process.ts";

/** What the SDK is made with, and what it is sent with. */
export interface SdkOptions {
  /** Of the constructor. */
  readonly options: Record<string, unknown>;
  /** Headers that the program adds, such as the user agent of the browser for which it sends. @default none */
  readonly headers?: Record<string, string>;
}

/** What a call led to. */
export interface Called {
  /** What the method returned; absent when that was undefined. */
  readonly returned?: { deviceId: string; sessionId: string; duplicate?: true } | null;
  /** What the SDK knows after the call; "" where it knows nothing. */
  readonly deviceId: string;
  readonly sessionId: string;
}

/** The SDK in its program. Disposing of it ends the program. */
export interface Sdk extends AsyncDisposable {
  /** Calls a method of the SDK. Several calls may be under way. */
  call(method: string, ...args: unknown[]): Promise<Called>;
  /** What the program said on standard error, where the SDK tells that it gave up. */
  complaints(): string;
}

const version = "1.3.1";
const program = new URL("./openpanel_client.mjs", import.meta.url).pathname;

/** Where the SDK runs. */
export type Runtime = "deno" | "node";

/** Starts the program. */
export async function startSdk(runtime: Runtime, { options, headers = {} }: SdkOptions): Promise<Sdk> {
  const client = runtime === "deno" ? startUnderDeno() : await startUnderNode();
  const waiting = new Map<number, PromiseWithResolvers<Called>>();
  const reading = readAnswers(client, waiting);
  await client.send({ options, headers });
  let calls = 0;
  return {
    async call(method, ...args): Promise<Called> {
      const answer = Promise.withResolvers<Called>();
      waiting.set(++calls, answer);
      await client.send({ call: calls, method, args });
      return await answer.promise;
    },
    complaints: () => client.complaints(),
    async [Symbol.asyncDispose](): Promise<void> {
      await client[Symbol.asyncDispose]();
      await reading;
    },
  };
}

/** Hands answers out until the program ends; calls that wait then fail. */
async function readAnswers(
  client: ClientProcess,
  waiting: Map<number, PromiseWithResolvers<Called>>,
): Promise<void> {
  try {
    for (;;) {
      const { call, ...called } = await client.next();
      waiting.get(call)?.resolve(called);
      waiting.delete(call);
    }
  } catch (error) {
    for (const { reject } of waiting.values()) reject(error);
  }
}

function startUnderDeno(): ClientProcess {
  return startClient({
    command: Deno.execPath(),
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-config", "--no-lock"],
      ...["--allow-net=127.0.0.1", "--allow-env", program],
    ],
    cwd: ".",
    env: { SDK: `npm:@openpanel/sdk@${version}` },
  });
}

async function startUnderNode(): Promise<ClientProcess> {
  return startClient({
    command: "node",
    // Given as text, so that its imports are looked for in the working directory.
    args: ["--input-type=module", "--eval", await Deno.readTextFile(program)],
    cwd: await installNpm([`@openpanel/sdk@${version}`]),
    env: { SDK: "@openpanel/sdk" },
  });
}
