// The floor: an Express app with one route that answers every request with the same bytes.
import express from "express";

const answer = Buffer.from(process.argv[2] ?? "", "base64");
const app = express();
app.disable("x-powered-by");
app.disable("etag");
app.all("/api/verify-token", (_req, res) => {
  res.writeHead(200, { "Content-Type": "application/json", "Content-Length": answer.length });
  res.end(answer);
});
const server = app.listen(0, "127.0.0.1", () => {
  process.send?.({ address: `127.0.0.1:${server.address().port}` });
});
