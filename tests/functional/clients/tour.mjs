// The JavaScript client through its documentation: `node --test tour.mjs`, with the root of the API in ORCHESTRA_URL.

import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";

import { PostgrestClient } from "@supabase/postgrest-js";

const url = process.env.ORCHESTRA_URL;
const engine = url.split("/").at(-1);
const onPostgresql = { skip: engine === "postgresql" ? false : "PostgreSQL alone has them" };
const client = new PostgrestClient(url, { schema: "public", headers: { apikey: "anon" }, retry: false });

const rowsOf = async (question) => {
  const { data, error } = await question;
  assert.equal(error, null);
  return data;
};
const errorOf = async (question) => {
  const { data, error } = await question;
  assert.equal(data, null);
  assert.deepEqual(Object.keys(error).sort(), ["code", "details", "hint", "message"]);
  return error;
};

describe("select", () => {
  test("answers rows, with status and without a count", async () => {
    const answer = await client.from("teams").select().order("id");

    assert.deepEqual(answer.data, [{ id: 1, name: "Green" }, { id: 2, name: "Blue" }]);
    assert.deepEqual([answer.error, answer.count, answer.status, answer.statusText], [null, null, 200, "OK"]);
  });

  test("takes columns, renamed, cast, with spaces between them", async () => {
    const rows = await rowsOf(client.from("countries").select("id::text, name,\n inhabitants: people").eq("id", 2));

    assert.deepEqual(rows, [{ id: "2", name: "Bhutan", inhabitants: 780000 }]);
  });

  const embeds = {
    "to many": ["orchestral_sections", "name, instruments ( name )", (q) => q.eq("id", 1).order("id", { referencedTable: "instruments" }),
      [{ name: "strings", instruments: [{ name: "violin" }, { name: "viola" }] }]],
    "to one, by an alias": ["instruments", "name, section:orchestral_sections(name)", (q) => q.gte("id", 3).order("id"),
      [{ name: "flute", section: { name: "woodwinds" } }, { name: "theremin", section: null }]],
    "through a junction": ["users", "name, teams(name)", (q) => q.lt("id", 4).order("id").order("name", { referencedTable: "teams" }),
      [{ name: "Ada", teams: [{ name: "Blue" }, { name: "Green" }] }, { name: "Grace", teams: [{ name: "Green" }] },
        { name: "Joan", teams: [] }]],
    "twice, by the names of keys": ["messages", "content, from:users!messages_sender_fkey(name), to:users!messages_receiver_fkey(name)",
      (q) => q.eq("id", 1), [{ content: "Hello", from: { name: "Ada" }, to: { name: "Grace" } }]],
    "nested": ["teams", "name, users(name, messages!messages_sender_fkey(content))",
      (q) => q.eq("id", 2).order("id", { referencedTable: "users.messages" }),
      [{ name: "Blue", users: [{ name: "Ada", messages: [{ content: "Hello" }, { content: "Note to self" }] }] }]],
    "inner, filtered": ["instruments", "name, orchestral_sections!inner(name)", (q) => q.eq("orchestral_sections.name", "woodwinds"),
      [{ name: "flute", orchestral_sections: { name: "woodwinds" } }]],
    "filtered": ["orchestral_sections", "name, instruments(name)", (q) => q.eq("instruments.name", "flute").order("id").limit(2),
      [{ name: "strings", instruments: [] }, { name: "woodwinds", instruments: [{ name: "flute" }] }]],
    "counted": ["countries", "name, cities(count)", (q) => q.lte("id", 2).order("id"),
      [{ name: "Austria", cities: [{ count: 2 }] }, { name: "Bhutan", cities: [{ count: 1 }] }]],
    "spread": ["cities", "name, ...countries(country:name)", (q) => q.eq("id", 3), [{ name: "Thimphu", country: "Bhutan" }]],
    "cut": ["countries", "cities(name)", (q) => q.eq("id", 1).order("id", { referencedTable: "cities" }).limit(1, { referencedTable: "cities" }),
      [{ cities: [{ name: "Vienna" }] }]],
    "cut by range": ["countries", "cities(name)",
      (q) => q.eq("id", 1).order("id", { referencedTable: "cities" }).range(1, 1, { referencedTable: "cities" }),
      [{ cities: [{ name: "Graz" }] }]],
    "any of, in the embedded": ["countries", "cities(name)", (q) => q.eq("id", 1).or("id.eq.2,name.eq.Linz", { referencedTable: "cities" }),
      [{ cities: [{ name: "Graz" }] }]],
    "without any": ["countries", "id, cities()", (q) => q.is("cities", null), [{ id: 4 }]],
  };
  for (const [name, [table, columns, narrow, expected]] of Object.entries(embeds)) {
    test(`embeds ${name}`, async () => {
      assert.deepEqual(await rowsOf(narrow(client.from(table).select(columns))), expected);
    });
  }

  test("steps into JSON", async () => {
    const rows = await rowsOf(client.from("users").select("city:address->>city, code:address->postcode").eq("address->>city", "London"));

    assert.deepEqual(rows, [{ city: "London", code: 90210 }]);
  });

  test("aggregates, grouped by the columns beside", async () => {
    const rows = await rowsOf(client.from("instruments").select("section_id, count(), last:id.max()").gt("section_id", 0).order("section_id"));

    assert.deepEqual(rows, [{ section_id: 1, count: 2, last: 2 }, { section_id: 2, count: 1, last: 3 }]);
  });

  for (const kind of ["exact", "planned", "estimated"]) {
    test(`counts: ${kind}`, async () => {
      const { data, count, error } = await client.from("countries").select("id", { count: kind }).limit(1);

      assert.equal(error, null);
      assert.equal(data.length, 1);
      assert.ok(kind === "exact" ? count === 4 : count >= 1, `${count}`);
    });
  }

  test("counts by HEAD", async () => {
    const { data, count, status } = await client.from("countries").select("*", { count: "exact", head: true }).gt("people", 1000000);

    assert.deepEqual([data, count, status], [null, 2, 200]);
  });

  test("answers 206 for a part of what is counted", async () => {
    const { status, count } = await client.from("cities").select("id", { count: "exact" }).order("id").range(1, 2);

    assert.deepEqual([status, count], [206, 4]);
  });

  test("gives one row as an object, and none or many as PGRST116", async () => {
    assert.deepEqual(await rowsOf(client.from("teams").select("name").eq("id", 1).single()), { name: "Green" });

    const answers = [await client.from("teams").select().single(), await client.from("teams").select().eq("id", 9).single()];
    assert.deepEqual(answers.map(({ status, error }) => [status, error.code]), [[406, "PGRST116"], [406, "PGRST116"]]);
  });

  test("gives at most one row, or null", async () => {
    assert.deepEqual(await rowsOf(client.from("teams").select("name").eq("id", 2).maybeSingle()), { name: "Blue" });
    assert.equal(await rowsOf(client.from("teams").select("name").eq("id", 9).maybeSingle()), null);
    assert.equal((await errorOf(client.from("teams").select("name").maybeSingle())).code, "PGRST116");
  });

  test("gives CSV as text", async () => {
    const text = await rowsOf(client.from("teams").select().order("id").csv());

    assert.deepEqual(text.split(/\r?\n/).filter(Boolean), ["id,name", "1,Green", "2,Blue"]);
  });

  test("leaves out NULLs, of lists and of one object", async () => {
    const rows = await rowsOf(client.from("instruments").select("name, section_id").gte("id", 3).order("id").stripNulls());
    const row = await rowsOf(client.from("instruments").select("name, section_id").eq("id", 4).single().stripNulls());

    assert.deepEqual(rows, [{ name: "flute", section_id: 2 }, { name: "theremin" }]);
    assert.deepEqual(row, { name: "theremin" });
  });

  test("orders by several columns, NULLs where they are wanted, and by a related row", async () => {
    const byTwo = client.from("countries").select("id").order("people", { ascending: false, nullsFirst: true }).order("id").limit(2);
    const byRelated = client.from("cities").select("name, countries(name)").order("countries(name)", { ascending: false }).order("id").limit(2);

    assert.deepEqual((await rowsOf(byTwo)).map((row) => row.id), [4, 3]);
    assert.deepEqual((await rowsOf(byRelated)).map((row) => row.name), ["Santiago", "Thimphu"]);
  });

  test("can be aborted", async () => {
    const { error } = await client.from("teams").select().abortSignal(AbortSignal.abort());

    assert.match(error.message, /AbortError/);
  });

  test("chooses a schema", async () => {
    assert.equal((await errorOf(client.schema("nowhere").from("teams").select())).code, "PGRST106");
    if (engine === "postgresql") {
      assert.deepEqual(await rowsOf(client.schema("private").from("secrets").select()), [{ id: 1, word: "swordfish" }]);
    }
  });

  test("works without a schema and with a token that nobody gave out refused", async () => {
    const plain = new PostgrestClient(url);
    const stranger = new PostgrestClient(url, { headers: { Authorization: "Bearer nonsense" } });

    assert.deepEqual(await rowsOf(plain.from("teams").select("name").eq("id", 1)), [{ name: "Green" }]);
    const { status, error } = await stranger.from("teams").select();
    assert.deepEqual([status, error.code], [401, "PGRST301"]);
  });

  test("describes the API", async () => {
    const document = await rowsOf(client.getOpenApiSpec());

    assert.ok(document.paths["/countries"].get);
  });
});

