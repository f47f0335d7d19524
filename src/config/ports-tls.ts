import type { z } from "zod";
import { formatPath, type Issue } from "../util/issues.js";
import type { ConfiguredRealm } from "./realms.js";
import type { coreSchema, gatewaySchema } from "./schema.js";
import { type ConfiguredTls, readClientTls, readServerTls, type TlsContext } from "./tls.js";

type Core = z.output<typeof coreSchema>;
type GatewayOnly = z.output<typeof gatewaySchema>;

/** The same setting with what is in its TLS files. */
export type Loaded<Setting> = Setting extends object
  ? Omit<Setting, "tls"> & { readonly tls: ConfiguredTls | undefined }
  : Setting;

type ServerFiles = NonNullable<NonNullable<Core["grpc"]>["tls"]>;
type ClientFiles = NonNullable<NonNullable<GatewayOnly["upstream"]>["tls"]>;

/** A port's settings, with what is in the files that they name. */
export function withServerTls<S extends { readonly tls?: ServerFiles | undefined } | undefined>(
  setting: S,
  name: string,
  context: TlsContext,
): Loaded<S> {
  if (setting === undefined) return undefined as Loaded<S>;
  const tls = setting.tls && readServerTls(setting.tls, [name, "tls"], context);
  return { ...setting, tls } as unknown as Loaded<S>;
}

/** The settings of what is asked, with what is in the files that they name. */
export function withClientTls<S extends { readonly tls?: ClientFiles | undefined }>(
  setting: S,
  name: string,
  context: TlsContext,
): Loaded<S> {
  const tls = setting.tls && readClientTls(setting.tls, [name, "tls"], context);
  return { ...setting, tls } as unknown as Loaded<S>;
}

/** Where no port asks for certificates, a realm that goes by them would answer nobody. */
export function checkWorkloads({ grpc, http }: Core, realms: readonly ConfiguredRealm[], issues: Issue[]): void {
  if (grpc === undefined && http === undefined) return;
  if (grpc?.tls?.clientCaFile !== undefined || http?.tls?.clientCaFile !== undefined) return;
  for (const realm of realms) {
    if (realm.byIssuer !== undefined) continue;
    for (const key of ["callers", "explain"] as const) {
      if (typeof realm[key] !== "object") continue;
      const message = "no port asks its clients for certificates: give grpc a tls with a clientCaFile";
      issues.push({ place: formatPath(["realms", realm.name, key, "san"]), message });
    }
  }
}
