import { assertEquals } from "@std/assert";
import { clientIp, clientIpHeaders, TrustedProxies } from "../../src/receive/client_ip.ts";

const loopback = new TrustedProxies(["127.0.0.0/8", "::1/128"]);

function ipOf(headers: Record<string, string>, remote = "127.0.0.1", trusted = loopback): string {
  return clientIp(new Headers(headers), remote, trusted);
}

/** A value of this header that names the address. */
function naming(header: string, address: string): string {
  return header === "forwarded" ? `for=${address.includes(":") ? `"[${address}]"` : address}` : address;
}

Deno.test("clientIp() reads every header of the contract, in its order", () => {
  assertEquals(clientIpHeaders, [
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
  ]);
  const all = Object.fromEntries(
    clientIpHeaders.map((name, i) => [name, naming(name, `203.0.113.${i + 1}`)]),
  );
  for (const [i, name] of clientIpHeaders.entries()) {
    assertEquals(ipOf({ [name]: naming(name, "203.0.113.9") }), "203.0.113.9", name);
    assertEquals(ipOf({ [name]: naming(name, "2001:db8::9") }), "2001:db8::9", name);
    assertEquals(ipOf(all), `203.0.113.${i + 1}`, "the first that is there");
    delete all[name];
  }
  assertEquals(ipOf({}), "");
});

Deno.test("clientIp() goes on past addresses that are not public, and past what is none", () => {
  const skipped = [
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "127.0.0.1",
    "169.254.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "::",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "0:0:0:0:0:0:0:1",
    "unknown",
    "_hidden",
    "",
    "999.1.1.1",
    "1.2.3",
    "010.0.0.1",
    "0x7f.0.0.1",
    "203.0.113.9 8.8.8.8",
    "203.0.113.9/24",
    "example.com",
    "<script>",
    "x".repeat(5_000),
  ];
  for (const address of skipped) {
    assertEquals(ipOf({ "true-client-ip": address, "x-real-ip": "198.51.100.7" }), "198.51.100.7", address);
    assertEquals(ipOf({ "true-client-ip": address }), "", address);
  }
  for (
    const address of ["172.15.255.255", "172.32.0.1", "192.169.0.1", "100.128.0.1", "11.0.0.1", "fec0::1"]
  ) {
    assertEquals(ipOf({ "true-client-ip": address }), address);
  }
});

Deno.test("clientIp() takes the first element of a list, and leaves ports and brackets off", () => {
  const cases: [string, string][] = [
    ["203.0.113.9, 10.0.0.1, 198.51.100.7", "203.0.113.9"],
    ["  203.0.113.9  ,10.0.0.1", "203.0.113.9"],
    ["10.0.0.1, 203.0.113.9", ""],
    ["203.0.113.9:51234", "203.0.113.9"],
    ["[2001:db8::9]:51234", "2001:db8::9"],
    ["[2001:db8::9]", "2001:db8::9"],
    ["2001:db8::9", "2001:db8::9"],
    [",203.0.113.9", ""],
    ["203.0.113.9:port", ""],
  ];
  for (const [sent, address] of cases) assertEquals(ipOf({ "x-forwarded-for": sent }), address, sent);
});

Deno.test("clientIp() reads for= of Forwarded as RFC 7239 writes it", () => {
  const cases: [string, string][] = [
    ["for=203.0.113.9", "203.0.113.9"],
    ["For=203.0.113.9;proto=http;by=10.0.0.1", "203.0.113.9"],
    ["by=10.0.0.1; for=203.0.113.9", "203.0.113.9"],
    ['for="203.0.113.9:4711"', "203.0.113.9"],
    ['for="[2001:db8::9]"', "2001:db8::9"],
    ['for="[2001:db8::9]:4711", for=198.51.100.7', "2001:db8::9"],
    ["for=unknown", ""],
    ["for=_gazonk", ""],
    ["xfor=203.0.113.9", ""],
    ["203.0.113.9", ""],
    ["for=", ""],
  ];
  for (const [sent, address] of cases) assertEquals(ipOf({ forwarded: sent }), address, sent);
});

Deno.test("clientIp() believes nobody but trusted proxies, and never names the socket", () => {
  const headers = { "openpanel-client-ip": "203.0.113.9" };
  for (const remote of ["198.51.100.7", "10.0.0.1", "2001:db8::1", "", "localhost", "::2"]) {
    assertEquals(ipOf(headers, remote), "", remote);
  }
  for (const remote of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]) {
    assertEquals(ipOf(headers, remote), "203.0.113.9", remote);
  }
  const lan = new TrustedProxies(["10.0.0.0/8", "192.0.2.1", "2001:db8:1::/48"]);
  for (const remote of ["10.200.0.1", "192.0.2.1", "2001:db8:1::7"]) {
    assertEquals(ipOf(headers, remote, lan), "203.0.113.9", remote);
  }
  for (const remote of ["127.0.0.1", "192.0.2.2", "2001:db8:2::7"]) {
    assertEquals(ipOf(headers, remote, lan), "");
  }
  assertEquals(ipOf(headers, "127.0.0.1", new TrustedProxies([])), "");
  assertEquals(ipOf({}, "203.0.113.9", new TrustedProxies(["0.0.0.0/0"])), "");
});

Deno.test("TrustedProxies answers the same for more addresses than it remembers", () => {
  for (let i = 0; i < 3_000; i++) {
    assertEquals(loopback.has(`127.0.${i >> 8}.${i & 255}`), true);
    assertEquals(loopback.has(`198.51.${i >> 8}.${i & 255}`), false);
  }
  assertEquals(loopback.has("127.0.0.1"), true);
});
