-- Every oddity that the inspection of MariaDB has to get right. Statements end with a semicolon at the end of a line.
CREATE TABLE customer (id int AUTO_INCREMENT PRIMARY KEY, name varchar(80) NOT NULL COMMENT 'As on the "invoice", 100 % exact', code char(3) UNIQUE) COMMENT 'Who buys';
CREATE TABLE orders (
    id int AUTO_INCREMENT PRIMARY KEY,
    billing int NOT NULL,
    shipping int,
    total decimal(10,2) DEFAULT 0.00,
    taxed decimal(12,4) GENERATED ALWAYS AS (total * 1.19) STORED,
    twice decimal(12,2) GENERATED ALWAYS AS (total * 2) VIRTUAL,
    secret int INVISIBLE DEFAULT 3,
    changed timestamp(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
    CONSTRAINT `bill to` FOREIGN KEY (billing) REFERENCES customer (id) ON DELETE CASCADE,
    CONSTRAINT ship_to FOREIGN KEY (shipping) REFERENCES customer (id) ON UPDATE SET NULL
);
CREATE TABLE item (order_id int, line smallint, goes text, PRIMARY KEY (order_id, line), CONSTRAINT item_order FOREIGN KEY (order_id) REFERENCES orders (id));
CREATE TABLE delivery (line smallint, order_id int, note text, CONSTRAINT delivered FOREIGN KEY (order_id, line) REFERENCES item (order_id, line));
CREATE TABLE employee (id int PRIMARY KEY, boss int, badge uuid UNIQUE, CONSTRAINT employee_boss FOREIGN KEY (boss) REFERENCES employee (id));
CREATE TABLE locker (employee_id int PRIMARY KEY, number int, CONSTRAINT locker_of FOREIGN KEY (employee_id) REFERENCES employee (id));
CREATE TABLE student (id int PRIMARY KEY);
CREATE TABLE course (id int PRIMARY KEY);
CREATE TABLE attends (
    student_id int, course_id int, since date, PRIMARY KEY (course_id, student_id),
    CONSTRAINT attends_student FOREIGN KEY (student_id) REFERENCES student (id), CONSTRAINT attends_course FOREIGN KEY (course_id) REFERENCES course (id)
);
CREATE TABLE no_key (a int, b text);
CREATE TABLE unique_only (a int NOT NULL, b int NOT NULL, c int UNIQUE, UNIQUE both_of_them (b, a));
CREATE TABLE almost_unique (a varchar(50) NOT NULL, UNIQUE almost_prefix (a(3)));
CREATE TABLE kinds (
    id bigint unsigned AUTO_INCREMENT PRIMARY KEY, a tinyint(1), b tinyint, c smallint unsigned, d decimal(12,3), e float, f double,
    g varchar(40), h longtext, i date, j time(3), k datetime(6), l timestamp NULL, m json, n uuid, o blob, p varbinary(16), q bit(3),
    r enum('sad','it''s ok','happy'), s set('x','y'), t year, u inet6, v point, w char(5), x longtext CHECK (json_valid(x)), y mediumint, z bit(1)
);
CREATE TABLE partitioned (id int PRIMARY KEY, a int) PARTITION BY HASH (id) PARTITIONS 3;
CREATE TABLE versioned (id int PRIMARY KEY, a int) WITH SYSTEM VERSIONING;
CREATE SEQUENCE counter;
CREATE VIEW plain_view AS SELECT id, name FROM customer;
CREATE VIEW joined_view AS SELECT count(*) AS many FROM customer;
CREATE TABLE soon_gone (a int);
CREATE VIEW broken_view AS SELECT a FROM soon_gone;
DROP TABLE soon_gone;
CREATE DEFINER = 'gone'@'nowhere' SQL SECURITY DEFINER VIEW `orphan % view` AS SELECT id FROM customer;
CREATE TABLE `a table, with "quotes" / slash % and 'more' ``` (`a column` int PRIMARY KEY, `50%` text, `%s %(x)s` text, `a"b` text, `a/b,c.d` text, `tick``` text);
CREATE TABLE `naïve Ünïcode 表` (`größe` int PRIMARY KEY, `列` text);
CREATE TABLE `select` (`order` int PRIMARY KEY, `group` text, `limit` text);
CREATE TABLE `Customer` (`ID` int PRIMARY KEY);
CREATE TABLE abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl (abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl int PRIMARY KEY);
CREATE TABLE rpc (id int PRIMARY KEY);
CREATE TABLE `-` (id int PRIMARY KEY);
CREATE FUNCTION add_up(a int, b decimal(5,2)) RETURNS decimal(8,2) DETERMINISTIC COMMENT 'Adds' RETURN a + b;
CREATE FUNCTION how_many() RETURNS int READS SQL DATA RETURN (SELECT count(*) FROM customer);
CREATE PROCEDURE clean_up(IN a int, INOUT b int, OUT c varchar(10)) SET c = a;
