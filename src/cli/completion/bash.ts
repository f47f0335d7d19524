import type { CompletedCommand, Values } from "./model.js";

/** Completion for bash, 3.2 and later. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  const paths = commands.flatMap(({ path }) => (path === "" ? [] : [`" ${path}"`]));
  const values = commands.flatMap(({ path, options }) =>
    options.flatMap(({ flags, values: taken }) => {
      if (taken === undefined) return [];
      const patterns = flags.map((flag) => `" ${path}:${flag}"`.replace('" :', '":'));
      return [`    ${patterns.join(" | ")}) ${complete(taken)}; return ;;`];
    }),
  );
  const words = commands.map(({ path, commands: below, options, values: taken }) => {
    const flags = options.flatMap((option) => option.flags).join(" ");
    const rest = below.length > 0 ? complete(below) : complete(taken ?? "any");
    const pattern = path === "" ? '""' : `" ${path}"`;
    return `    ${pattern}) if [[ $current == -* ]]; then ${complete(flags.split(" "))}; else ${rest}; fi ;;`;
  });
  return `# Completion of token-verifier for bash.
_token_verifier_words() { COMPREPLY=($(compgen -W "$1" -- "$current")); }
_token_verifier_files() {
  local IFS=$'\\n'
  compopt -o filenames 2> /dev/null
  COMPREPLY=($(compgen -f -- "$current"))
}
_token_verifier() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}" path="" at
  # --option=value comes in three words.
  if [[ $current == "=" ]]; then
    current=""
  elif [[ $previous == "=" ]]; then
    previous="\${COMP_WORDS[COMP_CWORD - 2]}"
  fi
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    case "$path \${COMP_WORDS[at]}" in
    ${paths.join(" | ")}) path="$path \${COMP_WORDS[at]}" ;;
    esac
  done
  case "$path:$previous" in
${values.join("\n")}
  esac
  case "$path" in
${words.join("\n")}
  esac
}
complete -F _token_verifier token-verifier
`;
}

function complete(values: Values): string {
  if (values === "any") return ":";
  return values === "file" ? "_token_verifier_files" : `_token_verifier_words "${values.join(" ")}"`;
}
