import type { KnownDirectory } from "./directory.js";

/** The directory of a service without a store: it holds nobody, and nothing was ever revoked. */
export const noDirectory: KnownDirectory = {
  position: "",
  isFresh: () => true,
  instance: () => null,
  client: () => null,
  user: () => null,
  isRevoked: () => false,
};
