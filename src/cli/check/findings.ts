/** What is wrong, and where. Never contains a secret. */
export interface Fault {
  /** A place in the configuration such as `realms.partner.issuer`, or a file's name. */
  readonly place: string;
  readonly message: string;
}

/** A likely mistake in a configuration that can be read; docs/checks.md lists all of them. */
export interface CheckRule<Examined> {
  /** A stable name in lower case with dashes, for scripts. */
  readonly name: string;
  /** An error keeps the service from starting, or makes it useless. */
  readonly level: "error" | "warning";
  /** Every place where the mistake is made. */
  readonly find: (examined: Examined) => readonly Fault[];
  /** What to do about it. */
  readonly fix: string;
}

/** A fault that a rule found, as `--json` prints it. */
export interface Finding extends Fault {
  /** The rule's name. */
  readonly check: string;
  readonly fix: string;
}

/** Applies rules of one level. */
export function applyRules<Examined>(
  rules: readonly CheckRule<Examined>[],
  level: CheckRule<Examined>["level"],
  examined: Examined,
): readonly Finding[] {
  return rules
    .filter((rule) => rule.level === level)
    .flatMap(({ name, fix, find }) => find(examined).map((fault) => ({ check: name, ...fault, fix })));
}
