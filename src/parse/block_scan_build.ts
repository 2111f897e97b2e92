/**
 * Compiles block_scan.as to block_scan_wasm.ts:
 *
 *     deno run --no-lock --allow-read --allow-write --allow-env src/parse/block_scan_build.ts
 *
 * @module
 */

import { createHash } from "node:crypto";

/** The part of the compiler that is used here. */
interface Compiler {
  main(args: string[], files: {
    readFile(name: string): string | null;
    writeFile(name: string, content: Uint8Array): void;
    listFiles(): string[];
  }): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}

// Not a literal, so that only who changes the kernel downloads the compiler.
const compilerName = ["npm:assemblyscript", "0.28.9/asc"].join("@");

/** What the source is recognised by in the compiled module. */
export function sourceHash(source: string): string {
  return createHash("sha256").update(source).digest("hex");
}

async function build(): Promise<void> {
  const { default: compiler } = await import(compilerName) as { default: Compiler };
  const source = await Deno.readTextFile(new URL("block_scan.as", import.meta.url));
  let wasm = new Uint8Array(0);
  const args = "scan.ts --outFile scan.wasm --runtime stub -O3 --noAssert --enable simd --initialMemory 6";
  const { error, stderr } = await compiler.main(args.split(" "), {
    readFile: (name) => name === "scan.ts" ? source : null,
    writeFile: (_name, content) => void (wasm = new Uint8Array(content)),
    listFiles: () => [],
  });
  if (error) throw new Error(`Cannot compile block_scan.as: ${stderr}`, { cause: error });
  const lines = wasm.toBase64().match(/.{1,100}/g)!.map((line) => `  "${line}",`);
  await Deno.writeTextFile(
    new URL("block_scan_wasm.ts", import.meta.url),
    [
      "/**",
      " * Written by block_scan_build.ts: block_scan.as, compiled.",
      " * @module",
      " */",
      "",
      "/** SHA-256 of the source. */",
      `export const blockScanSource = "${sourceHash(source)}";`,
      "",
      "/** The module, as base64. */",
      "export const blockScanWasm = [",
      ...lines,
      '].join("");',
      "",
    ].join("\n"),
  );
}

if (import.meta.main) await build();
