import type { CompletedCommand, Values } from "./model.js";

/** Completion for fish. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap((command) => [
    ...command.commands.map((name) => {
      const { description = "" } = commands.find(({ path }) => path === `${command.path} ${name}`.trim()) ?? {};
      return `complete ${when(command)} -f -a ${name} -d ${quoted(description)}`;
    }),
    ...command.options.map(({ flags, description, values }) => {
      const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
      return `complete ${when(command)} ${names.join(" ")}${actionOf(values)} -d ${quoted(description)}`;
    }),
    ...(command.commands.length > 0 || command.values === undefined
      ? []
      : [`complete ${when(command)}${actionOf(command.values).replace(" -x", " -f").replace(" -rF", " -F")}`]),
  ]);
  return `# Completion of token-verifier for fish.
complete -c token-verifier -f
${lines.join("\n")}
`;
}

/** True where the command line stands in this command, and in none below it. */
function when({ path, commands }: CompletedCommand): string {
  const conditions = [
    ...(path === "" ? [] : path.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`)),
    ...(commands.length === 0 ? [] : [`not __fish_seen_subcommand_from ${commands.join(" ")}`]),
  ];
  return `-c token-verifier -n ${quoted(conditions.join("; and ") || "true")}`;
}

function actionOf(values: Values | undefined): string {
  if (values === undefined) return "";
  if (values === "file") return " -rF";
  return values === "any" ? " -x" : ` -x -a ${quoted(values.join(" "))}`;
}

const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
