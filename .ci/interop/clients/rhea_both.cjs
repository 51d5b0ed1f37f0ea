#!/usr/bin/env node
'use strict';
/* Sends three messages to a node, receives three, and closes: rhea_both.cjs URL. Leaves all else to rhea: what a server ends, and
 * what is wrong, is answered by the library. For `conformance --listen`. */
const rhea = require('rhea');

const COUNT = 3;
const url = new URL(process.argv[2]);
const container = rhea.create_container({ id: 'rhea' });
const node = decodeURIComponent(url.pathname.slice(1));
let accepted = 0;
let received = 0;

function look(context) {
  if (accepted === COUNT && received === COUNT) context.connection.close();
}

container.once('sendable', (context) => {
  for (let at = 0; at < COUNT; at++) context.sender.send({ body: `message ${at}` });
});
container.on('accepted', (context) => { accepted++; look(context); });
container.on('message', (context) => { received++; setTimeout(look, 50, context); });
for (const name of ['error', 'connection_error', 'session_error', 'sender_error', 'receiver_error', 'disconnected']) {
  container.on(name, () => {});
}
const connection = container.connect({ host: url.hostname, port: url.port, username: 'anonymous', reconnect: false });
connection.open_sender(node);
connection.open_receiver({ source: node, credit_window: COUNT });
