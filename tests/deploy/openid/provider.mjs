// A provider of OpenID Connect on loopback, whose settings come as JSON in PROVIDER. Its own pages
// ask for a name and a password, and take any; the name's groups are in the settings.
import Provider from "oidc-provider";

const { port, client, jwks, groups } = JSON.parse(process.env.PROVIDER);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [client],
  jwks,
  claims: {
    openid: ["sub"],
    profile: ["name"],
    email: ["email", "email_verified"],
    groups: ["groups"],
  },
  scopes: ["openid", "profile", "email", "groups"],
  cookies: { keys: ["for tests alone"] },
  features: {
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
  },
  pkce: { methods: ["S256"], required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: id[0].toUpperCase() + id.slice(1),
      email: `${id}@example.org`,
      email_verified: true,
      groups: groups[id] ?? [],
    }),
  }),
});

for (const event of ["server_error", "backchannel.error"]) {
  provider.on(event, (...found) => console.error(event, ...found));
}
provider.listen(port, "127.0.0.1", () => console.log("listening"));
