import { type Document, isAlias, isMap, isScalar, Lexer, LineCounter, Parser, parseDocument, visit } from "yaml";

/** What is wrong with a text, and where. */
export interface Problem {
  /** A member (`instances[0].users[1].email`) or a line (`line 3, column 5`); empty for the text as a whole. */
  readonly place: string;
  /** What is wrong and what would be right; nothing of the text's values. */
  readonly message: string;
}

/** How deep a text may be nested; the parser recurses, and a stack that overflows in it may end the process. */
const MAX_DEPTH = 32;

/**
 * Reads YAML strictly: one document, every mapping's keys strings and different, no aliases, no tags, no deep nesting.
 * The library's messages are not passed on, for they quote the text.
 */
export function readYaml(text: string): { readonly value: unknown; readonly problems: readonly Problem[] } {
  if (isDeep(text)) {
    return {
      value: null,
      problems: [
        {
          place: "",
          message: `is nested more than ${MAX_DEPTH} levels deep. See docs/configuration.md, The directory seed.`,
        },
      ],
    };
  }
  const lines = new LineCounter();
  // The library's own look for equal keys takes time in proportion to the square of their number.
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    uniqueKeys: false,
  });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `line ${line}, column ${col}`;
  };
  const problems: Problem[] = [
    ...document.errors.map(({ code, pos }) => ({
      place: at(pos[0]),
      message: SYNTAX[code] ?? `is not well-formed YAML (${code}).`,
    })),
    ...document.warnings.map(({ pos }) => ({
      place: at(pos[0]),
      message: "has a tag that YAML does not define. Take it out.",
    })),
    ...refusals(document, at),
  ];
  return { value: problems.length === 0 ? document.toJS() : null, problems };
}

const SYNTAX: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: "begins a second document. Put everything into one, without `---` or `...`.",
  TAB_AS_INDENT: "is indented with a tab. Use spaces.",
  BAD_INDENT: "is not indented as its place demands. Align it with its siblings.",
  NON_STRING_KEY: "has a key that is no string. Put quotes around it.",
};

function isDeep(text: string): boolean {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme)); // what it yields is of no interest, only how deep it is in
    if (parser.stack.length > MAX_DEPTH) return true;
  }
  return false;
}

function refusals(document: Document.Parsed, at: (offset: number) => string): Problem[] {
  const problems: Problem[] = [];
  const place = (node: { range?: readonly number[] | null | undefined }): string => at(node.range?.[0] ?? 0);
  visit(document, (_, node) => {
    if (isAlias(node)) problems.push({ place: place(node), message: "is an alias. Write out what it stands for." });
    if (!isMap(node)) return;
    const seen = new Set<unknown>();
    for (const { key } of node.items) {
      if (!isScalar(key)) continue;
      if (seen.has(key.value))
        problems.push({ place: place(key), message: "is a key that this mapping has already. Keep one." });
      seen.add(key.value);
    }
  });
  return problems;
}