describe("filters", () => {
  const odd = 'Côte d\'Ivoire, "RCI"';
  const filters = {
    "eq": [(q) => q.eq("name", odd), [4]],
    "neq": [(q) => q.neq("name", "Chile"), [1, 2, 4]],
    "gt": [(q) => q.gt("people", 9100000), [3]],
    "gte": [(q) => q.gte("people", 9100000), [1, 3]],
    "lt": [(q) => q.lt("people", 9100000), [2]],
    "lte": [(q) => q.lte("people", 9100000), [1, 2]],
    "like": [(q) => q.like("name", "%hutan%"), [2]],
    "like, other case": [(q) => q.like("name", "%HUTAN%"), []],
    "likeAllOf": [(q) => q.likeAllOf("name", ["%h%", "%n"]), [2]],
    "likeAnyOf": [(q) => q.likeAnyOf("name", ["A%", "C%"]), [1, 3, 4]],
    "ilike": [(q) => q.ilike("name", "%HUTAN%"), [2]],
    "ilikeAllOf": [(q) => q.ilikeAllOf("name", ["%H%", "%N"]), [2]],
    "ilikeAnyOf": [(q) => q.ilikeAnyOf("name", ["a%", "c%"]), [1, 3, 4]],
    "is": [(q) => q.is("people", null), [4]],
    "isDistinct": [(q) => q.isDistinct("people", 780000), [1, 3, 4]],
    "in": [(q) => q.in("id", [1, 3]), [1, 3]],
    "in, texts with commas": [(q) => q.in("iso2", ["AT", "a,b", "(CL)"]), [1]],
    "in, nothing": [(q) => q.in("id", []), []],
    "notIn": [(q) => q.notIn("id", [1, 3]), [2, 4]],
    "match": [(q) => q.match({ continent: "Asia", iso2: "BT" }), [2]],
    "not": [(q) => q.not("people", "is", null), [1, 2, 3]],
    "not in": [(q) => q.not("id", "in", "(1,2)"), [3, 4]],
    "or": [(q) => q.or("id.eq.2,name.eq.Austria"), [1, 2]],
    "or with and": [(q) => q.or("id.gt.3,and(id.eq.1,name.eq.Austria)"), [1, 4]],
    "or, twice": [(q) => q.or("id.eq.1,id.eq.2").or("id.eq.2,id.eq.3"), [2]],
    "filter": [(q) => q.filter("name", "in", "(Bhutan,Chile)"), [2, 3]],
    "two on one column": [(q) => q.gt("id", 1).lt("id", 4), [2, 3]],
  };
  for (const [name, [narrow, expected]] of Object.entries(filters)) {
    test(name, async () => {
      const rows = await rowsOf(narrow(client.from("countries").select("id")).order("id"));

      assert.deepEqual(rows.map((row) => row.id), expected);
    });
  }

  test("booleans", async () => {
    for (const [value, expected] of [[true, ["Ada"]], [false, ["Grace"]], [null, ["Joan"]]]) {
      const rows = await rowsOf(client.from("users").select("name").is("is_active", value));
      assert.deepEqual(rows.map((row) => row.name), expected);
    }
  });

  const special = {
    "contains an array": ["issues", (q) => q.contains("tags", ["is:open"]), [1]],
    "containedBy an array": ["issues", (q) => q.containedBy("tags", ["is:closed", "x"]), [2, 3]],
    "overlaps an array": ["issues", (q) => q.overlaps("tags", ["is:closed", "is:open"]), [1, 2]],
    "contains JSON": ["users", (q) => q.contains("address", { postcode: 90210 }), [1]],
    "rangeGt": ["reservations", (q) => q.rangeGt("during", "[2000-01-01 13:00, 2000-01-01 16:00)"), [2]],
    "rangeGte": ["reservations", (q) => q.rangeGte("during", "[2000-01-01 13:00, 2000-01-01 16:00)"), [1, 2]],
    "rangeLt": ["reservations", (q) => q.rangeLt("during", "[2000-01-02 08:30, 2000-01-02 09:30)"), [1]],
    "rangeLte": ["reservations", (q) => q.rangeLte("during", "[2000-01-02 08:30, 2000-01-02 09:30)"), [1]],
    "rangeAdjacent": ["reservations", (q) => q.rangeAdjacent("during", "[2000-01-01 12:00, 2000-01-01 13:00)"), [1]],
    "overlaps a range": ["reservations", (q) => q.overlaps("during", "[2000-01-01 12:45, 2000-01-01 13:15)"), [1]],
    "textSearch": ["texts", (q) => q.textSearch("content", "'eggs' & 'ham'", { config: "english" }), [1]],
    "textSearch, plain": ["texts", (q) => q.textSearch("content", "fat cats", { type: "plain", config: "english" }), [2]],
    "textSearch, phrase": ["texts", (q) => q.textSearch("content", "cat sat", { type: "phrase" }), [2]],
    "textSearch, of the web": ["texts", (q) => q.textSearch("content", "eggs or cat -mat", { type: "websearch", config: "english" }), [1]],
    "regexMatch": ["texts", (q) => q.regexMatch("content", "^Green.*m$"), [1]],
    "regexIMatch": ["texts", (q) => q.regexIMatch("content", "^green"), [1]],
  };
  for (const [name, [table, narrow, expected]] of Object.entries(special)) {
    test(name, onPostgresql, async () => {
      const rows = await rowsOf(narrow(client.from(table).select("id")).order("id"));

      assert.deepEqual(rows.map((row) => row.id), expected);
    });
  }

  test("an operator that an engine does not have is refused by name", { skip: engine === "postgresql" }, async () => {
    const { status, error } = await client.from("countries").select().rangeGt("name", "(1,2)");

    assert.deepEqual([status, error.code], [400, "QAPLA100"]);
  });
});

