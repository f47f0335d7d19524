import { Agent, type Dispatcher, ProxyAgent } from "undici";

/** As the environment names them: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`. An empty text is none. */
export interface Proxies {
  readonly http?: string | undefined;
  readonly https?: string | undefined;
  readonly no?: string | undefined;
}

/** A way out. */
export interface Way {
  readonly dispatcher: Dispatcher;
  /** The host and port of the proxy that it leads through, without credentials; undefined for none. */
  readonly proxy?: string;
}

/** The ways out to the network: straight, or through a proxy. */
export interface Ways {
  /** The way to a URL. */
  to(url: URL): Way;
  /** Closes all connections. */
  destroy(): Promise<void>;
}

/**
 * Opens the ways; no connection is made before one is used.
 *
 * @param proxies where one for https is not named, that for http does both
 * @param requestTls for the TLS of who is asked, through a proxy
 */
export function openWays(options: Agent.Options, proxies: Proxies, requestTls: { readonly ca?: string }): Ways {
  const through = (uri: string | undefined): Way | undefined =>
    uri ? { dispatcher: new ProxyAgent({ ...options, uri, requestTls }), proxy: toldProxy(uri) } : undefined;
  const direct: Way = { dispatcher: new Agent(options) };
  const http = through(proxies.http);
  const https = through(proxies.https) ?? http;
  const except = readExceptions(proxies.no ?? "");
  return {
    to: (url) => (except(url) ? undefined : url.protocol === "https:" ? https : http) ?? direct,
    destroy: async () => {
      const all = new Set([direct, http, https].filter((one) => one !== undefined));
      await Promise.all([...all].map(({ dispatcher }) => dispatcher.destroy()));
    },
  };
}

const PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

function toldProxy(uri: string): string {
  const { protocol, hostname, port } = new URL(uri);
  return `${hostname}:${port || (PORTS[protocol] ?? "")}`;
}

/**
 * Reads a `NO_PROXY`: hosts, separated by commas or spaces, each perhaps with a port. `example.org` is that host alone,
 * `.example.org` and `*.example.org` what lies under it, `*` everything.
 *
 * @returns whether a URL is excepted
 */
function readExceptions(text: string): (url: URL) => boolean {
  const entries = text
    .toLowerCase()
    .split(/[,\s]+/)
    .filter((entry) => entry !== "")
    .map((entry) => /^(.+?)(?::(\d+))?$/.exec(entry) ?? [])
    .map(([, host = "", port]) => ({ host, port }));
  return ({ protocol, hostname, port }) =>
    entries.some((entry) => {
      if (entry.port !== undefined && entry.port !== (port || PORTS[protocol])) return false;
      return /^[.*]/.test(entry.host) ? hostname.endsWith(entry.host.replace("*", "")) : hostname === entry.host;
    });
}
