/**
 * How an arm tells where it listens: one line of JSON on standard output.
 * @module
 */

/** Says that this server takes requests now. */
export function announce(address: Deno.NetAddr): void {
  const url = `http://${address.hostname}:${address.port}`;
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ url }) + "\n"));
}
