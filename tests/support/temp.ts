/**
 * Places on disk that a test has for itself.
 * @module
 */

/** A folder that is gone after the test. */
export interface TempDir extends AsyncDisposable {
  /** Absolute. */
  readonly path: string;
}

/** A new empty folder. */
export async function tempDir(): Promise<TempDir> {
  const path = await Deno.makeTempDir({ prefix: "weir-test-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/**
 * A file system of its own with room for `sizeBytes`, so that a disk can really be full.
 * Undefined where this user or machine may not mount one: the test then says that it could not run.
 *
 * @param sizeBytes Rounded up to whole pages by the kernel.
 */
export async function smallDisk(sizeBytes: number): Promise<TempDir | undefined> {
  const path = await Deno.makeTempDir({ prefix: "weir-disk-" });
  if (!await succeeds("mount", ["-t", "tmpfs", "-o", `size=${sizeBytes},mode=0700`, "tmpfs", path])) {
    await Deno.remove(path);
    return undefined;
  }
  return {
    path,
    async [Symbol.asyncDispose](): Promise<void> {
      // Lazy, because a process that is just going away may still hold a file open.
      if (!await succeeds("umount", ["--lazy", path])) {
        throw new Error(`Cannot unmount the small disk at ${path}`);
      }
      await Deno.remove(path);
    },
  };
}

async function succeeds(command: string, args: string[]): Promise<boolean> {
  try {
    const run = new Deno.Command(command, { args, stdin: "null", stdout: "null", stderr: "null" });
    return (await run.output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
