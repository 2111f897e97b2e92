import { assert, assertEquals } from "@std/assert";
import { UserAgents } from "../../../src/dialects/track/user_agent.ts";
import { chrome } from "./post_track.ts";

const agents = new UserAgents();

Deno.test("UserAgents call a server what the contract calls one, and say nothing else of it", () => {
  const servers = [
    "",
    "node",
    "unknown/1.0",
    "Deno/2.9.6",
    "Deno/2.x",
    "curl/8",
    "curl/8.5.0",
    "okhttp/4",
    "okhttp/4.12.0",
    "Mozilla/5.0",
    "ESP32HTTPClient",
    "SensorFW/1.4.2 (ESP32; rev 3)",
    "Dart/3.1 (dart:io)",
    "Go-http-client/1.1",
    "python-requests/2.31.0",
  ];
  for (const userAgent of servers) {
    assertEquals(agents.describe(userAgent), {
      os: "",
      osVersion: "",
      browser: "",
      browserVersion: "",
      device: "server",
      brand: "",
      model: "",
    }, userAgent);
  }
});

Deno.test("UserAgents know browsers and apps by system, browser and kind of device", () => {
  const iphone =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
    "Version/17.5 Mobile/15E148 Safari/604.1";
  const cases: [string, Record<string, string>][] = [
    [chrome, { os: "Windows", osVersion: "10", browser: "Chrome", device: "desktop" }],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", {
      os: "Linux",
      browser: "Firefox",
      browserVersion: "128.0",
      device: "desktop",
    }],
    [iphone, { os: "iOS", osVersion: "17.5", device: "mobile", brand: "Apple", model: "iPhone" }],
    ["MyApp/1.0 (Android 12; SM-G991B)", { os: "Android", device: "mobile" }],
    ["MyApp/1.0 (Android 12; generic)", { os: "Android", osVersion: "12", device: "mobile" }],
    [
      "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
      { device: "tablet", model: "iPad" },
    ],
  ];
  for (const [userAgent, columns] of cases) {
    const described: Record<string, string> = { ...agents.describe(userAgent) };
    for (const [name, value] of Object.entries(columns)) assertEquals(described[name], value, userAgent);
  }
});

Deno.test("UserAgents answer the same for more user agents than they remember, and for very long ones", () => {
  const first = agents.describe(chrome);
  for (let i = 0; i < 1_500; i++) agents.describe(`MyApp/1.0 (Android 12; phone ${i})`);
  assertEquals(agents.describe(chrome), first);
  const long = chrome + " x".repeat(30_000);
  assertEquals(agents.describe(long), agents.describe(long + "y"));
  assertEquals(agents.describe(long).browser, "Chrome");
});

Deno.test("UserAgents are quick for hostile user agents", () => {
  const start = performance.now();
  for (const piece of ["(", "a/1.", "Mozilla/5.0 (", "; ", "1.", "Android "]) {
    for (let i = 0; i < 20; i++) agents.describe(i + piece.repeat(15_000));
  }
  assert(performance.now() - start < 2_000, `${performance.now() - start} ms`);
});