describe("writes", () => {
  const clean = async () => {
    await rowsOf(client.from("cities").delete().gte("id", 20));
    await rowsOf(client.from("countries").delete().gte("id", 5));
    await rowsOf(client.from("teams").delete().gte("id", 3));
    await rowsOf(client.from("teams").upsert([{ id: 1, name: "Green" }, { id: 2, name: "Blue" }]));
    await rowsOf(client.from("users").update({ name: "Ada", address: { city: "London" } }).eq("id", 1));
    await rowsOf(client.from("instruments").update({ name: "violin" }).eq("id", 1));
  };
  beforeEach(clean);
  after(clean);

  test("an insert answers nothing, 201", async () => {
    const answer = await client.from("countries").insert({ name: "Denmark", iso2: "DK" });

    assert.deepEqual([answer.data, answer.error, answer.status, answer.statusText], [null, null, 201, "Created"]);
  });

  test("an insert answers the row, with related rows, where they are asked for", async () => {
    const row = await rowsOf(client.from("cities").insert({ id: 30, country_id: 1, name: "Linz" }).select("name, countries(name)").single());

    assert.deepEqual(row, { name: "Linz", countries: { name: "Austria" } });
  });

  test("an insert of many fills what a row leaves out with NULL, or with defaults", async () => {
    const nulls = client.from("countries").insert([{ id: 21, name: "Egypt" }, { id: 22, name: "Fiji", continent: "Oceania" }]);
    const { data, count } = await nulls.select("id, continent");
    const defaults = client.from("countries").insert([{ id: 23, name: "Gabon" }, { id: 24, name: "Haiti", people: 1 }], { defaultToNull: false });

    assert.deepEqual([data, count], [[{ id: 21, continent: null }, { id: 22, continent: "Oceania" }], null]);
    assert.deepEqual(await rowsOf(defaults.select("continent")), [{ continent: "Earth" }, { continent: "Earth" }]);
  });

  test("an insert counts", async () => {
    const { count, status } = await client.from("teams").insert([{ id: 20, name: "a" }, { id: 21, name: "b" }], { count: "exact" });

    assert.deepEqual([count, status], [2, 201]);
  });

  test("an upsert changes by key, by a unique column, or leaves alone", async () => {
    const byKey = await rowsOf(client.from("teams").upsert({ id: 1, name: "Lime" }).select());
    const many = await rowsOf(client.from("teams").upsert([{ id: 2, name: "Navy" }, { id: 31, name: "Red" }]).select("name"));
    const byColumn = await rowsOf(client.from("users").upsert({ handle: "ada", name: "Countess" }, { onConflict: "handle" }).select("id, name"));
    const ignored = await rowsOf(
      client.from("teams").upsert([{ id: 1, name: "No" }, { id: 32, name: "Yes" }], { ignoreDuplicates: true }).select(),
    );

    assert.deepEqual(byKey, [{ id: 1, name: "Lime" }]);
    assert.deepEqual(many.map((row) => row.name).sort(), ["Navy", "Red"]);
    assert.deepEqual(byColumn, [{ id: 1, name: "Countess" }]);
    assert.deepEqual(ignored, [{ id: 32, name: "Yes" }]);
  });

  test("an update answers nothing, 204, or the rows; JSON goes in and out", async () => {
    const nothing = await client.from("instruments").update({ name: "piano" }).eq("id", 1);
    const counted = await client.from("instruments").update({ name: "piano" }, { count: "exact" }).eq("id", 1);
    const address = { street: "Main", n: [1, null, { a: "ü" }] };
    const json = await rowsOf(client.from("users").update({ address }).eq("id", 1).select("address"));

    assert.deepEqual([nothing.data, nothing.error, nothing.status], [null, null, 204]);
    assert.deepEqual([counted.count, counted.status], [1, 204]);
    assert.deepEqual(json, [{ address }]);
  });

  test("a delete answers nothing, 204, or the rows", async () => {
    await rowsOf(client.from("teams").insert([{ id: 20, name: "a" }, { id: 21, name: "b" }, { id: 22, name: "c" }]));

    const nothing = await client.from("teams").delete().eq("id", 20);
    const counted = await client.from("teams").delete({ count: "exact" }).eq("id", 21);
    const rows = await rowsOf(client.from("teams").delete().in("id", [22, 23]).select());

    assert.deepEqual([nothing.data, nothing.error, nothing.status], [null, null, 204]);
    assert.equal(counted.count, 1);
    assert.deepEqual(rows, [{ id: 22, name: "c" }]);
  });

  test("a dry run keeps nothing", async () => {
    const row = await rowsOf(client.from("teams").update({ name: "x" }).eq("id", 1).select("name").rollback());

    assert.deepEqual(row, [{ name: "x" }]);
    assert.deepEqual(await rowsOf(client.from("teams").select("name").eq("id", 1)), [{ name: "Green" }]);
  });

  test("a bound on the rows that change holds", async () => {
    const error = await errorOf(client.from("instruments").update({ name: "x" }).gt("id", 0).maxAffected(2));

    assert.equal(error.code, "PGRST124");
    assert.deepEqual(await rowsOf(client.from("instruments").select("name").eq("id", 1)), [{ name: "violin" }]);
  });
});

