const express = require("express");

const app = express();
const products = new Map([
  [1, { id: 1, name: "coffee", price: 89 }],
  [2, { id: 2, name: "tea", price: 59 }],
]);

app.get("/products", (request, response) => response.json([...products.values()]));

app.get("/products/:id", (request, response) => {
  const product = products.get(Number(request.params.id));
  if (!product) {
    return response.status(404).json({ error: "no such product" });
  }
  return response.json(product);
});

app.get("/health", (request, response) => response.json({ status: "up" }));

const port = Number(process.env.PORT ?? 3000);
const server = app.listen(port, () => console.log(`listening on ${port}`));

// The process is number 1 in its container: without this, the signal to stop would be ignored.
process.on("SIGTERM", () => server.close(() => process.exit(0)));
