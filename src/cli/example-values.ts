import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import type { ExampleValues } from "../vendors/vendor.js";

interface SeedFile {
  readonly instances: readonly {
    readonly id: string;
    readonly appId: string;
    readonly secretKeys: readonly string[];
    readonly users: readonly { readonly id: string }[];
  }[];
  readonly clients: readonly { readonly clientId: string; readonly clientSecret: string }[];
}

/** Values for a token where no directory seed gives any. */
export const PLACEHOLDERS: Omit<ExampleValues, "now"> = {
  instanceId: "inst_example",
  appId: "app_example",
  userId: "00000000-0000-4000-8000-000000000000",
  secretKey: "",
  clientId: "client-example",
  clientSecret: "",
};

/** The ids and secrets of a directory seed's first instance, user and client; undefined where there is no such seed. */
export function seedValues(file: string | undefined): Omit<ExampleValues, "now"> | undefined {
  if (file === undefined || !existsSync(file)) return undefined;
  const { instances, clients } = parse(readFileSync(file, "utf8")) as Partial<SeedFile>;
  const [instance] = instances ?? [];
  const [client] = clients ?? [];
  const [user] = instance?.users ?? [];
  const [secretKey] = instance?.secretKeys ?? [];
  if (instance === undefined || client === undefined || user === undefined || secretKey === undefined) return undefined;
  return {
    instanceId: instance.id,
    appId: instance.appId,
    userId: user.id,
    secretKey,
    clientId: client.clientId,
    clientSecret: client.clientSecret,
  };
}
