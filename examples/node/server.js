import { createServer } from "node:http";
import { nanoid } from "nanoid";

const port = Number(process.env.PORT ?? 3000);

const server = createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ visit: nanoid(), path: request.url }) + "\n");
});

server.listen(port, () => console.log(`listening on ${port}`));

// The process is number 1 in its container: without this, the signal to stop would be ignored.
process.on("SIGTERM", () => server.close(() => process.exit(0)));
