-- Every oddity that the inspection of SQLite has to get right. Statements end with a semicolon at the end of a line.
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, code CHAR(3) UNIQUE, note);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    billing INTEGER NOT NULL CONSTRAINT "bill to" REFERENCES Customer ON DELETE CASCADE, -- REFERENCES nothing
    shipping INTEGER REFERENCES customer (ID) ON UPDATE SET NULL,
    total NUMERIC(10,2) DEFAULT 0.00 CHECK (total > 0),
    taxed NUMERIC GENERATED ALWAYS AS (total * 1.19) STORED,
    twice GENERATED ALWAYS AS (total * 2) VIRTUAL
);
CREATE TABLE item (order_id INTEGER REFERENCES orders, line SMALLINT, goes TEXT, PRIMARY KEY (order_id, line));
CREATE TABLE delivery (line SMALLINT, order_id INTEGER, note TEXT, CONSTRAINT delivered FOREIGN KEY (order_id, line) REFERENCES item (order_id, line));
CREATE TABLE employee (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES employee, badge UUID UNIQUE);
CREATE TABLE locker (employee_id INTEGER PRIMARY KEY REFERENCES employee, number INTEGER) WITHOUT ROWID;
CREATE TABLE student (id INTEGER PRIMARY KEY);
CREATE TABLE course (id INTEGER PRIMARY KEY);
CREATE TABLE attends (student_id INTEGER REFERENCES student, course_id INTEGER REFERENCES course, since DATE, PRIMARY KEY (course_id, student_id));
CREATE TABLE no_key (a INTEGER, b TEXT);
CREATE TABLE unique_only (a INTEGER NOT NULL, b INTEGER NOT NULL, c INTEGER UNIQUE, UNIQUE (b, a));
CREATE TABLE almost_unique (a INTEGER NOT NULL, b TEXT NOT NULL);
CREATE UNIQUE INDEX almost_partial ON almost_unique (a) WHERE a > 0;
CREATE UNIQUE INDEX almost_expression ON almost_unique (lower(b));
CREATE TABLE descending (id INTEGER PRIMARY KEY DESC, a TEXT);
CREATE TABLE strict_one (id INT PRIMARY KEY, a ANY, b TEXT) STRICT;
CREATE TABLE lost (id INTEGER PRIMARY KEY, nowhere INTEGER REFERENCES not_there (id), keyless INTEGER REFERENCES no_key);
CREATE TABLE kinds (
    id INTEGER PRIMARY KEY, a BOOLEAN, b BIGINT, c DECIMAL(12,3), d REAL, e DOUBLE PRECISION, f NVARCHAR(40), g CLOB, h DATE, i TIME,
    j DATETIME, k TIMESTAMP, l "TIMESTAMP WITH TIME ZONE", m JSON, n UUID, o BLOB, p VARBINARY(16), q MONEY, r, s "WEIRD THING", t UNSIGNED BIG INT
);
CREATE VIEW plain_view AS SELECT id, name, length(name) AS size FROM customer;
CREATE VIEW written_view AS SELECT id, name FROM customer;
CREATE TRIGGER written INSTEAD OF INSERT ON written_view BEGIN INSERT INTO customer (id, name) VALUES (new.id, new.name); END;
CREATE TABLE soon_gone (a INTEGER);
CREATE VIEW broken_view AS SELECT a FROM soon_gone;
DROP TABLE soon_gone;
CREATE VIRTUAL TABLE search USING fts5(words);
CREATE TABLE "a table, with ""quotes"" / slash % and 'more'" ("a column" INTEGER PRIMARY KEY, "50%" TEXT, "%s %(x)s" TEXT, "a""b" TEXT, "a/b,c.d" TEXT);
CREATE TABLE "naïve Ünïcode 表 🙂" ("größe" INTEGER PRIMARY KEY, "列" TEXT);
CREATE TABLE "select" ("order" INTEGER PRIMARY KEY, "group" TEXT, "limit" TEXT, "user" INTEGER REFERENCES "select" DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk (abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk INTEGER PRIMARY KEY);
CREATE TABLE rpc (id INTEGER PRIMARY KEY);
CREATE TABLE "-" (id INTEGER PRIMARY KEY);
INSERT INTO customer (id, name) VALUES (1, 'one'), (2, 'two');
ANALYZE;
