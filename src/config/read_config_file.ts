/**
 * Reads a configuration file from disk, at most as much of it as can be one.
 * @module
 */

/** A configuration file is no larger than this, in bytes. */
export const maxConfigFileBytes = 1024 * 1024;

/**
 * The file's bytes, or its first {@link maxConfigFileBytes} and one more, which shows that it is too large. Pipes and
 * devices that never end are read no further either.
 *
 * @throws Deno.errors.NotFound and its like, as the system says
 */
export function readConfigFile(path: string): Uint8Array {
  using file = Deno.openSync(path, { read: true });
  const buffer = new Uint8Array(maxConfigFileBytes + 1);
  let length = 0;
  while (length < buffer.length) {
    const read = file.readSync(buffer.subarray(length));
    if (read === null) break;
    length += read;
  }
  return buffer.subarray(0, length);
}
