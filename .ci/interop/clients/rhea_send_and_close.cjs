// Sends one message to the address `examples` of the peer on port 5672, and closes the link and the connection in the same
// turn, as the first program of Qpid Proton does: nothing is waited for but credit.
"use strict";
const container = require("rhea");

container.once("sendable", (context) => {
  context.sender.send({ body: process.argv[2] });
  context.sender.close();
  context.connection.close();
});
container.on("error", (error) => {
  console.error(`error: ${error}`);
  process.exitCode = 1;
});
container.on("connection_close", () => console.log("sent and closed"));
container.connect({ host: "localhost", port: 5672, reconnect: false }).open_sender("examples");
