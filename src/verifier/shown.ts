/** A value as a sentence shows it: its JSON text, cut after 100 characters. */
export function shown(value: unknown): string {
  return value === undefined ? "absent" : cut(JSON.stringify(value));
}

/** A JSON text as a sentence shows it: cut after 100 characters. */
export function cut(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** Values as a sentence lists them. @param most how many are shown; of the others it is said how many they are */
export function listed(values: readonly unknown[], most = 50): string {
  const more = values.length - most;
  return values.slice(0, most).map(shown).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
