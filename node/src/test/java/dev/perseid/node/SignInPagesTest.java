package dev.perseid.node;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import dev.perseid.settle.SignIn;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// People sign in with their wallets, and make keys, over HTTP.
class SignInPagesTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private Path folder;
  private final Key owner = Key.generate();
  private final Key alice = Key.generate();
  private final Key auditor = Key.generate();
  private final AtomicLong nowMs = new AtomicLong(System.currentTimeMillis());
  private final InstantSource clock = () -> Instant.ofEpochMilli(nowMs.get());
  private final HttpClient http = HttpClient.newHttpClient();
  private PoolNode pool;

  @BeforeEach
  void open() throws IOException {
    pool =
        PoolNode.start(
            PoolConfig.usual(folder, owner)
                .withWelcome(7_000_000)
                .withTerms(MarketTerms.NONE.withGateway("127.0.0.1", 0))
                .withAccess(
                    new AccessTerms(
                        Set.of(), Set.of(auditor.address()), List.of("pool.example.org"))),
            clock);
  }

  @AfterEach
  void close() throws IOException {
    http.close();
    pool.close();
  }

  private record Said(int status, String body) {
    JsonNode json() throws IOException {
      return JSON.readTree(body);
    }
  }

  private Said send(int port, String method, String path, String token, String body)
      throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
            .version(HttpClient.Version.HTTP_1_1)
            .method(
                method,
                body.isEmpty()
                    ? HttpRequest.BodyPublishers.noBody()
                    : HttpRequest.BodyPublishers.ofString(body));
    if (!token.isEmpty()) {
      request.header("authorization", "Bearer " + token);
    }
    HttpResponse<String> response =
        http.send(request.build(), HttpResponse.BodyHandlers.ofString());
    return new Said(response.statusCode(), response.body());
  }

  private Said send(String method, String path, String token, String body) throws Exception {
    return send(pool.port(), method, path, token, body);
  }

  private String nonce() throws Exception {
    return send("GET", "/v1/auth/nonce", "", "").json().get("nonce").textValue();
  }

  private String message(Key who, String nonce, String... resources) {
    String text =
        "pool.example.org wants you to sign in with your Ethereum account:\n"
            + SignIn.checksummed(who.address())
            + "\n\nUse the pool.\n\nURI: https://pool.example.org/\nVersion: 1\nChain ID: 1\nNonce: "
            + nonce
            + "\nIssued At: "
            + clock.instant();
    return resources.length == 0
        ? text
        : text + "\nResources:\n- " + String.join("\n- ", resources);
  }

  private Said post(String message, String signature, String more) throws Exception {
    String body =
        "{\"message\":"
            + JSON.writeValueAsString(message)
            + ",\"signature\":\"0x"
            + signature
            + "\""
            + more
            + "}";
    return send("POST", "/v1/auth/session", "", body);
  }

  private Said signIn(Key who, String message) throws Exception {
    return post(message, who.sign(SignIn.digest(message)), "");
  }

  private String token(Key who, String... resources) throws Exception {
    Said said = signIn(who, message(who, nonce(), resources));
    assertThat(said.status()).as(said.body()).isEqualTo(200);
    return said.json().get("token").textValue();
  }

  private static String hash(String key) {
    return Hash.sha256(key.getBytes(UTF_8)).hex();
  }

  @Test
  void whoSignsInIsInEverywhere() throws Exception {
    Said said = signIn(alice, message(alice, nonce()));
    assertThat(said.status()).isEqualTo(200);
    assertThat(said.json().get("address").textValue())
        .isEqualTo(SignIn.checksummed(alice.address()));
    assertThat(said.json().get("role").textValue()).isEqualTo("consumer");
    assertThat(said.json().get("scopes")).hasSize(6);
    String token = said.json().get("token").textValue();
    assertThat(send("GET", "/v1/auth/session", token, "").status()).isEqualTo(200);
    assertThat(send("HEAD", "/v1/blobs/" + "a".repeat(64), token, "").status()).isEqualTo(404);
    int gateway = pool.gateway().orElseThrow().port();
    assertThat(send(gateway, "GET", "/v1/models", token, "").status()).isEqualTo(200);
    long welcome = pool.mill().ask(p -> p.balance(alice.address()));
    assertThat(welcome).as("newcomers are welcome").isEqualTo(7_000_000);
    assertThat(send("DELETE", "/v1/auth/session", token, "").status()).isEqualTo(204);
    assertThat(send("GET", "/v1/auth/session", token, "").status()).isEqualTo(401);
    assertThat(send(gateway, "GET", "/v1/models", token, "").status()).isEqualTo(401);
  }

  @Test
  void aMessageIsGoodOnceHereAndNow() throws Exception {
    String message = message(alice, nonce());
    assertThat(signIn(alice, message).status()).isEqualTo(200);
    assertThat(signIn(alice, message).body()).contains("used already");
    String other = message(alice, nonce());
    assertThat(signIn(auditor, other).body()).contains("is not by the key of");
    assertThat(signIn(alice, other).status())
        .as("somebody else's try takes nothing from it")
        .isEqualTo(200);
    String elsewhere = message(alice, nonce()).replace("pool.example.org", "evil.example.org");
    assertThat(signIn(alice, elsewhere).body()).contains("for another domain");
    String uri = message(alice, nonce()).replace("URI: https://pool", "URI: https://evil");
    assertThat(signIn(alice, uri).body()).contains("the URI must be of the domain");
    assertThat(signIn(alice, message(alice, "12345678")).body()).contains("nonce is not ours");
    assertThat(signIn(alice, message(alice, "a".repeat(64))).body()).contains("is not ours");
    String late = message(alice, nonce());
    nowMs.addAndGet(PoolLimits.CHALLENGE_MS);
    assertThat(signIn(alice, late).body()).contains("older than 60 s");
    String expired =
        message(alice, nonce()) + "\nExpiration Time: " + clock.instant().minusSeconds(1);
    assertThat(signIn(alice, expired).body()).contains("has expired");
    String early = message(alice, nonce()) + "\nNot Before: " + clock.instant().plusSeconds(5);
    assertThat(signIn(alice, early).body()).contains("not valid yet");
    assertThat(signIn(alice, "hello").status()).isEqualTo(401);
    assertThat(post("x", "zz", "").status()).isEqualTo(400);
    assertThat(send("POST", "/v1/auth/session", "", "{\"a\":1,\"a\":2}").status()).isEqualTo(400);
    assertThat(send("POST", "/v1/auth/session", "", " ".repeat(40_000)).status()).isEqualTo(413);
  }

  @Test
  void aSessionEndsWithItsMessage() throws Exception {
    String message =
        message(alice, nonce()) + "\nExpiration Time: " + clock.instant().plusSeconds(30);
    String token = signIn(alice, message).json().get("token").textValue();
    assertThat(send("GET", "/v1/auth/session", token, "").status()).isEqualTo(200);
    String narrower =
        message(alice, nonce()) + "\nExpiration Time: " + clock.instant().plusSeconds(30);
    String reader =
        post(narrower, alice.sign(SignIn.digest(narrower)), ",\"scopes\":[\"read\"]")
            .json()
            .get("token")
            .textValue();
    assertThat(send("GET", "/v1/auth/session", reader, "").json().get("scopes").toString())
        .isEqualTo("[\"read\"]");
    nowMs.addAndGet(30_000);
    assertThat(send("GET", "/v1/auth/session", token, "").status()).isEqualTo(401);
    assertThat(send("GET", "/v1/auth/session", reader, "").status()).isEqualTo(401);
  }

  @Test
  void resourcesAskForLess() throws Exception {
    String token = token(alice, "urn:perseid:scope:read", "https://example.org/other");
    assertThat(send("GET", "/v1/auth/session", token, "").json().get("scopes").toString())
        .isEqualTo("[\"read\"]");
    assertThat(send("GET", "/v1/auth/keys", token, "").status()).isEqualTo(403);
    String message = message(alice, nonce(), "urn:perseid:scope:read");
    String wider = ",\"scopes\":[\"read\",\"keys\"]";
    assertThat(post(message, alice.sign(SignIn.digest(message)), wider).body())
        .contains("the scope 'keys', which the message does not say");
    assertThat(signIn(alice, message(alice, nonce(), "urn:perseid:scope:all")).body())
        .contains("no scope 'all'");
    assertThat(signIn(alice, message(alice, nonce(), "urn:perseid:spend:5")).body())
        .contains("is not known here");
    assertThat(signIn(alice, message(alice, nonce(), "urn:perseid:role:auditor")).body())
        .contains("is no auditor");
    String seer = token(auditor, "urn:perseid:role:auditor");
    assertThat(send("GET", "/v1/auth/session", seer, "").json().get("role").textValue())
        .isEqualTo("auditor");
    assertThat(send("POST", "/v1/auth/keys", seer, "{}").status()).isEqualTo(403);
  }

  @Test
  void keysMakeKeysThatMayDoNoMoreAndGoWithThem() throws Exception {
    String token = token(alice);
    String made =
        "{\"name\":\"ci\",\"key_hash\":\""
            + hash("parent")
            + "\",\"scopes\":[\"keys\",\"inference\"],\"models\":[\"a/b\"],\"spend_limit\":5}";
    assertThat(send("POST", "/v1/auth/keys", token, made).status()).isEqualTo(201);
    String wide = "{\"key_hash\":\"" + hash("wide") + "\",\"scopes\":[\"jobs\"]}";
    assertThat(send("POST", "/v1/auth/keys", "parent", wide).status()).isEqualTo(403);
    String child =
        "{\"key_hash\":\""
            + hash("child")
            + "\",\"scopes\":[\"inference\"],\"models\":[\"a/b\"],\"spend_limit\":5}";
    assertThat(send("POST", "/v1/auth/keys", "parent", child).status()).isEqualTo(201);
    String plain = "{\"key_hash\":\"" + hash("other") + "\"}";
    assertThat(send("POST", "/v1/auth/keys", token, plain).status()).isEqualTo(201);
    assertThat(send("GET", "/v1/auth/keys", token, "").json().get("keys")).hasSize(3);
    assertThat(send("GET", "/v1/auth/keys", "parent", "").json().get("keys"))
        .as("a key sees itself and what it made")
        .hasSize(2);
    assertThat(send("DELETE", "/v1/auth/keys/" + hash("other"), "parent", "").status())
        .isEqualTo(404);
    assertThat(send("GET", "/v1/auth/keys", "child", "").status()).isEqualTo(403);
    int gateway = pool.gateway().orElseThrow().port();
    assertThat(send(gateway, "GET", "/v1/models", "child", "").status()).isEqualTo(200);
    assertThat(send("DELETE", "/v1/auth/session", "parent", "").status()).isEqualTo(400);
    assertThat(send("DELETE", "/v1/auth/keys/" + hash("parent"), token, "").status())
        .isEqualTo(204);
    assertThat(send("GET", "/v1/auth/keys", "parent", "").status()).isEqualTo(401);
    assertThat(send(gateway, "GET", "/v1/models", "child", "").status()).isEqualTo(401);
    assertThat(send(gateway, "GET", "/v1/models", "other", "").status()).isEqualTo(200);
  }

  @Test
  void aSmartAccountIsRefusedWhereThereIsNoChain() throws Exception {
    Key contract = Key.generate();
    String message = message(contract, nonce());
    Said said = post(message, "00".repeat(200), "");
    assertThat(said.status()).isEqualTo(401);
    assertThat(said.body()).contains("this pool is connected to no chain");
  }
}
