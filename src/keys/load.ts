export { KeyError } from "./key-error.js";
export { loadJwk } from "./load-jwk.js";
export { type LeftOut, loadJwks, type LoadedSet } from "./load-jwks.js";
export { loadPem } from "./load-pem.js";
export { loadSecret, type SecretOptions } from "./load-secret.js";
export type { LoadOptions } from "./choose-algorithm.js";
