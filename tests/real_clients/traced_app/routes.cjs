// deno-lint-ignore-file explicit-function-return-type -- plain JavaScript, as its users write it
const { placeOrder } = require("./orders.cjs");

exports.routes = function routes(router) {
  router.get("/nest/:depth", (req, res) => res.json({ reached: nest(Number(req.params.depth)) }));
  router.post("/fail", (req, res) => res.json(refuse(req.body)));
  router.get("/wait", async (_req, res) => res.json({ total: await addSlowly([1, 2, 3]) }));
  router.get("/parallel", async (_req, res) => res.json(await Promise.all([4, 3, 2, 1].map(square))));
  router.get("/many", (req, res) => res.json({ sum: sumOf(Number(req.query.calls)) }));
  router.post("/orders", async (req, res) => res.status(201).json(await placeOrder(req.body)));
  return router;
};

exports.answerFailure = function answerFailure(error, _req, res, _next) {
  res.status(409).json({ error: error.message });
};

function nest(depth) {
  return depth === 0 ? 0 : 1 + nest(depth - 1);
}

function refuse({ item }) {
  try {
    lookUp(item);
  } catch (error) {
    throw new Error(`No “${item}” today 🐟`, { cause: error });
  }
}

function lookUp(item) {
  throw new RangeError(`There is no ${item}`);
}

async function addSlowly(numbers) {
  let total = 0;
  for (const number of numbers) total += await later(number);
  return total;
}

async function square(number) {
  const value = await later(number);
  return value * value;
}

function later(number) {
  return new Promise((resolve) => setTimeout(() => resolve(number), number * 3));
}

function sumOf(calls) {
  let sum = 0;
  for (let i = 0; i < calls; i++) sum += half(i);
  return sum;
}

function half(number) {
  return number / 2;
}
