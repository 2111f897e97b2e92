import { assert, assertEquals } from "@std/assert";
import { botOf, botReasons } from "../../../src/dialects/track/bots.ts";

Deno.test("botOf() names bots and what kind they are", () => {
  const cases: [string, string, string][] = [
    [
      "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
      "Googlebot",
      "Search bot",
    ],
    ["Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot", "Search bot"],
    ["facebookexternalhit/1.1", "facebookexternalhit", "Link preview"],
    ["AhrefsBot/7.0", "AhrefsBot", "Crawler"],
    [
      "Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 HeadlessChrome/120.0 Safari/537.36",
      "HeadlessChrome",
      "Headless browser",
    ],
  ];
  for (const [agent, name, type] of cases) assertEquals(botOf(agent), { name, type }, agent);
});

Deno.test("botOf() takes no browser, app, library or device for a bot", () => {
  const others = [
    "",
    "unknown/1.0",
    "node",
    "Deno/2.9.6",
    "curl/8",
    "okhttp/4",
    "Mozilla/5.0",
    "ESP32HTTPClient",
    "SensorFW/1.4.2 (ESP32; rev 3)",
    "Dart/3.1 (dart:io)",
    "MyApp/1.0 (Android 12; Pixel)",
    "MyApp/3 CFNetwork/1410.0.3 Darwin/22.6.0",
    "python-requests/2.31",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1",
  ];
  for (const agent of others) assertEquals(botOf(agent), undefined, agent);
});

Deno.test("botOf() is quick for hostile user agents", () => {
  const began = performance.now();
  for (const piece of ["bot", "a.", "(", "/1", "bot/", " "]) botOf(piece.repeat(100_000));
  assert(performance.now() - began < 500);
});

Deno.test("botReasons() tells what a browser would have sent", () => {
  const chrome =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
  const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
  const reasons = (agent: string, headers: Record<string, string> = {}): string[] =>
    botReasons(agent, new Headers(headers)).split(" ").filter((reason) => reason !== "");
  const all = { "sec-ch-ua": `"Chromium";v="126"`, "sec-fetch-mode": "cors", "accept-language": "de" };
  assertEquals(reasons(chrome), [
    "header:missing_sec_ch_ua",
    "header:missing_sec_fetch",
    "header:missing_accept_language",
  ]);
  assertEquals(reasons(firefox), ["header:missing_sec_fetch", "header:missing_accept_language"]);
  assertEquals(reasons(chrome, { ...all, "sec-ch-ua": "" }), []);
  for (const agent of [chrome, firefox, "node", ""]) assertEquals(reasons(agent, all), []);
  for (const agent of ["", "node", "okhttp/4.9", "MyApp/1.0 (Android 12; Pixel)"]) {
    assertEquals(reasons(agent), []);
  }
});
