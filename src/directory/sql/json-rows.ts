import type { Engine } from "./sql.js";

// Many rows in one statement with a constant text: they are its one value, a JSON list.

/** The type of a column in the common schema; bytes are hex digits in JSON. */
export type ColumnType = "int" | "text" | "bytes";

/** The columns of a table, by name, in their order. */
export type Columns = Readonly<Record<string, ColumnType>>;

/** Reads the columns of all tables of a schema in the common words, by table. */
export function columnsOf(tables: string): ReadonlyMap<string, Columns> {
  const found = [...tables.matchAll(/TABLE \{?(\w+)\}? \(\n([\s\S]*?)\n {2}\);/g)];
  return new Map(
    found.map(([, name = "", body = ""]) => {
      const columns = [...body.matchAll(/^\s+(\w+) (int|text|bytes)\b/gm)];
      return [name, Object.fromEntries(columns.map(([, column, type]) => [column, type])) as Columns];
    }),
  );
}

/**
 * The statement that adds rows, whose one value is a JSON list of objects that have all columns.
 *
 * @param table as statements name it
 */
export function insertRows(dialect: Engine["dialect"], table: string, columns: Columns): string {
  const names = Object.keys(columns);
  const into = `INSERT INTO ${table} (${names.join(", ")})`;
  if (dialect === "sqlite") {
    const values = names.map((name) => (columns[name] === "bytes" ? `unhex(value->>'${name}')` : `value->>'${name}'`));
    return `${into} SELECT ${values.join(", ")} FROM json_each($1)`;
  }
  const values = names.map((name) => (columns[name] === "bytes" ? `decode(${name}, 'hex')` : name));
  const types = names.map((name) => `${name} ${columns[name] === "int" ? "bigint" : "text"}`);
  return `${into} SELECT ${values.join(", ")} FROM json_to_recordset($1::json) AS rows (${types.join(", ")})`;
}
