import {
  DirectoryServiceService,
  type ExportDirectoryRequest,
  type ExportDirectoryResponse,
  type ImportDirectoryRequest,
  type ImportDirectoryResponse,
} from "../../../gen/tokenverifier/admin/v1/directory_service.js";
import { RevocationServiceService } from "../../../gen/tokenverifier/admin/v1/revocation_service.js";
import { StatusServiceService } from "../../../gen/tokenverifier/admin/v1/status_service.js";
import type { Role } from "../../contract/operator.js";

/** The operators' services, by their full names. */
export const OPERATOR_SERVICES = {
  "tokenverifier.admin.v1.DirectoryService": DirectoryServiceService,
  "tokenverifier.admin.v1.RevocationService": RevocationServiceService,
  "tokenverifier.admin.v1.StatusService": StatusServiceService,
} as const;

/** All methods of the operators' services. */
export const METHODS = { ...DirectoryServiceService, ...RevocationServiceService, ...StatusServiceService } as const;

/** The name of a method. */
export type MethodName = keyof typeof METHODS;

/** The name of a method with one request and one response. */
export type UnaryName = Exclude<MethodName, "importDirectory" | "exportDirectory">;

/** The request of a method. */
export type RequestOf<Name extends MethodName> = ReturnType<(typeof METHODS)[Name]["requestDeserialize"]>;

/** The response of a method. */
export type ResponseOf<Name extends MethodName> = ReturnType<(typeof METHODS)[Name]["responseDeserialize"]>;

/**
 * What an operator can do, whatever it is done through: the services call it for a caller, and the command line on a store
 * or on a running service. Rejects with an OperatorError, and with nothing else.
 */
export type Operations = {
  readonly [Name in UnaryName]: (request: RequestOf<Name>) => Promise<ResponseOf<Name>>;
} & {
  readonly importDirectory: (parts: AsyncIterable<ImportDirectoryRequest>) => Promise<ImportDirectoryResponse>;
  readonly exportDirectory: (request: ExportDirectoryRequest) => AsyncIterable<ExportDirectoryResponse>;
};

/** The role that a method needs; an import with `prune` needs `admin`. */
export const NEEDED_ROLES: Readonly<Record<MethodName, Role>> = {
  putInstance: "write",
  getInstance: "read",
  deleteInstance: "write",
  listInstances: "read",
  rotateInstanceSecret: "write",
  retireInstanceSecret: "write",
  putUser: "write",
  getUser: "read",
  deleteUser: "write",
  listUsers: "read",
  putClient: "write",
  getClient: "read",
  deleteClient: "write",
  listClients: "read",
  rotateClientSecret: "write",
  importDirectory: "write",
  exportDirectory: "admin",
  revoke: "revoke",
  listRevocations: "read",
  unrevoke: "admin",
  getStatus: "read",
  listAudit: "read",
};
