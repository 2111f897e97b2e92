import { assertEquals } from "@std/assert";
import { pageColumns } from "../../../src/dialects/track/page.ts";
import { campaignReferrer, referrerOf } from "../../../src/dialects/track/referrers.ts";

Deno.test("referrerOf() knows sites by their host, and what lies below it", () => {
  const cases: [string, string, string][] = [
    ["https://www.google.com", "Google", "search"],
    ["https://google.co.uk/search?q=a", "Google", "search"],
    ["https://www.google.de", "Google", "search"],
    ["https://mail.google.com/x", "Gmail", "email"],
    ["android-app://com.google.android.gm/", "Gmail", "email"],
    ["https://l.facebook.com/l.php", "Facebook", "social"],
    ["https://news.ycombinator.com", "Hacker News", "tech"],
    ["https://m.youtube.com:443/watch", "YouTube", "video"],
    ["https://t.co/x", "X", "social"],
  ];
  for (const [url, name, type] of cases) assertEquals(referrerOf(url), { name, type }, url);
});

Deno.test("referrerOf() is not taken in by names that only look like one", () => {
  const strangers = [
    ...["", "google.com", "https://", "https://notgoogle.com", "https://google.com.evil.example"],
    ...["https://google.evil", "https://example.com/https://google.com", "https://com", "nonsense"],
    "https://google.com@evil.example/",
  ];
  for (const url of strangers) assertEquals(referrerOf(url), { name: "", type: "" }, url);
});

Deno.test("campaignReferrer() goes by utm_source, then ref, then utm_referrer", () => {
  const cases: [string, { name: string; type: string } | undefined][] = [
    ["?utm_source=Google&ref=x", { name: "Google", type: "search" }],
    ["?ref=producthunt.com", { name: "Product Hunt", type: "tech" }],
    ["?utm_referrer=https%3A%2F%2Fwww.facebook.com%2F", { name: "Facebook", type: "social" }],
    ["?utm_source=&ref=Twitter", { name: "X", type: "social" }],
    ["?utm_source=News Letter", { name: "news letter", type: "unknown" }],
    ["?href=x&prefix=y", undefined],
    ["", undefined],
  ];
  for (const [query, expected] of cases) assertEquals(campaignReferrer(query), expected, query);
});

Deno.test("pageColumns() adds the referrer's name and type, those of the campaign first", () => {
  assertEquals(
    pageColumns("https://shop.example/a?utm_source=bing", "https://www.google.com/"),
    ',"path":"/a","origin":"https://shop.example","query":"?utm_source=bing",' +
      '"referrer":"https://www.google.com","referrer_name":"Bing","referrer_type":"search"',
  );
  assertEquals(
    pageColumns("/a", "https://blog.example/"),
    ',"path":"/a","referrer":"https://blog.example"',
  );
  assertEquals(
    pageColumns("https://shop.example/a", "https://shop.example/b"),
    ',"path":"/a","origin":"https://shop.example"',
  );
});
