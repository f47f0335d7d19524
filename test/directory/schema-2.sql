-- A store of schema 2, as the program of that time wrote it: instance i, user ü and client c under a master key of 32 bytes 1,
-- then instance j and client d under one of 32 bytes 2.
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE audit (
    position INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    command TEXT NOT NULL,
    subject TEXT NOT NULL
  ) STRICT;
INSERT INTO "audit" VALUES(1,1700000000000,'first','putInstance','{"instanceId":"i","appId":"app of i","secretKeys":2}');
INSERT INTO "audit" VALUES(2,1700000000001,'first','putUser','{"instanceId":"i","userId":"ü"}');
INSERT INTO "audit" VALUES(3,1700000000002,'first','putClient','{"clientId":"c"}');
INSERT INTO "audit" VALUES(4,1700000000003,'first','putInstance','{"instanceId":"gone","appId":"app of gone","secretKeys":1}');
INSERT INTO "audit" VALUES(5,1700000000004,'first','removeInstance','{"instanceId":"gone"}');
INSERT INTO "audit" VALUES(6,1700000000005,'second','putInstance','{"instanceId":"j","appId":"app of j","secretKeys":1}');
INSERT INTO "audit" VALUES(7,1700000000006,'second','putClient','{"clientId":"d"}');
INSERT INTO "audit" VALUES(8,1700000000008,'second','revoke','{"realm":"plain","jti":"a","until":1900000000}');
INSERT INTO "audit" VALUES(9,1700000000010,'second','revoke','{"realm":"plain","jti":"for good","until":null}');
INSERT INTO "audit" VALUES(10,1700000000012,'second','revoke','{"realm":"clowk/i","jti":"b","until":1900000000}');
INSERT INTO "audit" VALUES(11,1700000000014,'second','revoke','{"realm":"tenants/https://issuer.example/a","jti":"c","until":null}');
INSERT INTO "audit" VALUES(12,1700000000016,'second','revoke','{"realm":"tenants/","jti":"no issuer","until":null}');
INSERT INTO "audit" VALUES(13,1700000000018,'second','revoke','{"digest":"0F6Qi1dYgDcLSZtIhvYAxTeQSTmCY3KIpFfyFnY7rVQ","until":1900000000}');
INSERT INTO "audit" VALUES(14,1700000000020,'second','revoke','{"digest":"digest for good","until":null}');
CREATE TABLE clients (
    id TEXT PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES master_keys (id),
    secret_digest BLOB NOT NULL CHECK (length(secret_digest) = 32)
  ) STRICT, WITHOUT ROWID;
INSERT INTO "clients" VALUES('c','7b3ad562b8dfed98',X'68528BE2A14054C3BB99F424C205CBC556AE1C9C8FF30D7629FB5E248F6CE53B');
INSERT INTO "clients" VALUES('d','72507072b1d512de',X'E6827312E250A3B0B27598A29399620C6DE69C40F8380C995F0CDE23F2D4905E');
CREATE TABLE feed (
    position INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    touched TEXT NOT NULL
  ) STRICT;
INSERT INTO "feed" VALUES(1,'instance','{"instanceId":"i"}');
INSERT INTO "feed" VALUES(2,'user','{"instanceId":"i","userId":"ü"}');
INSERT INTO "feed" VALUES(3,'client','{"clientId":"c"}');
INSERT INTO "feed" VALUES(4,'instance','{"instanceId":"gone"}');
INSERT INTO "feed" VALUES(5,'instance','{"instanceId":"gone"}');
INSERT INTO "feed" VALUES(6,'instance','{"instanceId":"j"}');
INSERT INTO "feed" VALUES(7,'client','{"clientId":"d"}');
INSERT INTO "feed" VALUES(8,'revocation','{"revocation":{"token":{"realm":"plain","jti":"a"},"until":1900000000}}');
INSERT INTO "feed" VALUES(9,'revocation','{"revocation":{"token":{"realm":"plain","jti":"for good"},"until":null}}');
INSERT INTO "feed" VALUES(10,'revocation','{"revocation":{"token":{"realm":"clowk/i","jti":"b"},"until":1900000000}}');
INSERT INTO "feed" VALUES(11,'revocation','{"revocation":{"token":{"realm":"tenants/https://issuer.example/a","jti":"c"},"until":null}}');
INSERT INTO "feed" VALUES(12,'revocation','{"revocation":{"token":{"realm":"tenants/","jti":"no issuer"},"until":null}}');
INSERT INTO "feed" VALUES(13,'revocation','{"revocation":{"token":{"digest":"0F6Qi1dYgDcLSZtIhvYAxTeQSTmCY3KIpFfyFnY7rVQ"},"until":1900000000}}');
INSERT INTO "feed" VALUES(14,'revocation','{"revocation":{"token":{"digest":"digest for good"},"until":null}}');
CREATE TABLE feed_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    position INTEGER NOT NULL
  ) STRICT;
