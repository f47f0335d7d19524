// The floor: an Express app that reads a body and answers with bytes that the route alone decides. Argument: the answers in
// base64 by path, as JSON.
import express from "express";

const app = express();
app.disable("x-powered-by");
app.disable("etag");
for (const [path, text] of Object.entries(JSON.parse(process.argv[2]))) {
  const answer = Buffer.from(text, "base64");
  app.post(path, (req, res) => {
    req.on("data", () => {});
    req.on("end", () => {
      res.writeHead(200, { "Content-Type": "application/json", "Content-Length": answer.length });
      res.end(answer);
    });
  });
}
const server = app.listen(0, "127.0.0.1", () => {
  process.send?.({ address: `127.0.0.1:${server.address().port}` });
});
