import { assert, assertEquals } from "@std/assert";
import { pageColumns, readPage } from "../../../src/dialects/track/page.ts";

const none = { path: "", origin: "", query: "", hash: "", referrer: "" };

Deno.test("readPage() takes an absolute URL apart and keeps everything else as it is", () => {
  const cases: [unknown, Partial<typeof none>][] = [
    [
      "https://Shop.Example/a/b?x=1&y=é#top",
      { path: "/a/b", origin: "https://shop.example", query: "?x=1&y=%C3%A9", hash: "#top" },
    ],
    ["https://shop.example", { path: "/", origin: "https://shop.example" }],
    ["http://localhost:3000/x", { path: "/x", origin: "http://localhost:3000" }],
    ["app://home/settings?tab=1", { path: "/settings", origin: "app://home", query: "?tab=1" }],
    ["file:///C:/index.html", { path: "/C:/index.html", origin: "file://" }],
    ["/pricing?plan=a#faq", { path: "/pricing?plan=a#faq" }],
    ["Home screen", { path: "Home screen" }],
    ["shop.example/a", { path: "shop.example/a" }],
    ["https://", { path: "https://" }],
    ["http://a b/c", { path: "http://a b/c" }],
    ["javascript:alert(1)", { path: "javascript:alert(1)" }],
    ["", {}],
    [undefined, {}],
    [null, {}],
    [7, {}],
    [{ path: "/" }, {}],
  ];
  for (const [sent, page] of cases) {
    assertEquals(readPage(sent, undefined), { ...none, ...page }, String(sent));
  }
});

Deno.test("readPage() drops a referrer on the page's own host, and slashes at the end of others", () => {
  const page = "https://shop.example/a";
  const cases: [unknown, unknown, string][] = [
    [page, "https://google.com/", "https://google.com"],
    [page, "https://google.com/search?q=x", "https://google.com/search?q=x"],
    [page, "https://google.com///", "https://google.com"],
    [page, "https://shop.example/b", ""],
    [page, "http://shop.example:8080/b", ""],
    [page, "HTTPS://SHOP.EXAMPLE", ""],
    [page, "https://www.shop.example/b", "https://www.shop.example/b"],
    [page, "no url", "no url"],
    ["/a", "https://shop.example/b", "https://shop.example/b"],
    [undefined, "https://google.com/", "https://google.com"],
    [page, "", ""],
    [page, "///", ""],
    [page, 7, ""],
    [page, null, ""],
  ];
  for (const [path, referrer, kept] of cases) assertEquals(readPage(path, referrer).referrer, kept);
});

Deno.test("pageColumns() names what is known, each with a leading comma", () => {
  assertEquals(pageColumns(undefined, undefined), "");
  assertEquals(pageColumns(7, null), "");
  const columns = pageColumns('https://a.example/"b"?c#d', 'r"');
  assertEquals(JSON.parse(`{"first":1${columns}}`), {
    first: 1,
    path: "/%22b%22",
    origin: "https://a.example",
    query: "?c",
    hash: "#d",
    referrer: 'r"',
  });
});

Deno.test("readPage() is quick for a hostile page", () => {
  const start = performance.now();
  for (const piece of ["/", "a", "https://", "//x", "%", "?"]) {
    const text = piece.repeat(400_000) + "x";
    readPage(text, text);
    readPage("https://shop.example/" + text, text);
  }
  assert(performance.now() - start < 2_000, `${performance.now() - start} ms`);
});
