export type { LoadOptions } from "./choose-algorithm.js";
export { KeyError } from "./key-error.js";
export { loadJwk } from "./load-jwk.js";
export { loadJwks } from "./load-jwks.js";
export { loadPem } from "./load-pem.js";
export { loadSecret } from "./load-secret.js";
