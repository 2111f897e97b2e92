/**
 * A plain proxy: what one writes in 20 lines. The upstream's address is the argument.
 * @module
 */

import { announce } from "./announce.ts";

const [upstream] = Deno.args;

Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: announce }, (request) => {
  const { pathname, search } = new URL(request.url);
  return fetch(upstream + pathname + search, {
    method: request.method,
    headers: request.headers,
    body: request.body,
    redirect: "manual",
  });
});
