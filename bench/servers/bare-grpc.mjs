// The floor: a grpc-js server that answers every call with the same bytes, decoding and deciding nothing.
import { Server, ServerCredentials } from "@grpc/grpc-js";

const answer = Buffer.from(process.argv[2] ?? "", "base64");
const asIs = (bytes) => bytes;
const server = new Server();
server.addService(
  {
    verifyToken: {
      path: "/tokenverifier.v1.TokenVerifier/VerifyToken",
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  },
  { verifyToken: (_call, callback) => callback(null, answer) },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send?.({ address: `127.0.0.1:${port}` });
});
