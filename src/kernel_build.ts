/**
 * Compiles the kernels, which are written in AssemblyScript, each to a module beside its loader:
 *
 *     deno run --no-lock --allow-read --allow-write --allow-env src/kernel_build.ts
 *
 * @module
 */

import { createHash } from "node:crypto";

/** One kernel. */
interface KernelPlan {
  /** Its sources and what they become lie in here, below `src`. */
  readonly folder: string;
  /** Of the module that is written: `<name>_wasm.ts`. */
  readonly name: string;
  /** The first one is what the loader sees. */
  readonly sources: readonly string[];
  /** Memory, in pages of 64 KiB. */
  readonly pages: number;
}

/** All kernels. */
export const kernelPlans = {
  rowShapes: { folder: "parse", name: "row_shapes", sources: ["row_shapes.as"], pages: 4 },
  blockScan: { folder: "parse", name: "block_scan", sources: ["block_scan.as"], pages: 6 },
  event: {
    folder: "dialects/track",
    name: "event_kernel",
    sources: ["main", "layout", "reader", "page", "time", "tables", "copy"].map((name) =>
      `kernel/${name}.as`
    ),
    pages: 40,
  },
  row: { folder: "dialects/trace_files", name: "row_kernel", sources: ["row_kernel.as"], pages: 13 },
} as const satisfies Record<string, KernelPlan>;

/** The part of the compiler that is used here. */
interface Compiler {
  main(args: string[], files: {
    readFile(name: string): string | null;
    writeFile(name: string, content: Uint8Array): void;
    listFiles(): string[];
  }): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}

// Not a literal, so that only who changes a kernel downloads the compiler.
const compilerName = ["npm:assemblyscript", "0.28.9/asc"].join("@");

/** What the sources of a kernel are recognised by in the compiled module. */
export async function sourceHash(plan: KernelPlan): Promise<string> {
  const hash = createHash("sha256");
  for (const source of plan.sources) hash.update(await Deno.readTextFile(urlOf(plan, source)));
  return hash.digest("hex");
}

async function build(plan: KernelPlan): Promise<void> {
  const { default: compiler } = await import(compilerName) as { default: Compiler };
  const files = new Map<string, string>();
  for (const source of plan.sources) {
    files.set(
      `${source.replace(/^.*\//, "").replace(/\.as$/, "")}.ts`,
      await Deno.readTextFile(urlOf(plan, source)),
    );
  }
  let wasm = new Uint8Array(0);
  const [main] = files.keys();
  const memory = `--initialMemory ${plan.pages} --maximumMemory ${plan.pages}`;
  const args = `${main} --outFile kernel.wasm --runtime stub -O3 --noAssert --enable simd ${memory}`;
  const { error, stderr } = await compiler.main(args.split(" "), {
    readFile: (name) => files.get(name) ?? null,
    writeFile: (_name, content) => void (wasm = new Uint8Array(content)),
    listFiles: () => [],
  });
  if (error) throw new Error(`Cannot compile ${plan.name}: ${stderr}`, { cause: error });
  await Deno.writeTextFile(
    urlOf(plan, `${plan.name}_wasm.ts`),
    moduleText(plan, wasm, await sourceHash(plan)),
  );
}

function moduleText({ name, sources }: KernelPlan, wasm: Uint8Array, hash: string): string {
  const constant = name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return [
    "/**",
    ` * Written by kernel_build.ts: ${sources[0]}, compiled.`,
    " * @module",
    " */",
    "",
    "/** SHA-256 of the sources. */",
    `export const ${constant}Source = "${hash}";`,
    "",
    "/** The module, as base64. */",
    `export const ${constant}Wasm = [`,
    ...wasm.toBase64().match(/.{1,100}/g)!.map((line) => `  "${line}",`),
    '].join("");',
    "",
  ].join("\n");
}

function urlOf({ folder }: KernelPlan, name: string): URL {
  return new URL(`${folder}/${name}`, import.meta.url);
}

if (import.meta.main) { for (const plan of Object.values(kernelPlans)) await build(plan); }
