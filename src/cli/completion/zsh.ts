import type { CompletedCommand, CompletedOption, Values } from "./model.js";

/** Completion for zsh. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef token-verifier
# Completion of token-verifier for zsh.
${commands.map((one) => functionOf(one, commands)).join("\n")}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _token_verifier "$@"
else
  compdef _token_verifier token-verifier
fi
`;
}

const nameOf = (path: string): string => `_token_verifier ${path}`.trim().replaceAll(" ", "_");

function functionOf(
  { path, commands: below, options, values }: CompletedCommand,
  all: readonly CompletedCommand[],
): string {
  const own = options.map(optionOf);
  if (below.length === 0) {
    const argument = values === undefined ? [] : [`'1:${actionOf(values)}'`];
    return `${nameOf(path)}() {
  _arguments ${[...own, ...argument].join(" \\\n    ")}
}`;
  }
  const described = below.map((name) => {
    const { description = "" } = all.find((one) => one.path === `${path} ${name}`.trim()) ?? {};
    return quoted(`${name}:${description}`);
  });
  const known = below.filter((name) => all.some((one) => one.path === `${path} ${name}`.trim()));
  return `${nameOf(path)}() {
  local line state
  _arguments -C ${[...own, "'1:command:->command'", "'*::argument:->argument'"].join(" \\\n    ")}
  case $state in
  command)
    local -a commands=(${described.join(" ")})
    _describe command commands ;;
  argument)
    case $line[1] in
${known.map((name) => `    ${name}) ${nameOf(`${path} ${name}`.trim())} ;;`).join("\n")}
    esac ;;
  esac
}`;
}

function optionOf({ flags, description, values }: CompletedOption): string {
  const told = `[${description.replace(/[[\]:]/g, "\\$&")}]`;
  const taken = values === undefined ? "" : `:${actionOf(values)}`;
  const others = flags.length > 1 ? `(${flags.join(" ")})` : "";
  return flags.map((flag) => quoted(`${others}${flag}${told}${taken}`)).join(" ");
}

function actionOf(values: Values): string {
  if (values === "file") return "file:_files";
  return values === "any" ? "value: " : `value:(${values.join(" ")})`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
