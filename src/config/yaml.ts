import { parseDocument, type YAMLParseError } from "yaml";
import { ConfigError, type ConfigIssue } from "./issues.js";
import { type ReadFile, unreadable } from "./read-file.js";

/**
 * Reads a YAML file.
 *
 * @throws {ConfigError} where it cannot be read, or is no YAML
 */
export function readYaml(file: string, readFile: ReadFile): unknown {
  let text: string;
  try {
    text = readFile(file);
  } catch (error) {
    throw new ConfigError(file, [{ place: "", message: `the file ${unreadable(error)}` }]);
  }
  const document = parseDocument(text, { prettyErrors: true });
  const [first] = document.errors;
  // What follows is mostly the first one's doing: a reader that lost its way goes on stumbling.
  if (first !== undefined) throw new ConfigError(file, [syntaxIssue(first, text)]);
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    const message =
      "an alias stands for nothing, or there are too many of them: put a text that begins with * in quotes";
    throw new ConfigError(file, [{ place: "", message }]);
  }
}

function syntaxIssue({ linePos, code, message }: YAMLParseError, text: string): ConfigIssue {
  const own = SYNTAX[code] ?? (message.split("\n", 1)[0] ?? "").replace(/ at line \d+, column \d+:?$/, "");
  if (linePos === undefined) return { place: "", message: own };
  const { line, col } = linePos[0];
  // A variable's braces are YAML's own within { } and [ ].
  const isVariable = /(?<!["'$])\$\{/.test(text.split("\n")[line - 1] ?? "");
  // biome-ignore lint/suspicious/noTemplateCurlyInString: that is how a configuration names its variables
  const cure = isVariable ? '; put variables in quotes: "${NAME}"' : "";
  return { place: `line ${line}, column ${col}`, message: own + cure };
}

/** Where the YAML library's own words are of no help, or quote the text, which may be a secret. */
const SYNTAX: Readonly<Record<string, string>> = {
  BAD_DQ_ESCAPE: "double quotes know no such escape: use single quotes to take every character as it is",
  BAD_PROP_ORDER: "an anchor or a tag stands in the wrong place: put texts that begin with & or ! in quotes",
  DUPLICATE_KEY: "the mapping has this key already: keep one",
  MULTIPLE_DOCS: "a second document begins here: the file must hold one",
  TAB_AS_INDENT: "this is indented with a tab: use spaces",
  TAG_RESOLVE_FAILED: "there is no such tag: put a text that begins with ! in quotes",
  UNEXPECTED_TOKEN: "this does not belong here: look at the quotes, brackets and indentation before it",
};