describe("functions", () => {
  const missing = { skip: engine === "sqlite" ? "SQLite has no stored functions" : false };

  test("are called with arguments by name", missing, async () => {
    assert.equal(await rowsOf(client.rpc("hello_world")), "Hello world");
    assert.equal(await rowsOf(client.rpc("echo", { say: "👋" })), "👋");
    assert.equal(await rowsOf(client.rpc("add_them", { a: 2, b: 3 })), 5);
    assert.equal((await errorOf(client.rpc("add_them", { a: 2 }))).code, "PGRST202");
  });

  test("do their work, and are rolled back by a dry run", missing, async () => {
    const { error } = await client.rpc("add_planet", { name: "Jakku" }).rollback();

    assert.equal(error, null);
    assert.deepEqual(await rowsOf(client.from("teams").select().eq("name", "Jakku")), []);
  });

  test("are refused where there are none", { skip: engine !== "sqlite" }, async () => {
    const { status, error } = await client.rpc("hello_world");

    assert.deepEqual([status, error.code], [404, "PGRST202"]);
  });

  test("give rows that are filtered, ordered, counted and embedded", onPostgresql, async () => {
    const rows = await rowsOf(client.rpc("list_countries").select("name, cities(name)").eq("id", 2));
    const one = await rowsOf(client.rpc("list_countries", {}, { get: true }).select("name").eq("id", 3).single());
    const counted = await client.rpc("list_countries", {}, { count: "exact" }).order("id").limit(2);
    const head = await client.rpc("list_countries", {}, { count: "exact", head: true });

    assert.deepEqual(rows, [{ name: "Bhutan", cities: [{ name: "Thimphu" }] }]);
    assert.deepEqual(one, { name: "Chile" });
    assert.deepEqual([counted.data.length, counted.count, head.count], [2, 4, 4]);
    assert.deepEqual(await rowsOf(client.rpc("add_them", { a: 2, b: 3 }, { get: true })), 5);
  });
});

