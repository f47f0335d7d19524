// The floor: a grpc-js server that answers every call, and every message of a stream, with the same bytes, decoding and
// deciding nothing. Arguments: the answer of a call and that of a message, in base64.
import { Server, ServerCredentials } from "@grpc/grpc-js";

const [answer, streamed] = process.argv.slice(2).map((text) => Buffer.from(text, "base64"));
const asIs = (bytes) => bytes;
const method = (name, isStream) => ({
  path: `/tokenverifier.v1.TokenVerifier/${name}`,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
});
const server = new Server();
server.addService(
  { verifyToken: method("VerifyToken", false), streamVerifyTokens: method("StreamVerifyTokens", true) },
  {
    verifyToken: (_call, callback) => callback(null, answer),
    streamVerifyTokens(call) {
      call.on("data", () => call.write(streamed));
      call.on("end", () => call.end());
      call.on("error", () => {});
    },
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send?.({ address: `127.0.0.1:${port}` });
});
