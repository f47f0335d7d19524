// The floor: a node:http2 server that answers every unary gRPC call with the same bytes, with gRPC's framing and trailers
// and without grpc-js. Argument: the answer in base64.
import http2 from "node:http2";

const answer = Buffer.from(process.argv[2] ?? "", "base64");
const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, 0]), answer]);
frame.writeUInt32BE(answer.length, 1);
const server = http2.createServer();
server.on("stream", (stream) => {
  const chunks = [];
  stream.on("error", () => {});
  stream.on("data", (chunk) => chunks.push(chunk));
  stream.on("end", () => {
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "grpc-message": "OK" }));
    stream.end(frame);
  });
});
server.listen(0, "127.0.0.1", () => process.send?.({ address: `127.0.0.1:${server.address().port}` }));