describe("errors", () => {
  const errors = {
    "unique": [(c) => c.from("countries").insert({ name: "x", iso2: "AT" }), 409, "23505"],
    "foreign key": [(c) => c.from("cities").insert({ name: "x", country_id: 99 }), 409, "23503"],
    "not null": [(c) => c.from("countries").insert({ iso2: "XX" }), 400, "23502"],
    "check": [(c) => c.from("countries").insert({ name: "x", people: -1 }), 400, "23514"],
    "value": [(c) => c.from("countries").select().eq("id", "abc"), 400, "22P02"],
    "column": [(c) => c.from("countries").select("nothing"), 400, "42703"],
    "column of a body": [(c) => c.from("countries").insert({ nothing: 1 }), 400, "PGRST204"],
    "table": [(c) => c.from("nothing").select(), 404, "PGRST205"],
    "relation": [(c) => c.from("countries").select("teams(*)"), 400, "PGRST200"],
    "ambiguous relation": [(c) => c.from("messages").select("users(*)"), 300, "PGRST201"],
    "range behind the end": [(c) => c.from("cities").select("id", { count: "exact" }).range(20, 29), 416, "PGRST103"],
    "change without a filter": [(c) => c.from("teams").delete(), 400, "QAPLA101"],
  };
  for (const [name, [ask, status, code]] of Object.entries(errors)) {
    test(name, async () => {
      const answer = await ask(client);

      assert.deepEqual([answer.status, answer.error.code, answer.data], [status, code, null]);
    });
  }

  test("are thrown where that is asked for", async () => {
    await assert.rejects(async () => client.from("nothing").select().throwOnError(), { name: "PostgrestError", code: "PGRST205" });
  });
});

