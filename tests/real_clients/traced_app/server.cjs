// An Express app whose owner added repro-nest, as its README says. It tells its port in a line of JSON.
const { initReproTracing, reproMiddleware, reproMongoosePlugin } = require("repro-nest");
const mongoose = require("mongoose");
const process = require("node:process");

const account = { appId: process.env.APP_ID, appSecret: process.env.APP_SECRET, appName: "Traced app" };
// Before the files of the app are loaded: only what comes later is traced.
if (process.env.TRACING !== "off") initReproTracing({ logFunctionCalls: false });
mongoose.plugin(reproMongoosePlugin(account));

const express = require("express");
const { routes, answerFailure } = require("./routes.cjs");

const app = express();
app.use(express.json());
app.use(reproMiddleware(account));
app.use(routes(express.Router()));
app.use(answerFailure);
const server = app.listen(0, "127.0.0.1", () => {
  process.stdout.write(JSON.stringify({ port: server.address().port }) + "\n");
});
