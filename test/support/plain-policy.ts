import { type GenericSettings, genericPolicy } from "../../src/verifier/generic.js";
import type { Policy } from "../../src/verifier/realm.js";

const SETTINGS: GenericSettings = {
  algorithms: ["HS256"],
  issuer: null,
  audience: null,
  typRequired: false,
  requiredClaims: [],
  claims: {},
  lenient: [],
  clockTolerance: 0,
  maxTokenLength: 16 * 1024,
  ignoreHeaders: [],
  bound: "ignore",
  proofAlgorithms: [],
  callers: "anyone",
  explain: false,
};

/** A policy that checks the signature (HS256) and the times of a token, and nothing else. @param changed settings */
export const plainPolicy = (changed: Partial<GenericSettings> = {}): Policy =>
  genericPolicy({ ...SETTINGS, ...changed });
