/** The roles of operators; each allows what the ones before it allow. */
export const ROLES = ["read", "revoke", "write", "admin"] as const;

/** One of {@link ROLES}. */
export type Role = (typeof ROLES)[number];

/** Who asks at the operators' port. */
export interface Operator {
  /** The name in the audit, such as `key:deploy`: 1 to 255 characters. */
  readonly actor: string;
  readonly role: Role;
}

/** Whether a role allows what needs another. */
export const allows = (role: Role, needed: Role): boolean => ROLES.indexOf(role) >= ROLES.indexOf(needed);
