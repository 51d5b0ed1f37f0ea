// Drives a connection in WebAssembly under Node: node run.cjs HOST:PORT MODULE, the module as wasm-bindgen makes it.
const net = require("node:net");
const path = require("node:path");

const [broker, modulePath] = process.argv.slice(2);
if (!broker || !modulePath) {
  console.error("the arguments are the address and port of a broker, and the module");
  process.exit(2);
}
const { Driver } = require(path.resolve(modulePath));
const nothing = new Uint8Array(0);
const driver = new Driver(performance.now());
const colon = broker.lastIndexOf(":");
const socket = net.connect(Number(broker.slice(colon + 1)), broker.slice(0, colon));
let timer, last;

function turn(input) {
  const output = driver.turn(performance.now(), input);
  // While the socket has output of its own to write, nothing is read.
  if (output.length > 0 && !socket.write(output)) socket.pause();
  clearTimeout(timer);
  if (driver.is_over()) {
    // The peer has a second to read the last octets and to end its direction.
    last ??= setTimeout(() => socket.destroy(), 1_000);
    return socket.end();
  }
  const deadline = driver.deadline();
  if (deadline !== undefined) timer = setTimeout(turn, Math.max(0, deadline - performance.now()), nothing);
}

function end(failure) {
  clearTimeout(timer);
  clearTimeout(last);
  socket.destroy();
  try {
    if (failure) throw failure;
    console.log(driver.verdict());
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}

socket.once("connect", () => turn(nothing));
socket.on("data", turn);
socket.on("drain", () => socket.resume());
socket.on("end", () => {
  driver.end_of_input();
  turn(nothing);
});
socket.once("error", end);
socket.once("close", (hasFailed) => hasFailed || end());
