import { Agent, type Dispatcher, ProxyAgent } from "undici";

/** Proxies as the environment names them: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`. An empty string counts as unset. */
export interface Proxies {
  readonly http?: string | undefined;
  readonly https?: string | undefined;
  readonly no?: string | undefined;
}

/** How a URL is reached: directly or through a proxy. */
interface Hop {
  readonly dispatcher: Dispatcher;
  /** Host and port of the proxy, without credentials; undefined for a direct connection. */
  readonly proxy?: string;
}

/** Chooses between a direct connection and the configured proxies. */
export interface ProxySelector {
  /** How to reach a URL. */
  hopTo(url: URL): Hop;
  /** Closes all connections. */
  destroy(): Promise<void>;
}

/**
 * Makes a selector; it opens no connection before one is needed.
 *
 * @param proxies without a proxy for https, the one for http serves both
 * @param requestTls TLS options for the origin server behind a proxy
 */
export function selectProxies(
  options: Agent.Options,
  proxies: Proxies,
  requestTls: { readonly ca?: string },
): ProxySelector {
  const through = (uri: string | undefined): Hop | undefined =>
    uri
      ? // Plain http too goes through a CONNECT tunnel, so that the proxy relays bytes and rewrites no request.
        { dispatcher: new ProxyAgent({ ...options, uri, requestTls, proxyTunnel: true }), proxy: hostAndPort(uri) }
      : undefined;
  const direct: Hop = { dispatcher: new Agent(options) };
  const http = through(proxies.http);
  const https = through(proxies.https) ?? http;
  const isExcepted = readExceptions(proxies.no ?? "");
  return {
    hopTo: (url) => (isExcepted(url) ? undefined : url.protocol === "https:" ? https : http) ?? direct,
    destroy: async () => {
      const all = new Set([direct, http, https].filter((one) => one !== undefined));
      await Promise.all([...all].map(({ dispatcher }) => dispatcher.destroy()));
    },
  };
}

const PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

function hostAndPort(uri: string): string {
  const { protocol, hostname, port } = new URL(uri);
  return `${hostname}:${port || (PORTS[protocol] ?? "")}`;
}

/**
 * Reads a `NO_PROXY`: hosts separated by commas or spaces, each with an optional port. `example.org` excepts that host only,
 * `.example.org` and `*.example.org` its subdomains, `*` everything.
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
