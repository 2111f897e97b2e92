/**
 * A project of Playwright that needs no browser, run by the published test runner.
 * @module
 */

import { installNpm } from "../support/npm_client.ts";
import { installPackage } from "../support/packed_package.ts";

const packages = ["@playwright/test@1.65.1"];

/** A folder with tests. Disposing of it removes it. */
export interface PlaywrightProject extends AsyncDisposable {
  readonly folder: string;
}

/** How one run goes. */
export interface PlaywrightRun {
  /** Options of the reporter. */
  readonly reporter?: Record<string, unknown>;
  /** Members of the configuration besides the reporter. */
  readonly config?: Record<string, unknown>;
  /** After `playwright test`. */
  readonly args?: string[];
  readonly env?: Record<string, string>;
  /** Leave our reporter out. */
  readonly withoutReporter?: boolean;
}

/** What a run printed. */
export interface PlaywrightEnd {
  readonly code: number;
  readonly output: string;
  readonly durationMs: number;
}

/** Installs the runner and our client, and writes the tests. @param specs Text by file name. */
export async function createProject(specs: Record<string, string>): Promise<PlaywrightProject> {
  const base = await installNpm(packages);
  // Below the installed packages, so that the tests find them.
  const folder = await Deno.makeTempDir({ dir: base, prefix: "project-" });
  await installPackage(folder);
  await Deno.writeTextFile(`${folder}/package.json`, `{"type":"module","private":true}\n`);
  for (const [name, text] of Object.entries(specs)) await Deno.writeTextFile(`${folder}/${name}`, text);
  return {
    folder,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

let runs = 0;

/** Runs the tests to their end. */
export async function runPlaywright(
  { folder }: PlaywrightProject,
  { reporter = {}, config = {}, args = [], env = {}, withoutReporter = false }: PlaywrightRun,
): Promise<PlaywrightEnd> {
  const file = `${folder}/run-${runs++}.config.js`;
  const reporters = [["null"], ...(withoutReporter ? [] : [["weir/playwright-reporter", reporter]])];
  const whole = { testDir: ".", workers: 2, outputDir: `${file}.out`, ...config, reporter: reporters };
  await Deno.writeTextFile(file, `export default ${JSON.stringify(whole)};\n`);
  const started = performance.now();
  const { code, stdout, stderr } = await new Deno.Command("node", {
    args: [`${folder}/../node_modules/@playwright/test/cli.js`, "test", "--config", file, ...args],
    cwd: folder,
    env: { CI: "1", FORCE_COLOR: "0", ...env },
    stdin: "null",
  }).output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return { code, output, durationMs: performance.now() - started };
}

/** Requests that the reporter says it made. */
export function requestsIn({ output }: PlaywrightEnd): number {
  return Number(/events in (\d+) requests/.exec(output)?.[1] ?? NaN);
}
