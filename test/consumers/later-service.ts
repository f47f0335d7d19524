import { type Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { VerifyTokenRequest } from "../../gen/tokenverifier/v1/token_verifier.js";

// A service of a later version, or one in trouble, that answers with bytes that ours does not send today; the realm of a
// request selects the answer.

const ANSWERS: Readonly<Record<string, Buffer>> = {
  // rejected: { reason: 999, claim: "x" }
  "later reason": Buffer.from("1206 08e707 120178".replaceAll(" ", ""), "hex"),
  // Field 15 does not exist today.
  "later verdict": Buffer.from("7a00", "hex"),
  // verified: { token: { subject: "user" } }
  "in trouble at first": Buffer.from("0a08 0a06 0a04 75736572".replaceAll(" ", ""), "hex"),
};

type Call = { readonly request: VerifyTokenRequest; readonly metadata: Metadata };
type Answer = (error: object | null, bytes?: Buffer) => void;

/** A running service of a later version. */
export interface LaterService {
  readonly address: string;
  close(): void;
}

/** Starts a service of a later version at any free port. */
export async function startLaterService(): Promise<LaterService> {
  const server = new Server();
  server.addService(
    {
      verifyToken: {
        path: "/tokenverifier.v1.TokenVerifier/VerifyToken",
        requestStream: false,
        responseStream: false,
        requestSerialize: () => Buffer.alloc(0),
        requestDeserialize: (bytes: Buffer) => VerifyTokenRequest.decode(bytes),
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    {
      verifyToken: ({ request: { realm }, metadata }: Call, answer: Answer) => {
        const bytes = ANSWERS[realm];
        const again = metadata.get("grpc-previous-rpc-attempts").length > 0;
        if (bytes === undefined) answer({ code: status.NOT_FOUND });
        else if (realm === "in trouble at first" && !again) answer({ code: status.UNAVAILABLE });
        else answer(null, bytes);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}
