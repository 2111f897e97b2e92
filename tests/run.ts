/**
 * `deno task test`: sees to the programs that tests need, then runs the tests with the permissions they need and no more.
 * Everything after the task's name goes to `deno test`; `--soak` runs the long variants.
 * @module
 */

/** Loopback only: no test may need anything else. Tests start daemons, Redis, npm and mount, hence --allow-run. */
const permissions = [
  "--no-prompt",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-run",
  "--allow-sys",
  "--allow-net=127.0.0.1,localhost,[::1]",
];

/** Programs that tests run besides Deno, Node and what every system has, with their Debian packages. */
const programs = [
  { command: "redis-server", packageName: "redis-server" },
  { command: "curl", packageName: "curl" },
];

const servicePolicy = "/usr/sbin/policy-rc.d";

if (import.meta.main) Deno.exitCode = await runTests(Deno.args);

/** Runs the tests and returns the exit code of `deno test`; 1 where a program is missing and cannot be had. */
async function runTests(args: string[]): Promise<number> {
  const problem = await ensurePrograms();
  if (problem !== undefined) {
    say(problem);
    return 1;
  }
  const soak = args.includes("--soak");
  const rest = args.filter((arg) => arg !== "--soak");
  // Deno may have come through npx and not be on PATH.
  const tests = new Deno.Command(Deno.execPath(), {
    args: ["test", ...permissions, ...rest],
    cwd: new URL("..", import.meta.url).pathname,
    env: soak ? { SOAK: "1" } : {},
  });
  return (await tests.spawn().status).code;
}

/** Installs what is missing where this user may; else says what to do. */
async function ensurePrograms(): Promise<string | undefined> {
  let missing = await missingPackages();
  if (missing.length === 0) return undefined;
  const byHand = `install ${missing.join(" and ")} (macOS: brew install redis) and run this again`;
  if (!await succeeds("apt-get", ["--version"])) return `Cannot run the tests: ${byHand}`;
  if (!await isRoot()) return `Cannot run the tests, and cannot install packages without root: ${byHand}`;
  say(`Installing ${missing.join(" and ")} with apt-get`);
  const release = await keepServicesStopped();
  try {
    await succeeds("apt-get", ["update"]);
    await succeeds("apt-get", ["install", "--yes", "--no-install-recommends", ...missing]);
  } finally {
    await release();
  }
  missing = await missingPackages();
  return missing.length === 0 ? undefined : `Cannot install with apt-get (its output is above): ${byHand}`;
}

async function missingPackages(): Promise<string[]> {
  const missing: string[] = [];
  for (const { command, packageName } of programs) {
    if (!await succeeds(command, ["--version"])) missing.push(packageName);
  }
  return missing;
}

/** Keeps apt from starting the system's Redis, which no test uses; the result takes that back. */
async function keepServicesStopped(): Promise<() => Promise<void>> {
  try {
    await Deno.writeTextFile(servicePolicy, "#!/bin/sh\nexit 101\n", { createNew: true, mode: 0o755 });
  } catch (error) {
    // The machine has a policy of its own: it stays.
    if (error instanceof Deno.errors.AlreadyExists) return () => Promise.resolve();
    throw error;
  }
  return () => Deno.remove(servicePolicy);
}

async function isRoot(): Promise<boolean> {
  const { stdout } = await new Deno.Command("id", { args: ["-u"] }).output();
  return new TextDecoder().decode(stdout).trim() === "0";
}

/** Runs a command; what it prints is shown only when it fails. */
async function succeeds(command: string, args: string[]): Promise<boolean> {
  try {
    const run = new Deno.Command(command, {
      args,
      env: { DEBIAN_FRONTEND: "noninteractive" },
      stdin: "null",
    });
    const { success, stdout, stderr } = await run.output();
    if (!success) [stdout, stderr].forEach((text) => say(new TextDecoder().decode(text).trimEnd()));
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function say(text: string): void {
  if (text !== "") Deno.stderr.writeSync(new TextEncoder().encode(text + "\n"));
}
