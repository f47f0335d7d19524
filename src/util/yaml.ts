import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  Lexer,
  LineCounter,
  Parser,
  parseDocument,
  visit,
} from "yaml";
import type { Issue } from "../util/issues.js";

/** The deepest nesting of a text. The library's parser recurses, and an overflowing stack may end the process. */
const MAX_DEPTH = 32;

/** The most values that aliases may expand to. */
const MAX_ALIASES = 100;

/** How a text is read. */
interface YamlOptions {
  /** False refuses aliases; default true. */
  readonly aliases?: boolean;
  /** What to add to the message of a syntax error, judging by the line that has it. */
  readonly hint?: (line: string) => string;
}

/**
 * Reads YAML strictly: one document, string keys, no key twice in a mapping, no unknown tags, bounded depth. The library's
 * own messages are not used, for they quote the text, which may hold secrets.
 *
 * @returns the value, and all that is wrong; the value is null if anything is
 */
export function readYaml(
  text: string,
  { aliases = true, hint = () => "" }: YamlOptions = {},
): { readonly value: unknown; readonly issues: readonly Issue[] } {
  const failed = (...issues: readonly Issue[]) => ({ value: null, issues });
  if (isTooDeep(text)) return failed({ place: "", message: `the text is nested more than ${MAX_DEPTH} levels deep` });
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: false, // the library's own check takes quadratic time
  });
  const issueAt = (offset: number, message: string): Issue => {
    const { line, col } = lines.linePos(offset);
    return { place: `line ${line}, column ${col}`, message };
  };
  const [first] = document.errors;
  // Later syntax errors are mostly consequences of the first.
  if (first !== undefined) {
    const { line } = lines.linePos(first.pos[0]);
    const message = SYNTAX[first.code] ?? `this is not well-formed YAML (${first.code})`;
    return failed(issueAt(first.pos[0], message + hint(text.split("\n")[line - 1] ?? "")));
  }
  const issues = [
    ...document.warnings.map(({ pos, code }) => issueAt(pos[0], SYNTAX[code] ?? "this has no meaning in YAML 1.2")),
    ...refusals(document, aliases, issueAt),
  ];
  if (issues.length > 0) return failed(...issues);
  try {
    return { value: document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown, issues };
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    return failed({ place: "", message: `the aliases expand to more than ${MAX_ALIASES} values: write some out` });
  }
}

const SYNTAX: Readonly<Record<string, string>> = {
  ALIAS_PROPS: "an alias has an anchor or a tag of its own: remove it",
  BAD_ALIAS: "an alias has no good name: put a text that begins with * in quotes",
  BAD_COLLECTION_TYPE: "the tag does not fit the value: remove it",
  BAD_DIRECTIVE: "there is no such directive: put a text that begins with % in quotes",
  BAD_DQ_ESCAPE: "double quotes know no such escape: use single quotes to take every character as it is",
  BAD_INDENT:
    "the indentation does not fit, or a bracket is not closed: the keys of a mapping must start at the same column",
  BAD_PROP_ORDER: "an anchor or a tag is in the wrong place: put texts that begin with & or ! in quotes",
  BAD_SCALAR_START: "a text cannot begin with this character: put it in quotes",
  BLOCK_AS_IMPLICIT_KEY: 'a mapping cannot begin here: put a text that contains ": " in quotes, or begin a new line',
  BLOCK_IN_FLOW: "a block cannot be inside { } or [ ]: use one style for both",
  KEY_OVER_1024_CHARS: "the key is longer than 1,024 characters",
  MISSING_CHAR: "a character is missing: look for a quote or bracket that is not closed, or a missing colon or comma",
  MULTILINE_IMPLICIT_KEY: "a key spans lines: look for a missing colon before it, or a quote that is not closed",
  MULTIPLE_ANCHORS: "the value has two anchors: keep one",
  MULTIPLE_DOCS: "a second document begins here: the file must hold one",
  MULTIPLE_TAGS: "the value has two tags: keep one",
  NON_STRING_KEY: "the key is not a text: put it in quotes",
  TAB_AS_INDENT: "this is indented with a tab: use spaces",
  TAG_RESOLVE_FAILED: "there is no such tag: put a text that begins with ! in quotes",
  UNEXPECTED_TOKEN: "this does not belong here: look at the quotes, brackets and indentation before it",
};

function isTooDeep(text: string): boolean {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme)); // only the parser's stack is of interest
    if (parser.stack.length > MAX_DEPTH) return true;
  }
  return false;
}

/** What well-formed YAML may not have here: keys twice, and aliases that are refused or have no anchor before them. */
function refusals(
  document: Document.Parsed,
  aliases: boolean,
  issueAt: (offset: number, message: string) => Issue,
): Issue[] {
  const issues: Issue[] = [];
  const anchors = new Set<string>();
  visit(document, (_, node) => {
    if (!isNode(node)) return;
    const add = ({ range }: { range?: readonly number[] | null | undefined }, message: string): void =>
      void issues.push(issueAt(range?.[0] ?? 0, message));
    if (isAlias(node)) {
      if (!aliases) add(node, "this is an alias: write out its value, or put a text that begins with * in quotes");
      else if (!anchors.has(node.source))
        add(node, "the alias has no anchor before it: put a text that begins with * in quotes");
      return;
    }
    if (node.anchor !== undefined) anchors.add(node.anchor);
    if (!isMap(node)) return;
    const seen = new Set<unknown>();
    for (const { key } of node.items) {
      if (!isScalar(key)) continue;
      if (seen.has(key.value)) add(key, "the mapping has this key already: keep one");
      seen.add(key.value);
    }
  });
  return issues;
}
