/**
 * Published clients, installed as a user would, for tests that run them under Node.
 * @module
 */

/**
 * Installs packages with npm, without running their scripts, and keeps them between runs.
 *
 * @param packages Pinned, such as `["repro-nest@0.0.222"]`.
 * @returns The folder that holds their `node_modules`; scripts placed anywhere below it can import them.
 * @throws Error when a package is not pinned exactly, or npm fails
 */
export async function installNpm(packages: string[]): Promise<string> {
  for (const name of packages) {
    if (!/^(@[^/@]+\/)?[^/@]+@\d+\.\d+\.\d+[\w.-]*$/.test(name)) {
      throw new Error(`Cannot install ${name}: the version must be exact, such as name@1.2.3`);
    }
  }
  const key = [...packages].sort().join("+").replace(/[^A-Za-z0-9.@+-]/g, "_");
  const base = `${systemTempDir()}/weir-npm`;
  const folder = `${base}/${key}`;
  if (await exists(folder)) return folder;
  await Deno.mkdir(base, { recursive: true });
  // Installed beside, renamed when whole: neither a cut run nor one beside this one leaves half a folder.
  const draft = await Deno.makeTempDir({ dir: base, prefix: "draft-" });
  try {
    await Deno.writeTextFile(`${draft}/package.json`, `{"private":true}\n`);
    await run("npm", [
      "install",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--prefix",
      draft,
      ...packages,
    ]);
    await Deno.rename(draft, folder);
  } catch (error) {
    await Deno.remove(draft, { recursive: true });
    if (!await exists(folder)) throw error;
  }
  return folder;
}

/** What a script printed. */
export interface NodeRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How {@link runNode} runs. */
export interface NodeOptions {
  /** The folder from {@link installNpm}. */
  packages: string;
  env?: Record<string, string>;
  /** @default 60_000 */
  timeoutMs?: number;
}

/** Runs a script (ES module text) under Node, so that its imports find the installed packages. */
export async function runNode(script: string, options: NodeOptions): Promise<NodeRun> {
  const child = new Deno.Command("node", {
    args: ["--input-type=module"],
    cwd: options.packages,
    env: options.env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(options.timeoutMs ?? 60_000),
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const { code, stdout, stderr } = await output;
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

function systemTempDir(): string {
  return (Deno.env.get("TMPDIR") ?? "/tmp").replace(/\/$/, "");
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function run(command: string, args: string[]): Promise<void> {
  const child = new Deno.Command(command, { args, stdin: "null", stdout: "piped", stderr: "piped" });
  const { success, stderr } = await child.output();
  if (!success) {
    throw new Error(`Cannot run ${command} ${args[0]}: ${new TextDecoder().decode(stderr).trim()}`);
  }
}
