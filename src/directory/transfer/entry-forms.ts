import { z } from "zod";

/** The shortest secret, in UTF-16 code units, that is accepted without `weak: true`. */
export const MIN_SECRET_LENGTH = 16;

// What entries look like where people write them: in a seed and in an import.

const description = (what: string) => z.string().nullable().optional().describe(what);
const weak = z.boolean().optional().describe("`true` admits secrets of fewer than 16 characters.");

/** The members of a user. */
export const userMembers = {
  id: z.string().describe("The user's id, unique within the instance: the `sub` of its tokens."),
  email: description("The email address."),
  name: description("The display name."),
  avatarUrl: description("The address of a picture."),
  provider: description("The identity provider with which the user signed in, such as `google`."),
};

/** The members of an instance, its users aside. */
export const instanceMembers = {
  id: z.string().describe("The instance's id."),
  appId: z.string().describe("The id of the application whose instance it is."),
  secretKeys: z
    .array(z.string())
    .describe("Any of them authenticates the instance, and verifies the tokens that it signed."),
  weak,
};

/** The members of a client. */
export const clientMembers = {
  clientId: z.string().describe("The client's id."),
  clientSecret: z.string().describe("What authenticates the client."),
  weak,
};
