import net from "node:net";
import tls from "node:tls";
import { expect } from "chai";
import type { DirectoryErrorCode } from "../../src/directory/errors.js";
import { directoryError } from "../../src/directory/postgres/errors.js";
import { sqlDirectory } from "../../src/directory/sql/directory.js";
import type { SqlStore } from "../../src/directory/sql/store.js";
import { migrateStoreAt, openStoreAt, type StoreAddress, type StoreOptions } from "../../src/directory/stores.js";
import { Secret } from "../../src/util/secret.js";
import { type Certified, pki } from "../support/certificates.js";
import { closedPort } from "../support/closed-port.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { query } from "../support/postgres.js";
import { sharedPostgres } from "../support/shared-postgres.js";
import { applyTo, masterKeys, NOW, putInstance, refusal } from "./support.js";

type Address = Extract<StoreAddress, { engine: "postgres" }>;

/** A database of a test, its URL, and a way to open the store in it that is not where or what it should be. */
interface Place {
  readonly url: string;
  readonly address: Address;
  open(changes?: Partial<Address>, more?: Partial<StoreOptions>): Promise<SqlStore>;
}

describe("a store on PostgreSQL, where it is and who asks", () => {
  let place: Place;
  let release: (() => unknown)[] = [];

  beforeEach(async function () {
    const url = await (await sharedPostgres(this)).freshDatabase();
    const { hostname, port, username, password, pathname } = new URL(url);
    const address: Address = {
      engine: "postgres",
      host: hostname,
      port: Number(port),
      database: pathname.slice(1),
      user: username,
      password: async () => new Secret(decodeURIComponent(password)),
      tls: false,
      schema: "token_verifier",
      pool: 4,
    };
    const options = { masterKeys: masterKeys(1), clock: () => NOW };
    const open: Place["open"] = async (changes, more) => {
      const store = await openStoreAt({ ...options, ...more, address: { ...address, ...changes } });
      release.push(() => store.engine.close());
      return store;
    };
    place = { url, address, open };
  });
  afterEach(async () => {
    for (const one of release.reverse()) await one();
    release = [];
  });

  /** Makes a role of a test, without any right. */
  async function newRole(): Promise<Pick<Address, "user" | "password">> {
    const user = `role_${place.address.database}`;
    await query(place.url, `CREATE ROLE ${user} LOGIN PASSWORD 'secret'`);
    release.unshift(() => query(place.url, `DROP OWNED BY ${user}; DROP ROLE ${user}`));
    return { user, password: async () => new Secret("secret") };
  }

  /** Each trouble is made, and its error compared: what is wrong, and what to do. */
  const TROUBLES: Readonly<
    Record<string, { make: () => Promise<unknown>; code: DirectoryErrorCode; message: RegExp }>
  > = {
    "at a port where nothing listens": {
      make: async () => {
        const { port, release: free } = await closedPort();
        release.push(free);
        return place.open({ port });
      },
      code: "unavailable",
      message: /refuses connections\. Check that PostgreSQL runs there, and the host and port of store\.url/,
    },
    "behind a network that swallows everything": {
      make: async () => {
        const proxy = await startFaultProxy(place.address.port);
        release.push(() => proxy.close());
        proxy.set({ halfOpen: true });
        return place.open({ port: proxy.port });
      },
      code: "unavailable",
      message: /does not answer\. Check the network/,
    },
    "under a wrong password": {
      make: () => place.open({ password: async () => new Secret("wrong") }),
      code: "unusable",
      message: /refuses this user or password\. Check store\.user and the password, and pg_hba\.conf/,
    },
    "without a password": {
      make: () => place.open({ password: async () => undefined }),
      code: "unusable",
      message: /needs a password\. Give it as store\.passwordFile, or as store\.password/,
    },
    "in a database that does not exist": {
      make: () => place.open({ database: "no_such_database" }),
      code: "unusable",
      message: /no_such_database does not exist\. Create it, or correct the name in store\.url/,
    },
    "in a schema of another program": {
      make: async () => {
        await query(place.url, "CREATE SCHEMA token_verifier; CREATE TABLE token_verifier.theirs (id int)");
        return place.open();
      },
      code: "unusable",
      message: /schema token_verifier of .* belongs to another program\. Name another one as store\.schema/,
    },
    "in another program's schema that has a table of the same name": {
      make: async () => {
        await query(place.url, "CREATE SCHEMA token_verifier; CREATE TABLE token_verifier.feed_head (id int)");
        return place.open();
      },
      code: "unusable",
      message: /belongs to another program/,
    },
    "of a later version": {
      make: async () => {
        await place.open();
        await query(place.url, "UPDATE token_verifier.store SET schema_version = 99");
        return place.open();
      },
      code: "unusable",
      message: /is of version 99; this program knows versions up to \d+\. Run the newer program/,
    },
    "that only later versions may read": {
      make: async () => {
        const directory = sqlDirectory(await place.open());
        await query(place.url, "UPDATE token_verifier.feed_head SET min_reader = 99");
        return directory.poll(undefined, 1);
      },
      code: "unusable",
      message: /The store holds something that this version/,
    },
    "under another master key": {
      make: async () => {
        await place.open();
        return place.open({}, { masterKeys: masterKeys(2) });
      },
      code: "unusable",
      message: /opens under the master key \w+, which is not configured/,
    },
    "in a database that is read-only": {
      make: async () => {
        await place.open();
        await query(place.url, `ALTER DATABASE ${place.address.database} SET default_transaction_read_only = on`);
        return sqlDirectory(await place.open()).poll(undefined, 1);
      },
      code: "unavailable",
      message: /is a standby or read-only/,
    },
    "as a user who may not make it": {
      make: async () => place.open(await newRole()),
      code: "unusable",
      message: /denies a permission\. Run `token-verifier store migrate` as a user that may create and grant/,
    },
    "as a user who may not read it": {
      make: async () => {
        await place.open();
        return place.open(await newRole());
      },
      code: "unusable",
      message: /denies a permission\. Run `token-verifier store migrate`/,
    },
    "with TLS, which the server does not do": {
      make: () => place.open({ tls: { rejectUnauthorized: true } }),
      code: "unusable",
      message: /does no TLS\. Configure it there, or set store\.tls to off on purpose/,
    },
    "with a certificate of an unknown authority": {
      make: async () => place.open(await tlsFront(pki().server)),
      code: "unusable",
      message:
        /has a certificate that cannot be verified\. Give the certificate of its authority as store\.tls\.caFile/,
    },
    "with a certificate of another name": {
      make: async () => {
        const { server, authority } = pki();
        const front = await tlsFront(server);
        return place.open({
          ...front,
          tls: { ca: authority.cert, host: "other.example", servername: "other.example" },
        });
      },
      code: "unusable",
      message:
        /has a certificate of another name\. Correct the host in store\.url, or give the certificate's name as store\.tls\.serverName/,
    },
  };

  for (const [what, { make, code, message }] of Object.entries(TROUBLES)) {
    it(`a store ${what} is ${code}, with what to do`, async () => {
      const error = await refusal(make(), code, message);
      for (const hidden of ["SELECT", "secret", "wrong", new URL(place.url).password]) {
        expect(error.message).not.to.include(hidden);
      }
    });
  }

  it("a user who was granted the schema by store migrate needs no other right", async () => {
    const role = await newRole();
    const options = { masterKeys: masterKeys(1), clock: () => NOW, address: place.address };
    expect(await migrateStoreAt(options, role.user)).to.equal(true);
    const directory = sqlDirectory(await place.open(role));
    await applyTo(directory, putInstance("i", "key of i"));
    await directory.maintain();
    expect((await directory.instance(new Secret("key of i"))).value?.id).to.equal("i");
  });

  it("processes with connections of their own to the server know that they are notified, in whatever order they began", async () => {
    const directories = [sqlDirectory(await place.open()), sqlDirectory(await place.open())];
    for (const directory of [...directories, ...directories]) await directory.poll(undefined, 1);
    for (const { polling } of directories) expect(polling).to.deep.equal({ interval: 250, notified: true });
  });

  it("TLS to a server whose authority and name are right is used", async () => {
    const { server, authority } = pki();
    const front = await tlsFront(server);
    const store = await place.open({
      ...front,
      tls: { ca: authority.cert, host: "localhost", servername: "localhost" },
    });
    expect(await store.engine.query("SELECT 1 AS one")).to.deep.equal([{ one: 1 }]);
  });

  it("environment variables and files of PostgreSQL's own clients change nothing", async () => {
    const nonsense = Object.fromEntries(VARIABLES.map((name) => [name, "nonsense"]));
    const before = { ...process.env };
    Object.assign(process.env, nonsense);
    try {
      const directory = sqlDirectory(await place.open());
      await applyTo(directory, putInstance("i", "key of i"));
      expect((await directory.instance(new Secret("key of i"))).value?.id).to.equal("i");
      await directory.poll(undefined, 1);
      // What is absent stays absent.
      await refusal(place.open({ password: async () => undefined }), "unusable", /needs a password/);
    } finally {
      for (const name of VARIABLES) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
  });

  /** Does TLS with a certificate in front of the server, which does none itself. */
  async function tlsFront({ cert, key }: Certified): Promise<Pick<Address, "host" | "port" | "tls">> {
    const front = net.createServer((socket) => {
      socket
        .on("error", () => {})
        .once("data", () => {
          // The answer to SSLRequest (PostgreSQL's protocol, 54.2.10).
          socket.write("S");
          const secured = new tls.TLSSocket(socket, { isServer: true, cert, key });
          const server = net.connect(place.address.port, "127.0.0.1");
          const end = (): void => void [socket, server].map((one) => one.destroy());
          for (const one of [secured, server]) one.on("error", end).on("close", end);
          secured.pipe(server).pipe(secured);
        });
    });
    await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
    release.unshift(() => front.close());
    return { host: "127.0.0.1", port: (front.address() as net.AddressInfo).port, tls: { rejectUnauthorized: true } };
  }
});

const VARIABLES =
  "HOST HOSTADDR PORT DATABASE USER PASSWORD PASSFILE SERVICE SERVICEFILE OPTIONS APPNAME SSLMODE REQUIRESSL SSLCERT SSLKEY SSLROOTCERT SSLNEGOTIATION CONNECT_TIMEOUT CLIENTENCODING DATESTYLE TZ REPLICATION TARGETSESSIONATTRS"
    .split(" ")
    .map((name) => `PG${name}`);

describe("an error of the connection to PostgreSQL", () => {
  it("that the server wants encrypted is told from a wrong password", () => {
    const text = 'no pg_hba.conf entry for host "192.0.2.1", user "u", database "d", no encryption';
    const error = directoryError(Object.assign(new Error(text), { code: "28000" }), "db.example:5432/d");
    expect(error).to.have.property("code", "unusable");
    expect((error as Error).message).to.include("accepts only connections with TLS. Leave store.tls out");
  });

  for (const [code, message] of [
    ["ENOTFOUND", "has a host name that does not resolve. Check store.url"],
    ["EAI_AGAIN", "has a host name that does not resolve at the moment. Check the resolver"],
    ["53300", "has too many connections. Raise max_connections, or lower store.pool"],
    ["53100", "has no space left on its disk. Free some"],
    ["57P01", "is shutting down or starting"],
  ] as const) {
    it(`${code} is unavailable, in words and without the server's own`, () => {
      const thrown = Object.assign(new Error("SELECT secret"), { code });
      const error = directoryError(thrown, "db.example:5432/verifier") as Error & { code: string };
      expect(error.code).to.equal("unavailable");
      expect(error.message).to.include(`The database db.example:5432/verifier ${message}`);
      expect(error.message).not.to.include("SELECT");
    });
  }
});
