// PostGraphile 5 over the tables of the benchmark, with its own preset and Node's server.
import { createServer } from "node:http";
import { grafserv } from "postgraphile/grafserv/node";
import { postgraphile } from "postgraphile";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { makePgService } from "postgraphile/adaptors/pg";

// What PostGraphile takes from Node 22, where Node is older.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((keep, drop) => { resolve = keep; reject = drop; });
  return { promise, resolve, reject };
};

const [port, url] = process.argv.slice(2);
const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [makePgService({ connectionString: url, schemas: ["public"], poolConfig: { max: 5 } })],
  grafserv: { graphqlPath: "/graphql", graphiql: false },
  grafast: { explain: false },
});
const server = createServer();
await instance.createServ(grafserv).addTo(server);
server.listen(Number(port), "127.0.0.1");
