/** The parts of a URI that DPoP compares, normalized (RFC 3986, sections 6.2.2 and 6.2.3). */
export interface NormalizedUri {
  /** `http` or `https`. */
  readonly scheme: string;
  /** The host in lower case, and the port unless it is the scheme's default. */
  readonly host: string;
  /** At least `/`. */
  readonly path: string;
}

/** Longest URI without its query, in characters: a proof of 8 KiB cannot hold a longer one. */
const MAX_LENGTH = 8192;

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: "80", https: "443" };

/** Scheme; host, either a name of RFC 3986's characters or an IP literal; port; path. */
const FORM = /^(https?):\/\/([\w.~!$&'()*+,;=%-]+|\[[\w.:~!$&'()*+,;=-]+\])(?::(\d*))?(\/.*)?$/i;

/** Visible ASCII without a backslash, which some readers take for a slash. */
const CHARACTERS = /^[!-[\]-~]*$/;

/** A percent sign without two hexadecimal digits behind it. */
const BAD_ESCAPE = /%(?![\dA-Fa-f]{2})/;

/**
 * Normalizes the URI of a request, or of a proof's `htu`, and cuts its query and fragment off.
 *
 * `new URL()` would not do: it reads `\` as `/`, drops tabs and line ends, takes 0x7f.1 for 127.0.0.1, and leaves escapes of
 * ordinary characters as they are.
 *
 * @returns undefined unless it is an absolute http or https URI in ASCII without user information
 */
export function normalizeUri(uri: string): NormalizedUri | undefined {
  const end = uri.search(/[?#]/);
  const text = end === -1 ? uri : uri.slice(0, end);
  if (text.length > MAX_LENGTH || !CHARACTERS.test(uri.slice(0, MAX_LENGTH)) || BAD_ESCAPE.test(text)) return undefined;
  const [, protocol, name, port = "", path = "/"] = FORM.exec(text) ?? [];
  if (protocol === undefined || name === undefined) return undefined;
  const scheme = protocol.toLowerCase();
  const isDefault = port === "" || port === DEFAULT_PORTS[scheme];
  const host = normalizeEscapes(normalizeEscapes(name).toLowerCase());
  return { scheme, host: isDefault ? host : `${host}:${port}`, path: withoutDotSegments(normalizeEscapes(path)) };
}

/** Decodes the escapes of unreserved characters (section 2.3), and writes the others in upper case. */
function normalizeEscapes(text: string): string {
  return text.replace(/%[\dA-Fa-f]{2}/g, (escaped) => {
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return /[\w.~-]/.test(character) ? character : escaped.toUpperCase();
  });
}

/** Resolves the segments `.` and `..` of an absolute path (section 5.2.4). */
function withoutDotSegments(path: string): string {
  const segments = path.split("/").slice(1);
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
  }
  // A dot segment at the end leaves the slash before it.
  const last = segments.at(-1);
  if (last === "." || last === "..") kept.push("");
  return `/${kept.join("/")}`;
}
