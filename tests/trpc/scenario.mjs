// deno-lint-ignore-file explicit-function-return-type -- plain JavaScript, so that Node runs it, has no types
// What a program with a real tRPC client does, the same for every version, link and server. Runs under Deno and Node;
// the libraries are handed in.

/** A client over one link, with a `fetch` that keeps what it sent and which cookies came. */
function makeClient({ lib, superjson, version, link, transformer, url }) {
  const sent = [];
  const cookies = [];
  const statuses = [];
  const keepingFetch = async (address, init) => {
    const { pathname, search } = new URL(address);
    sent.push({ method: init?.method ?? "GET", address: pathname + search, body: init?.body ?? "" });
    const response = await fetch(address, init);
    cookies.push(...response.headers.getSetCookie());
    statuses.push(response.status);
    return response;
  };
  const isSuperjson = transformer === "superjson";
  const makeLink = version === 10 && link === "httpBatchStreamLink"
    ? lib.unstable_httpBatchStreamLink
    : lib[link];
  const options = {
    url,
    fetch: keepingFetch,
    ...(isSuperjson && version === 11 ? { transformer: superjson } : {}),
  };
  const create = lib.createTRPCProxyClient ?? lib.createTRPCClient;
  const client = create({
    links: [makeLink(options)],
    ...(isSuperjson && version === 10 ? { transformer: superjson } : {}),
  });
  return { client, sent, cookies, statuses };
}

/** Runs all calls, and gives what came of them as JSON would. */
export async function runScenario(job) {
  const { client, sent, cookies, statuses } = makeClient(job);
  const settled = async (promises) =>
    (await Promise.allSettled(promises)).map((one) =>
      one.status === "fulfilled"
        ? { value: one.value }
        : { code: one.reason.data?.code ?? String(one.reason.message) }
    );
  const results = {
    login: await settled([client.login.mutate({ username: "m", password: "correct horse" })]),
    wrongPassword: await settled([client.login.mutate({ username: "m", password: "guess" })]),
    together: await settled([client.echo.mutate({ a: 1 }), client.echoToo.mutate([1, { "b,c": "ü" }])]),
    scalars: await settled(["s", 1, null, true].map((input) => client.echo.mutate(input))),
    nothing: await settled([client.nothing.mutate()]),
    sparse: await settled([client.nothing.mutate(), client.echo.mutate(7), client.permissive.mutate()]),
    likeAnEnvelope: await settled([
      client.wrapped.mutate({ input: { a: 1 } }),
      client.echo.mutate({ input: 1 }),
    ]),
    queries: await settled([client.list.query(), client.find.query({ id: 3 }), client.me.query()]),
    oneQuery: await settled([client.me.query()]),
    mixed: await settled([client.echo.mutate("fine"), client.fail.mutate(1)]),
    invalid: await settled([client.find.query({ id: "x" })]),
    unknown: await settled([client.noSuchThing.query()]),
  };
  if (job.transformer === "superjson") {
    results.date = await settled([client.when.mutate({ at: new Date(1e12) })]);
    results.rich = await settled([client.echo.mutate({ set: new Set([1]), big: 12345678901234567890n })]);
    results.rich = results.rich.map(({ value }) => [...value.set, String(value.big)]);
  }
  return { results: JSON.parse(JSON.stringify(results)), sent, cookies, statuses: [...statuses] };
}
