// Sends as an application does, through an unmodified library; prints which events the library gave up.
// Arguments: package, address, directory, number of events. It sends the second half when the file `go` is there.
const fs = require("fs");
const path = require("path");
const [name, host, directory, count] = process.argv.slice(2);
const failed = [];
const told = [];
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const given = (own) => (error) => { if (error) { failed.push(own); told.push(String(error.reason || error)); } };
const segment = name.startsWith("@segment");

// RudderStack's library flushes by a timer too, and nobody catches what that flush fails with.
process.on("unhandledRejection", (error) => told.push(String(error)));

async function main() {
  let client;
  if (segment) {
    const { Analytics } = require(name);
    client = new Analytics({ writeKey: "KEY", host, flushAt: 10, flushInterval: 100, maxRetries: 20 });
  } else {
    const Analytics = require(name).default || require(name);
    client = new Analytics("KEY", { dataPlaneUrl: host, flushAt: 10, flushInterval: 100, retryCount: 20 });
  }
  const track = (own, properties) => client.track({ userId: "7", event: "order_placed", properties, messageId: own }, given(own));
  for (let number = 0; number < Number(count); number++) {
    if (number === Number(count) / 2) {
      fs.writeFileSync(path.join(directory, "half"), "");
      while (!fs.existsSync(path.join(directory, "go"))) await wait(50);
    }
    track(`${name}-${number}`, { order_id: number, order_value: 9.5 });
  }
  track(`${name}-large`, { order_id: "x".repeat(20000), order_value: 1 });
  track(`${name}-bad`, { order_id: "x", order_value: 1 });
  client.identify({ userId: "7", traits: { email: "a@b.example" } });
  client.page({ userId: "7", name: "Home" });
  client.screen({ userId: "7", name: "Cart" });
  client.group({ userId: "7", groupId: "g-1" });
  client.alias({ userId: "7", previousId: "a-1" });
  await wait(3000);
  for (const [size, own] of [[1, "before"], [28000, "huge"], [1, "after"]]) {
    track(`${name}-${own}`, { order_id: 1, order_value: 1, note: "x".repeat(size) });
  }
  if (segment) await client.closeAndFlush({ timeout: 90000 });
  else await client.flush().catch((error) => told.push(String(error)));
  await wait(1000);
  console.log(JSON.stringify({ failed, told }));
  process.exit(0);
}
main();