INSERT INTO "feed_head" VALUES(1,'e789af91b89857df',14);
CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    app_id TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
INSERT INTO "instances" VALUES('i','app of i');
INSERT INTO "instances" VALUES('j','app of j');
CREATE TABLE key_sets (
    realm TEXT NOT NULL,
    location TEXT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (realm, location)
  ) STRICT, WITHOUT ROWID;
INSERT INTO "key_sets" VALUES('r','https://issuer.example/keys','v1.7b3ad562b8dfed98.BAnqHPQ-RIFYVHGU.vq0z_0-TsYVkma17wk3A-2pZdomZ7bBPBqGmTuAlAxxCL-G7YAtJV3Ky-_VMpHu-SvdJHs3EppEHLnsQhYVSjqqg1HUkXe3-zw.3JngOYRFuhg-EGWmzgq8yg');
INSERT INTO "key_sets" VALUES('r','https://issuer.example/more','v1.72507072b1d512de.XvPtFnGh6Aia2yq5.5wACH8yhOZcI8gltrZshx5ke0C4GjsGAowQ3dH_Ob_68tmOIlkcf5DiZ_Y9U4FE9RyxodFT1goabrJM6iLnhn2sypkjnRon9UQ.R0BgtJPlqB0MCGw341WUrg');
CREATE TABLE master_keys (
    id TEXT PRIMARY KEY
  ) STRICT, WITHOUT ROWID;
INSERT INTO "master_keys" VALUES('72507072b1d512de');
INSERT INTO "master_keys" VALUES('7b3ad562b8dfed98');
CREATE TABLE revocations (
    realm TEXT,
    jti TEXT,
    digest TEXT,
    until INTEGER,
    CHECK (CASE WHEN digest IS NULL THEN realm IS NOT NULL AND jti IS NOT NULL ELSE realm IS NULL AND jti IS NULL END)
  ) STRICT;
INSERT INTO "revocations" VALUES('plain','a',NULL,1900000000);
INSERT INTO "revocations" VALUES('plain','for good',NULL,NULL);
INSERT INTO "revocations" VALUES('clowk/i','b',NULL,1900000000);
INSERT INTO "revocations" VALUES('tenants/https://issuer.example/a','c',NULL,NULL);
INSERT INTO "revocations" VALUES('tenants/','no issuer',NULL,NULL);
INSERT INTO "revocations" VALUES(NULL,NULL,'0F6Qi1dYgDcLSZtIhvYAxTeQSTmCY3KIpFfyFnY7rVQ',1900000000);
INSERT INTO "revocations" VALUES(NULL,NULL,'digest for good',NULL);
CREATE TABLE secret_keys (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    key_id TEXT NOT NULL REFERENCES master_keys (id),
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    sealed TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
INSERT INTO "secret_keys" VALUES(X'174CE8A124FAAA97AFC7BFD70280B119F51130C3DD5F286F3E9968EC4215307C','72507072b1d512de','j',0,'v1.72507072b1d512de.-17-9ILBtGkwi3tQ.e0sTBMsuHxc.XYCxZajlK6dcrOv6_VS5hw');
INSERT INTO "secret_keys" VALUES(X'18DD4E21AECFE939441CAC6DB807CBBBFF1FA65626F5BB5BEB7E7DAE179C6DF3','7b3ad562b8dfed98','i',0,'v1.7b3ad562b8dfed98.bu8PhUFo6L5DuyTn.WL5GvsvkTXoqryhXfXQ.HGSbcUdTKPtx6pMT2wAnow');
INSERT INTO "secret_keys" VALUES(X'EE259DD480511AD20C493F47E746DABE0B0B491AA716DD005526697D95ADB7CB','7b3ad562b8dfed98','i',1,'v1.7b3ad562b8dfed98.dky2icMxDOIW-3DC.9BNcP-c4Z71sv08bSLLT.WxKRsfqlseuPFIk-_KBAkQ');
CREATE TABLE users (
    instance_id TEXT NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    email TEXT,
    name TEXT,
    avatar_url TEXT,
    provider TEXT,
    PRIMARY KEY (instance_id, id)
  ) STRICT, WITHOUT ROWID;
INSERT INTO "users" VALUES('i','ü','jane@example.com','Jane',NULL,'google');
CREATE UNIQUE INDEX secret_keys_by_instance ON secret_keys (instance_id, ordinal);
CREATE INDEX secret_keys_by_key ON secret_keys (key_id);
CREATE INDEX clients_by_key ON clients (key_id);
CREATE UNIQUE INDEX revocations_by_jti ON revocations (realm, jti) WHERE digest IS NULL;
CREATE UNIQUE INDEX revocations_by_digest ON revocations (digest) WHERE digest IS NOT NULL;
CREATE INDEX revocations_by_until ON revocations (until) WHERE until IS NOT NULL;
COMMIT;
PRAGMA application_id = 1416320614;
PRAGMA user_version = 2;
