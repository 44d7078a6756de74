// Runs once, when the volume is empty. The service's user may do nothing outside its own database.
db.getSiblingDB("payments").createUser({
  user: "payment",
  pwd: process.env.PAYMENT_MONGODB_PASSWORD,
  roles: [{ role: "readWrite", db: "payments" }],
});
