/** A value as a sentence shows it: its JSON text, cut after 100 characters. */
export function shown(value: unknown): string {
  if (value === undefined) return "absent";
  const text = JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

/** Values as a sentence lists them. @param most how many are shown; of the others it is said how many they are */
export function listed(values: readonly unknown[], most = 50): string {
  const more = values.length - most;
  return values.slice(0, most).map(shown).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
