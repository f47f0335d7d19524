import { z } from "zod";

// What entries look like where people write them: in a seed and in an import.

const description = z.string().nullable().optional();
const weak = z.boolean().optional();

/** The members of a user. */
export const userMembers = {
  id: z.string(),
  email: description,
  name: description,
  avatarUrl: description,
  provider: description,
};

/** The members of an instance, its users aside. */
export const instanceMembers = { id: z.string(), appId: z.string(), secretKeys: z.array(z.string()), weak };

/** The members of a client. */
export const clientMembers = { clientId: z.string(), clientSecret: z.string(), weak };
