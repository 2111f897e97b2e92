/**
 * `deno task proto`: makes the message types of dialect `test_events` from the .proto files beside this one, with buf
 * and protoc-gen-es from npm. `--check` says whether they are what the files say.
 * @module
 */

import { filesBelow } from "../tests/support/parts.ts";
import { installNpm } from "../tests/support/npm_client.ts";

const packages = ["@bufbuild/buf@1.75.0", "@bufbuild/protoc-gen-es@2.17.0"];
const source = new URL("./", import.meta.url).pathname.slice(0, -1);
const target = new URL("../src/dialects/test_events/messages", import.meta.url).pathname;

if (import.meta.main) Deno.exitCode = await generate(Deno.args.includes("--check"));

/** Writes the files, or with `check` says which ones differ; the exit code. */
export async function generate(check: boolean): Promise<number> {
  const tools = await installNpm(packages);
  const folder = await Deno.makeTempDir();
  try {
    const plugin = `${tools}/node_modules/.bin/protoc-gen-es`;
    const template = {
      version: "v2",
      plugins: [{ local: plugin, out: folder, opt: ["target=ts", "import_extension=ts"] }],
    };
    await run(`${tools}/node_modules/.bin/buf`, ["generate", source, "--template", JSON.stringify(template)]);
    await run(Deno.execPath(), ["fmt", "--quiet", "--line-width", "110", folder]);
    return check ? await compare(folder) : await replace(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function replace(folder: string): Promise<number> {
  for (const file of await filesBelow(folder, "testsystem")) {
    await Deno.mkdir(`${target}/${file}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.copyFile(`${folder}/${file}`, `${target}/${file}`);
  }
  return 0;
}

async function compare(folder: string): Promise<number> {
  let code = 0;
  for (const file of await filesBelow(folder, "testsystem")) {
    const made = await Deno.readTextFile(`${folder}/${file}`);
    const kept = await Deno.readTextFile(`${target}/${file}`).catch(() => undefined);
    if (made === kept) continue;
    Deno.stderr.writeSync(new TextEncoder().encode(`${file} is not what proto/ says: deno task proto\n`));
    code = 1;
  }
  return code;
}

async function run(command: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  if (!success) throw new Error(`Cannot generate: ${command}: ${new TextDecoder().decode(stderr)}`);
}
