CREATE TYPE mood AS ENUM ('sad', 'very happy');
CREATE TYPE spot AS (x int, y int);
CREATE DOMAIN somewhere AS spot;
CREATE DOMAIN "text/html" AS text;
CREATE DOMAIN "*/*" AS bytea;
CREATE SCHEMA other;
CREATE TYPE other.pair AS (a int, b text);
CREATE TABLE boss (id int PRIMARY KEY, name text, boss_id int REFERENCES boss);
CREATE TABLE task (id int PRIMARY KEY, boss_id int REFERENCES boss, title text);
INSERT INTO boss VALUES (1, 'Ada', NULL), (2, 'Bo', 1), (3, 'Cy', 1);
INSERT INTO task VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c');
CREATE SEQUENCE calls;

CREATE FUNCTION add_them(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
COMMENT ON FUNCTION add_them IS 'Adds two numbers';
CREATE FUNCTION three_defaults(a int DEFAULT 1, b int DEFAULT 2, c int DEFAULT 3) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b + c';
CREATE FUNCTION bosses() RETURNS SETOF boss LANGUAGE sql STABLE AS 'SELECT * FROM boss';
CREATE FUNCTION first_bosses(id int) RETURNS SETOF boss LANGUAGE sql STABLE AS 'SELECT * FROM boss b WHERE b.id <= first_bosses.id';
CREATE FUNCTION one_boss(id int) RETURNS boss LANGUAGE sql STABLE AS 'SELECT * FROM boss b WHERE b.id = one_boss.id';
CREATE FUNCTION gives_nothing() RETURNS void LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION gives_null() RETURNS int LANGUAGE sql STABLE AS 'SELECT NULL::int';
CREATE FUNCTION gives_numbers() RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT generate_series(1, 3)';
CREATE FUNCTION gives_json() RETURNS json LANGUAGE sql STABLE AS $$SELECT '{"a": [1, 2]}'::json$$;
CREATE FUNCTION gives_point() RETURNS spot LANGUAGE sql STABLE AS 'SELECT 1, 2';
CREATE FUNCTION gives_somewhere() RETURNS somewhere LANGUAGE sql STABLE AS 'SELECT (1, 2)::somewhere';
CREATE FUNCTION gives_table(n int) RETURNS TABLE (a int, "B b" text) LANGUAGE sql STABLE AS $$SELECT i, 'x' || i FROM generate_series(1, n) i$$;
CREATE FUNCTION gives_one_out(num int, OUT more int) LANGUAGE sql STABLE AS 'SELECT num + 1';
CREATE FUNCTION gives_inouts(INOUT num int, INOUT str text, INOUT yes bool DEFAULT true) LANGUAGE sql STABLE AS 'SELECT num, str, yes';
CREATE FUNCTION gives_record() RETURNS record LANGUAGE sql STABLE AS 'SELECT id, name FROM boss WHERE id = 1';
CREATE FUNCTION gives_records() RETURNS SETOF record LANGUAGE sql STABLE AS 'SELECT id, name FROM boss WHERE id < 3';
CREATE FUNCTION many(VARIADIC v text[] DEFAULT '{}') RETURNS text[] LANGUAGE sql IMMUTABLE AS 'SELECT v';
CREATE FUNCTION whole_json(json) RETURNS json LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION whole_text(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION whole_bytes(bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION whole_int(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION over() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION over(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
CREATE FUNCTION over(a text, b text, c text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT a || b || c';
CREATE FUNCTION over(json) RETURNS json LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION over(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION alike(arg int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT arg';
CREATE FUNCTION alike(arg text, num int DEFAULT 0) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT arg';
CREATE FUNCTION say(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'Hello, ' || name$$;
CREATE FUNCTION call_counter() RETURNS bigint LANGUAGE sql AS $$SELECT nextval('calls')$$;
CREATE FUNCTION add_boss(id int, name text) RETURNS SETOF boss LANGUAGE sql AS 'INSERT INTO boss (id, name) VALUES ($1, $2) RETURNING *';
CREATE FUNCTION counted() RETURNS SETOF bigint LANGUAGE sql AS $$SELECT nextval('calls') FROM generate_series(1, 2)$$;
CREATE FUNCTION take_points(p spot, ps spot[] DEFAULT NULL) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT p.x + p.y + coalesce(cardinality(ps), 0)';
CREATE FUNCTION take_pair(p other.pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT p.b || p.a';
CREATE FUNCTION kinds(m mood, d date, arr int[], j jsonb, n numeric, bytes bytea, yes bool) RETURNS json LANGUAGE sql STABLE
    AS 'SELECT json_build_array(m, d, arr, j, n, bytes, yes)';
CREATE FUNCTION "odd / ""näme"", 1"("a b" int, "ord""er" text DEFAULT 'x%s', "select" int DEFAULT 5) RETURNS text
    LANGUAGE sql IMMUTABLE AS $$SELECT "a b"::text || "ord""er" || "select"$$;
CREATE FUNCTION page() RETURNS "text/html" LANGUAGE sql STABLE AS $$SELECT '<b>hi</b>'$$;
CREATE FUNCTION anything() RETURNS "*/*" LANGUAGE sql STABLE AS $$SELECT 'abc'::bytea$$;
CREATE FUNCTION raise_pt() RETURNS void LANGUAGE plpgsql STABLE AS
    $$BEGIN RAISE SQLSTATE 'PT402' USING message = 'Payment Required', detail = 'Quota exceeded', hint = 'Upgrade'; END$$;
CREATE FUNCTION raise_plainly() RETURNS void LANGUAGE plpgsql STABLE AS $$BEGIN RAISE 'oh no'; END$$;
CREATE FUNCTION raise_pgrst(message text, detail text) RETURNS void LANGUAGE plpgsql STABLE AS
    $$BEGIN RAISE SQLSTATE 'PGRST' USING message = message, detail = detail; END$$;
CREATE FUNCTION teapot() RETURNS json LANGUAGE plpgsql STABLE AS $$BEGIN
    PERFORM set_config('response.status', '418', true);
    PERFORM set_config('response.headers', '[{"X-Tea": "green"}, {"Set-Cookie": "a=1"}, {"Set-Cookie": "b=2"}]', true);
    RETURN '{"message": "short and stout"}'::json;
END$$;
CREATE FUNCTION setting(name text) RETURNS text LANGUAGE sql STABLE AS 'SELECT current_setting(name, true)';
CREATE FUNCTION strict_isolation() RETURNS text LANGUAGE sql STABLE SET default_transaction_isolation TO 'serializable'
    AS $$SELECT current_setting('transaction_isolation')$$;
CREATE PROCEDURE proc(a int) LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION going() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
CREATE FUNCTION long_list(n int) RETURNS TABLE (i int) LANGUAGE plpgsql STABLE AS $$BEGIN
    PERFORM set_config('response.headers', '[{"X-Own": "kept"}]', true);
    RETURN QUERY SELECT generate_series(1, n);
END$$;
