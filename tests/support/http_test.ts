import { assertEquals } from "@std/assert";
import { openRaw, requestHead, send } from "./http.ts";

interface Echo extends AsyncDisposable {
  readonly url: string;
}

function startEcho(): Echo {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const text = await request.text();
    const streamed = request.headers.get("x-stream") === "yes";
    const body = streamed ? new Response(`${request.method} ${text}`).body : `${request.method} ${text}`;
    return new Response(body, {
      status: 202,
      headers: { "x-type": request.headers.get("content-type") ?? "" },
    });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/a?b=c`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("send() sends values as JSON and texts as they are", async () => {
  await using echo = startEcho();
  const value = await send(echo.url, { a: "é" });
  assertEquals([value.status, value.text, value.headers.get("x-type")], [
    202,
    'POST {"a":"é"}',
    "application/json",
  ]);
  const text = await send(echo.url, "x", { method: "PUT", headers: { "content-type": "text/plain" } });
  assertEquals([text.text, text.headers.get("x-type")], ["PUT x", "text/plain"]);
  assertEquals((await send(echo.url)).text, "GET ");
});

Deno.test("openRaw() reads replies with a length and chunked ones, one after the other", async () => {
  await using echo = startEcho();
  using raw = await openRaw(echo.url);
  await raw.write(requestHead(echo.url, 3) + "é1");
  assertEquals((await raw.readReply())?.text, "POST é1");
  await raw.write(requestHead(echo.url, undefined, { "x-stream": "yes" }) + "1\r\na\r\n0\r\n\r\n");
  assertEquals((await raw.readReply())?.text, "POST a");
});
