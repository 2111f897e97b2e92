/**
 * Names and types of referrers: a small table of our own, and what campaign parameters say (contract `track`,
 * section 3).
 * @module
 */

/** What is known of a referrer; "" where nothing is. */
export interface Referrer {
  readonly name: string;
  readonly type: string;
}

/** Type, then lines of a name and its hosts. A host stands for all hosts below it, too; `.*` for any ending. */
const table: Readonly<Record<string, readonly (readonly [name: string, ...hosts: string[]])[]>> = {
  search: [
    ["Google", "google.*", "com.google.android.googlequicksearchbox"],
    ["Bing", "bing.com"],
    ["DuckDuckGo", "duckduckgo.com"],
    ["Yahoo!", "search.yahoo.com", "yahoo.com"],
    ["Yandex", "yandex.*", "ya.ru"],
    ["Baidu", "baidu.com"],
    ["Ecosia", "ecosia.org"],
    ["Brave Search", "search.brave.com"],
    ["Startpage", "startpage.com"],
    ["Qwant", "qwant.com"],
    ["Kagi", "kagi.com"],
    ["Naver", "search.naver.com"],
    ["Seznam", "search.seznam.cz"],
    ["Sogou", "sogou.com"],
    ["AOL", "search.aol.com"],
  ],
  social: [
    ["Facebook", "facebook.com", "fb.com", "fb.me", "com.facebook.katana"],
    ["Instagram", "instagram.com", "com.instagram.android"],
    ["X", "twitter.com", "x.com", "t.co"],
    ["LinkedIn", "linkedin.com", "lnkd.in", "com.linkedin.android"],
    ["Reddit", "reddit.com", "redd.it", "com.reddit.frontpage"],
    ["TikTok", "tiktok.com"],
    ["Pinterest", "pinterest.*", "pin.it"],
    ["Bluesky", "bsky.app"],
    ["Threads", "threads.net", "threads.com"],
    ["Mastodon", "mastodon.social"],
    ["Snapchat", "snapchat.com"],
    ["WhatsApp", "whatsapp.com", "wa.me"],
    ["Telegram", "telegram.org", "t.me"],
    ["Discord", "discord.com", "discord.gg"],
    ["VK", "vk.com", "away.vk.com"],
    ["Quora", "quora.com"],
    ["Tumblr", "tumblr.com"],
  ],
  video: [
    ["YouTube", "youtube.com", "youtu.be", "com.google.android.youtube"],
    ["Vimeo", "vimeo.com"],
    ["Twitch", "twitch.tv"],
  ],
  tech: [
    ["GitHub", "github.com"],
    ["GitLab", "gitlab.com"],
    ["Stack Overflow", "stackoverflow.com"],
    ["Hacker News", "news.ycombinator.com"],
    ["Product Hunt", "producthunt.com"],
    ["Dev.to", "dev.to"],
    ["Medium", "medium.com"],
    ["Substack", "substack.com"],
  ],
  email: [
    ["Gmail", "mail.google.com", "com.google.android.gm"],
    ["Outlook", "outlook.live.com", "outlook.office.com", "outlook.office365.com"],
    ["Yahoo! Mail", "mail.yahoo.com"],
    ["Proton Mail", "mail.proton.me"],
  ],
  ai: [
    ["ChatGPT", "chatgpt.com", "chat.openai.com"],
    ["Claude", "claude.ai"],
    ["Perplexity", "perplexity.ai"],
    ["Gemini", "gemini.google.com"],
    ["Copilot", "copilot.microsoft.com"],
  ],
};

const none: Referrer = { name: "", type: "" };
const byHost = new Map<string, Referrer>();
/** Sites with a domain in each country, by what stands before the ending. */
const byLabel = new Map<string, Referrer>();
const byName = new Map<string, Referrer>();
fillMaps();

/** The parameters that name a source, the strongest first. */
const sourceParameters = ["utm_source", "ref", "utm_referrer"] as const;
/** A row must not grow much by what is read from its URL. */
const maxNameCharacters = 200;

/** The referrer that an address names; both "" where it is not known. */
export function referrerOf(url: string): Referrer {
  const host = hostOf(url);
  if (host === "") return none;
  for (let rest = host; rest.includes("."); rest = rest.slice(rest.indexOf(".") + 1)) {
    const found = byHost.get(rest);
    if (found !== undefined) return found;
    // google.de and google.co.uk: what follows the label is no name of its own.
    const [label, ...ending] = rest.split(".");
    const isEnding = ending.length > 0 && ending.length <= 2 && ending.every((part) => part.length <= 3);
    const anywhere = isEnding ? byLabel.get(label) : undefined;
    if (anywhere !== undefined) return anywhere;
  }
  return none;
}

/** The referrer that a page's query names: it counts more than the address the visitor came from. */
export function campaignReferrer(query: string): Referrer | undefined {
  if (!mayNameSource(query)) return undefined;
  const parameters = new URLSearchParams(query);
  for (const name of sourceParameters) {
    const source = parameters.get(name)?.trim().toLowerCase().slice(0, maxNameCharacters);
    if (!source) continue;
    const known = byName.get(source) ?? referrerOf(source.includes("//") ? source : `https://${source}`);
    return known.name === "" ? { name: source, type: "unknown" } : known;
  }
  return undefined;
}

function mayNameSource(query: string): boolean {
  return query.includes("utm_") || query.includes("ref=");
}

function hostOf(url: string): string {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:]+)/i.exec(url);
  return match === null ? "" : match[1].toLowerCase();
}

function fillMaps(): void {
  for (const [type, sites] of Object.entries(table)) {
    for (const [name, ...hosts] of sites) {
      const referrer: Referrer = { name, type };
      byName.set(name.toLowerCase(), referrer);
      for (const host of hosts) {
        if (host.endsWith(".*")) byLabel.set(host.slice(0, -2), referrer);
        else byHost.set(host, referrer);
      }
    }
  }
  byName.set("twitter", byHost.get("twitter.com")!);
}
