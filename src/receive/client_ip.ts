/**
 * The client's address, from headers of proxies that are trusted (contract `track`, 1.1 and Decision 12).
 * @module
 */

import { BlockList, isIP, isIPv4 } from "node:net";

/** Headers that may name the client, in the order in which they are believed. */
export const clientIpHeaders = [
  "openpanel-client-ip",
  "true-client-ip",
  "x-client-ip",
  "cf-connecting-ip",
  "x-forwarded-for",
  "x-real-ip",
  "fastly-client-ip",
  "x-cluster-client-ip",
  "x-appengine-user-ip",
  "do-connecting-ip",
  "x-nf-client-connection-ip",
  "x-forwarded",
  "forwarded",
] as const;

const notPublic = blockList([
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "::/128",
  "::1/128",
  "fc00::/7",
  "fe80::/10",
]);

/** A set of addresses, from CIDR texts. */
export function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address, prefix] = range.split("/");
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    list.addSubnet(address, Number(prefix ?? (family === "ipv4" ? 32 : 128)), family);
  }
  return list;
}

/** Is the address in the set? What is no address is in none. */
export function isListed(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 4 ? "ipv4" : "ipv6");
}

/** How many addresses are remembered. */
const maxKnown = 1_000;

/** The proxies whose headers are believed. */
export class TrustedProxies {
  readonly #list: BlockList;
  readonly #known = new Map<string, boolean>();

  /** @param ranges Addresses and ranges, such as `127.0.0.0/8`. */
  constructor(readonly ranges: readonly string[]) {
    this.#list = blockList(ranges);
  }

  /** Is this one of them? */
  has(address: string): boolean {
    let known = this.#known.get(address);
    if (known === undefined) {
      known = isListed(this.#list, address);
      if (this.#known.size >= maxKnown) this.#known.clear();
      this.#known.set(address, known);
    }
    return known;
  }
}

/**
 * The first valid public address that a trusted proxy names; "" when there is none. The socket's own address is
 * never the client's: behind a sidecar it is always loopback.
 */
export function clientIp(headers: Headers, remote: string, trusted: TrustedProxies): string {
  if (!trusted.has(remote)) return "";
  for (const name of clientIpHeaders) {
    const value = headers.get(name);
    if (value === null) continue;
    const address = addressIn(name, value);
    if (isPublic(address)) return address;
  }
  return "";
}

/** An address with a zone (`fe80::1%eth0`) means something only on its own link. */
function isPublic(address: string): boolean {
  return isIP(address) !== 0 && !address.includes("%") && !isListed(notPublic, address);
}

function addressIn(name: string, value: string): string {
  if (name === "forwarded") {
    const match = /(?:^|[;,\s])for="?(?:\[([^\]]+)\]|([^;,"\s]+))/i.exec(value);
    return stripPort(match?.[1] ?? match?.[2] ?? "");
  }
  return stripPort(value.split(",", 1)[0].trim());
}

function stripPort(text: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(text);
  if (bracketed) return bracketed[1];
  const withPort = /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text);
  return withPort ? withPort[1] : text;
}
