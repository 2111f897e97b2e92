// deno-lint-ignore-file explicit-function-return-type require-await -- plain JavaScript, as its users write it
const mongoose = require("mongoose");

const schema = new mongoose.Schema({ item: String, count: Number }, { versionKey: false });
const Order = mongoose.model("Order", schema, "orders");

// There is no database: what would reach it is taken as done.
Order.collection.insertOne = async ({ _id }) => ({ acknowledged: true, insertedId: _id });

exports.placeOrder = async function placeOrder({ item, count }) {
  const order = await new Order({ item, count }).save();
  return { placed: order.item };
};
