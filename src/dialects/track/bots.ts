/**
 * User agents of bots, and signs of one in the headers (contract `track`, 1.6 and section 3). The list is isbot's, which also holds libraries and whatever
 * does not look like a browser; devices and servers that send events by themselves are what the daemon is for, so a
 * bot is only who is in the list and has a bot's word in its name.
 * @module
 */

import { isbot, isbotMatch } from "isbot";

/** What is said of a bot. */
export interface Bot {
  readonly name: string;
  readonly type: string;
}

const botWord = new RegExp(
  "bot|crawl|spider|slurp|scrap|externalhit|preview|monitor|pingdom|uptime|archiver|headless|lighthouse|phantomjs|" +
    "mediapartners|googleother|inspectiontool|embedly|semrush|ahrefs|whatsapp/|telegram",
  "i",
);
const namedBot = /[\w.-]*(?:bot|crawler|spider|slurp|externalhit|headless|lighthouse)[\w.-]*/i;
/** What follows says nothing more. */
const maxCharacters = 1_024;
const maxNameCharacters = 100;

const types: readonly (readonly [RegExp, string])[] = [
  [/headless|lighthouse/i, "Headless browser"],
  [/externalhit|preview|slack|discord|telegram|whatsapp|twitter|linkedin/i, "Link preview"],
  [/monitor|uptime|pingdom|statuscake/i, "Monitor"],
  [/google|bing|yandex|baidu|duckduck|slurp|applebot|sogou|seznam/i, "Search bot"],
];

/** The bot that a user agent names; undefined when it is none. */
export function botOf(userAgent: string): Bot | undefined {
  const text = userAgent.slice(0, maxCharacters);
  if (!botWord.test(text) || !isbot(text)) return undefined;
  const name = (namedBot.exec(text)?.[0] ?? isbotMatch(text) ?? "Bot").slice(0, maxNameCharacters);
  return { name, type: types.find(([words]) => words.test(text))?.[1] ?? "Crawler" };
}

/** Browsers send these to every address that is theirs to trust, whatever the page asks for. */
const fetchHeaders = ["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"];

/**
 * What whoever says to be a browser did not send, though browsers do: reasons with a blank between two; "" where
 * nothing is missing, or nobody says to be one. It marks rows, and keeps none out.
 */
export function botReasons(userAgent: string, headers: Headers): string {
  if (!userAgent.includes("Mozilla/")) return "";
  const reasons: string[] = [];
  const isBlink = userAgent.includes("Chrome/") || userAgent.includes("Chromium/");
  if (isBlink && !headers.has("sec-ch-ua")) reasons.push("header:missing_sec_ch_ua");
  if (!fetchHeaders.some((name) => headers.has(name))) reasons.push("header:missing_sec_fetch");
  if (!headers.has("accept-language")) reasons.push("header:missing_accept_language");
  return reasons.join(" ");
}
