/**
 * The proxy before upstreams that speak TLS: whom it trusts, and what it says where it does not.
 */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { openRoutes } from "../../src/trpc/routes.ts";
import { loadText } from "../config/support.ts";
import { type Certificate, type CertificateOptions, makeCertificate } from "../support/certificate.ts";
import { startDaemon } from "../support/daemon.ts";
import { send } from "../support/http.ts";
import { tempDir } from "../support/temp.ts";
import { jsonReply, type RawPeer, startRawUpstream } from "../trpc/raw_upstream.ts";

const prefix = "/api/trpc";
const here = { addresses: ["127.0.0.1"] };

interface Answer {
  readonly status: number;
  readonly json: unknown;
}

/** Asks an upstream with this certificate, which this authority vouches for, `times` times through a daemon. */
async function ask(
  { certificate, trusted, times = 1, script = always(jsonReply(`{"result":{"data":1}}`)) }: {
    certificate: Certificate | undefined;
    trusted: Certificate | undefined;
    times?: number;
    script?: (peer: RawPeer) => Promise<void>;
  },
): Promise<{ answers: Answer[]; connections: number; log: string }> {
  await using dir = await tempDir();
  const caFile = join(dir.path, "ca.pem");
  if (trusted !== undefined) await Deno.writeTextFile(caFile, trusted.cert);
  await using upstream = startRawUpstream(script, { tls: certificate });
  const route = {
    prefix,
    upstream: upstream.origin.replace("http:", "https:"),
    ca_file: trusted === undefined ? "" : caFile,
  };
  await using daemon = await startDaemon({ config: { trpc: { routes: [route] } } });
  const answers: Answer[] = [];
  for (let i = 0; i < times; i++) {
    const { status, text } = await send(`${daemon.url}${prefix}/one`);
    answers.push({ status, json: JSON.parse(text) });
  }
  return { answers, connections: upstream.connections, log: JSON.stringify(daemon.logs()) };
}

function always(reply: string): (peer: RawPeer) => Promise<void> {
  return async (peer) => {
    while (await peer.nextRequest() !== undefined) await peer.write(reply);
  };
}

/** A server's certificate, vouched for by an authority. */
function vouchedFor(options: CertificateOptions): { authority: Certificate; certificate: Certificate } {
  const authority = makeCertificate("Authority", { isAuthority: true });
  return { authority, certificate: makeCertificate("upstream", { issuer: authority, ...options }) };
}

const refusal = {
  error: {
    message: "The tRPC server's certificate is not trusted, or it speaks no TLS",
    code: -32603,
    data: { code: "BAD_GATEWAY", httpStatus: 502, path: "one" },
  },
};

Deno.test("an upstream over TLS is asked where an authority in ca_file vouches for it, on a kept connection", async () => {
  const { authority, certificate } = vouchedFor(here);
  const { answers, connections } = await ask({ certificate, trusted: authority, times: 3 });
  const right = { status: 200, json: { result: { data: 1 } } };
  assertEquals(answers, [right, right, right]);
  assertEquals(connections, 1);
});

Deno.test("an upstream over TLS is asked where its own certificate stands in ca_file", async () => {
  const certificate = makeCertificate("alone", here);
  const { answers } = await ask({ certificate, trusted: certificate });
  assertEquals(answers[0].status, 200);
});

Deno.test("an upstream whose certificate nobody vouches for is 502, and the log says why", async () => {
  const { certificate } = vouchedFor(here);
  const stranger = makeCertificate("Stranger", { isAuthority: true });
  for (const trusted of [undefined, stranger]) {
    const { answers, log } = await ask({ certificate, trusted });
    assertEquals(answers, [{ status: 502, json: refusal }]);
    assertStringIncludes(log, "upstream_untrusted");
    assertStringIncludes(log, "UnknownIssuer");
  }
});

Deno.test("an upstream is 502 whose certificate is for another address, or has expired", async () => {
  const wrong: CertificateOptions[] = [
    { addresses: ["127.0.0.2"] },
    { hosts: ["localhost"] },
    { ...here, lastYear: 2021 },
  ];
  for (const options of wrong) {
    const { authority, certificate } = vouchedFor(options);
    const { answers } = await ask({ certificate, trusted: authority });
    assertEquals(answers, [{ status: 502, json: refusal }], JSON.stringify(options));
  }
});

Deno.test("an upstream is 502 that speaks no TLS at an https address", async () => {
  const script = async (peer: RawPeer): Promise<void> => {
    await peer.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    peer.close();
  };
  const { answers } = await ask({ certificate: undefined, trusted: undefined, script });
  assertEquals(answers, [{ status: 502, json: refusal }]);
});

Deno.test("a reply over TLS that is cut in its head is 502, and no matter of trust", async () => {
  const { authority, certificate } = vouchedFor(here);
  const script = async (peer: RawPeer): Promise<void> => {
    await peer.nextRequest();
    await peer.write("HTTP/1.1 200 OK\r\ncontent-");
    peer.close();
  };
  const { answers, log } = await ask({ certificate, trusted: authority, script });
  assertEquals(answers[0].status, 502);
  assert(!log.includes("upstream_untrusted"));
  assertStringIncludes(log, "upstream_failed");
});

Deno.test("openRoutes() refuses a ca_file that is not there, or holds no certificate", async () => {
  await using dir = await tempDir();
  const path = join(dir.path, "ca.pem");
  const open = (): Promise<unknown> => {
    const route = { prefix, upstream: "https://127.0.0.1", ca_file: path };
    const { config } = loadText(JSON.stringify({ trpc: { routes: [route] } }));
    return Promise.resolve().then(() => openRoutes(config.trpc.routes));
  };
  const wanted = `Cannot start: ca_file of the route ${prefix} must be a PEM file with certificates`;
  await assertRejects(open, Error, wanted);
  await Deno.writeTextFile(path, "no certificate");
  await assertRejects(open, Error, wanted);
});