describe("browsers", () => {
  const origin = "https://app.example.org";

  test("may ask from an origin that the connection names, with all that the client sends", async () => {
    const wanted = "apikey,authorization,accept-profile,content-profile,content-type,prefer,x-client-info";
    const headers = { Origin: origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": wanted };
    const preflight = await fetch(`${url}/teams`, { method: "OPTIONS", headers });
    const answer = await fetch(`${url}/teams?id=eq.1`, { headers: { Origin: origin, apikey: "anon", Prefer: "count=exact" } });

    assert.equal(preflight.headers.get("Access-Control-Allow-Origin"), origin);
    assert.match(preflight.headers.get("Access-Control-Allow-Methods"), /PATCH/);
    assert.equal(preflight.headers.get("Access-Control-Allow-Headers").replaceAll(" ", "").toLowerCase(), wanted);
    assert.equal(answer.headers.get("Access-Control-Allow-Origin"), origin);
    assert.match(answer.headers.get("Access-Control-Expose-Headers"), /Content-Range/);
  });

  test("may not ask from another", async () => {
    const answer = await fetch(`${url}/teams?id=eq.1`, { headers: { Origin: "https://evil.example.org" } });

    assert.equal(answer.headers.get("Access-Control-Allow-Origin"), null);
  });
});
