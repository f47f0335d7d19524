// The floor: a node:http server that reads a body and answers with bytes that the path alone decides. Argument: the answers
// in base64 by path, as JSON.
import http from "node:http";

const answers = new Map(
  Object.entries(JSON.parse(process.argv[2])).map(([path, text]) => [path, Buffer.from(text, "base64")]),
);
const server = http.createServer((req, res) => {
  const answer = answers.get(req.url);
  req.on("data", () => {});
  req.on("end", () => {
    res.writeHead(200, { "Content-Type": "application/json", "Content-Length": answer.length });
    res.end(answer);
  });
});
server.listen(0, "127.0.0.1", () => process.send?.({ address: `127.0.0.1:${server.address().port}` }));
