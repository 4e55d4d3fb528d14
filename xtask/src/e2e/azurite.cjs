// Runs Azurite's blob server on loopback until standard input ends: azurite.cjs MODULES PORT FOLDER CONTAINER.
// Makes the container and prints "ready". Each line "stop" closes the port and all connections, each line "start" opens
// it again with the same objects; both are answered with a line of their own. Azurite itself runs on behind another
// port: what it has answered it writes to its files only seconds later, so that killing it would lose objects.
const crypto = require("crypto");
const net = require("net");
const path = require("path");
const readline = require("readline");
const [modules, port, folder, container] = process.argv.slice(2);

// Not secret: the account of every emulator.
const account = "devstoreaccount1";
const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

async function makeContainer(inner) {
  const date = new Date().toUTCString();
  const version = "2021-08-06";
  const resource = `/${account}/${account}/${container}\nrestype:container`;
  const signed = `PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:${date}\nx-ms-version:${version}\n${resource}`;
  const signature = crypto.createHmac("sha256", Buffer.from(key, "base64")).update(signed, "utf8").digest("base64");
  const address = `http://127.0.0.1:${inner}/${account}/${container}?restype=container`;
  const answer = await fetch(address, {
    method: "PUT",
    headers: { "x-ms-date": date, "x-ms-version": version, Authorization: `SharedKey ${account}:${signature}` },
  });
  if (answer.status !== 201) throw new Error(await answer.text());
}

async function ready(inner) {
  for (;;) {
    try {
      return await makeContainer(inner);
    } catch (error) {
      if (!error.cause) throw error; // It answered, and not what it should.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function listen(server, port) {
  return new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
}

// Passes bytes on, until it is told to cut them off.
function door(inner) {
  const open = new Set();
  const server = net.createServer((client) => {
    const azurite = net.connect(inner, "127.0.0.1");
    for (const [socket, other] of [[client, azurite], [azurite, client]]) {
      open.add(socket);
      socket.pipe(other);
      socket.on("error", () => other.destroy());
      socket.on("close", () => (open.delete(socket), other.destroy()));
    }
  });
  return { server, cut: () => open.forEach((socket) => socket.destroy()) };
}

async function main() {
  const free = net.createServer();
  await listen(free, 0);
  const inner = free.address().port;
  await new Promise((resolve) => free.close(resolve));
  process.argv = [process.argv[0], "azurite-blob", "--blobHost", "127.0.0.1", "--blobPort", `${inner}`];
  process.argv.push("--location", folder, "--silent", "--skipApiVersionCheck", "--disableTelemetry");
  require(path.join(modules, "azurite/dist/src/blob/main.js"));
  await ready(inner);
  const { server, cut } = door(inner);
  await listen(server, Number(port));
  console.log("ready");
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    if (line === "stop") {
      server.close();
      cut();
    } else {
      await listen(server, Number(port));
    }
    console.log(line);
  });
  lines.on("close", () => process.exit(0));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
