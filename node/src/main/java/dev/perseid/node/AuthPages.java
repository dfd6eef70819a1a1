package dev.perseid.node;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.ApiKeyView;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.Rights;
import dev.perseid.core.Scope;
import dev.perseid.settle.SignIn;
import io.helidon.http.HeaderNames;
import io.helidon.http.Status;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.io.IOException;
import java.io.InputStream;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;

/// How people sign in with their wallets (EIP-4361), and API keys over HTTP: JSON, as
/// docs/authentication.md has it.
final class AuthPages {
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .disable(JsonParser.Feature.INCLUDE_SOURCE_IN_LOCATION)
          .build();

  private final Sessions sessions;
  private final KeyDesk desk;
  private final Newcomers newcomers;
  private final Supplier<AccessTerms.Domains> domains;
  private final InstantSource clock;

  /// @param domains where people sign in; asked once the port is open
  AuthPages(
      Sessions sessions,
      KeyDesk desk,
      Newcomers newcomers,
      Supplier<AccessTerms.Domains> domains,
      InstantSource clock) {
    this.sessions = sessions;
    this.desk = desk;
    this.newcomers = newcomers;
    this.domains = domains;
    this.clock = clock;
  }

  List<Pages.Page> pages() {
    return List.of(
        new Pages.Page("GET", "/v1/auth/nonce", (_, _, res) -> nonce(res)),
        new Pages.Page(
            "POST", "/v1/auth/session", (v, req, res) -> serve(res, () -> signIn(v, req, res))),
        new Pages.Page("GET", "/v1/auth/session", (v, _, res) -> json(res, 200, shown(v.known()))),
        new Pages.Page("DELETE", "/v1/auth/session", this::logOut),
        new Pages.Page("GET", "/v1/auth/keys", (v, _, res) -> serve(res, () -> list(v, res))),
        new Pages.Page(
            "POST", "/v1/auth/keys", (v, req, res) -> serve(res, () -> make(v, req, res))),
        new Pages.Page(
            "DELETE",
            "/v1/auth/keys/{hash}",
            (v, req, res) -> serve(res, () -> revoke(v, req, res))));
  }

  /// What is wrong with what was posted.
  private static final class Wrong extends Exception {
    final int status;

    Wrong(int status, String message) {
      super(message, null, false, false);
      this.status = status;
    }
  }

  private interface Work {
    void run() throws Wrong, PoolMill.Unavailable, PoolJobs.Denied, IOException;
  }

  private static void serve(ServerResponse res, Work work) throws IOException {
    try {
      work.run();
    } catch (Wrong e) {
      if (e.status == 401) {
        Pages.nobody(res, String.valueOf(e.getMessage()));
      } else {
        Pages.say(res, e.status, String.valueOf(e.getMessage()));
      }
    } catch (PoolMill.Unavailable e) {
      Pages.say(res, 503, String.valueOf(e.getMessage()));
    } catch (PoolJobs.Denied e) {
      int status =
          switch (e.rejection.code()) {
            case INVALID, INSUFFICIENT_CREDITS, STALE, ENDED, UNCOVERED -> 400;
            case UNKNOWN -> 404;
            case FORBIDDEN -> 403;
            case OVERLOADED -> 429;
          };
      Pages.say(res, status, e.rejection.message());
    }
  }

  private static void json(ServerResponse res, int status, JsonNode body) throws IOException {
    res.status(Status.create(status))
        .header(HeaderNames.CONTENT_TYPE, "application/json")
        .header(HeaderNames.CACHE_CONTROL, "no-store")
        .send(JSON.writeValueAsBytes(body));
  }

  private static void done(ServerResponse res) {
    res.status(Status.NO_CONTENT_204).send();
  }

  private void nonce(ServerResponse res) throws IOException {
    AccessTerms.Domains at = domains.get();
    ObjectNode out = JSON.createObjectNode();
    out.put("nonce", sessions.nonce(clock.millis()));
    out.put("pool", at.pool().toString());
    out.put("good_for_ms", PoolLimits.CHALLENGE_MS);
    ArrayNode names = out.putArray("domains");
    at.names().forEach(names::add);
    json(res, 200, out);
  }

  private void signIn(Pages.Visit visit, ServerRequest req, ServerResponse res)
      throws Wrong, PoolMill.Unavailable, IOException {
    JsonNode in = body(visit, req, Set.of("message", "signature", "scopes", "models"));
    String signature = text(in, "signature");
    String digits = signature.startsWith("0x") ? signature.substring(2) : signature;
    if (!digits.matches("([0-9A-Fa-f]{2})+")
        || digits.length() > 2 * PoolLimits.LOGIN_SIGNATURE_BYTES) {
      throw new Wrong(
          400,
          "signature must be hexadecimal digits, of at most "
              + PoolLimits.LOGIN_SIGNATURE_BYTES
              + " bytes");
    }
    Optional<Rights> narrower =
        in.has("scopes") || in.has("models") ? Optional.of(rights(in)) : Optional.empty();
    switch (sessions.signIn(
        text(in, "message"),
        digits,
        narrower,
        domains.get(),
        req.remotePeer().host(),
        clock.millis())) {
      case Login.In(String token, long expiresMs, Sessions.Session session) -> {
        newcomers.welcome(session);
        ObjectNode out = shown(session);
        out.put("token", token);
        out.put("expires_us", expiresMs * 1_000);
        json(res, 200, out);
      }
      case Login.Out(String why) -> throw new Wrong(401, why);
      case Login.Later(String why) -> throw new Wrong(429, why);
    }
  }

  private static ObjectNode shown(Sessions.Session session) {
    ObjectNode out = JSON.createObjectNode();
    out.put("address", SignIn.checksummed(session.caller));
    out.put("role", session.role.word());
    session.key().ifPresent(key -> out.put("key_hash", key.hex()));
    write(out, session.rights);
    return out;
  }

  private static void write(ObjectNode out, Rights rights) {
    ArrayNode scopes = out.putArray("scopes");
    rights.scopes().forEach(scope -> scopes.add(scope.word()));
    if (!rights.models().isEmpty()) {
      ArrayNode models = out.putArray("models");
      rights.models().forEach(models::add);
    }
    rights.spendLimit().ifPresent(limit -> out.put("spend_limit", limit));
    rights.untilUs().ifPresent(until -> out.put("until_us", until));
  }

  private void logOut(Pages.Visit visit, ServerRequest req, ServerResponse res) {
    Optional<String> token =
        req.headers().first(HeaderNames.AUTHORIZATION).flatMap(Entrance::token);
    if (token.isEmpty() || visit.known().key().isPresent()) {
      Pages.say(res, 400, "only a session is logged out; a key is revoked (/v1/auth/keys/HASH)");
      return;
    }
    sessions.logOut(token.get());
    done(res);
  }

  private void list(Pages.Visit visit, ServerResponse res)
      throws PoolMill.Unavailable, IOException {
    ObjectNode out = JSON.createObjectNode();
    ArrayNode keys = out.putArray("keys");
    for (KeyDesk.Listed listed : desk.list(visit.known())) {
      ApiKeyView key = listed.key();
      ObjectNode one = keys.addObject();
      one.put("key_hash", key.keyHash().hex());
      one.put("name", key.name());
      one.put("made_us", key.madeUs());
      key.parent().ifPresent(parent -> one.put("made_by", parent.hex()));
      write(one, key.rights());
      one.put("spent", key.spent());
      listed.usedMs().ifPresent(ms -> one.put("used_us", ms * 1_000));
    }
    json(res, 200, out);
  }

  private void make(Pages.Visit visit, ServerRequest req, ServerResponse res)
      throws Wrong, PoolMill.Unavailable, PoolJobs.Denied, IOException {
    JsonNode in =
        body(visit, req, Set.of("name", "key_hash", "scopes", "models", "spend_limit", "until_us"));
    boolean plain =
        !in.has("scopes") && !in.has("models") && !in.has("spend_limit") && !in.has("until_us");
    Hash hash = hash(text(in, "key_hash"));
    String name = in.has("name") ? text(in, "name") : "";
    desk.make(visit.known(), name, hash, plain ? Optional.empty() : Optional.of(rights(in)));
    ObjectNode out = JSON.createObjectNode();
    out.put("key_hash", hash.hex());
    json(res, 201, out);
  }

  private void revoke(Pages.Visit visit, ServerRequest req, ServerResponse res)
      throws Wrong, PoolMill.Unavailable, PoolJobs.Denied {
    desk.revoke(visit.known(), hash(req.path().pathParameters().get("hash")));
    done(res);
  }

  // ---- reading ----

  private static JsonNode body(Pages.Visit visit, ServerRequest req, Set<String> known)
      throws Wrong, IOException {
    byte[] bytes;
    try (InputStream in = req.content().inputStream()) {
      bytes = in.readNBytes(PoolLimits.PAGE_BYTES + 1);
    }
    if (bytes.length > PoolLimits.PAGE_BYTES) {
      throw new Wrong(413, "the body has more than " + PoolLimits.PAGE_BYTES + " bytes");
    }
    if (visit.signedBody().isPresent() && !visit.signedBody().get().equals(Hash.sha256(bytes))) {
      throw new Wrong(401, "the body is not the one that was signed: its SHA-256 differs");
    }
    JsonNode tree;
    try {
      tree = JSON.readTree(bytes);
    } catch (IOException e) {
      throw new Wrong(400, "the body is no JSON");
    }
    if (tree == null || !tree.isObject()) {
      throw new Wrong(400, "the body must be a JSON object");
    }
    for (Iterator<String> names = tree.fieldNames(); names.hasNext(); ) {
      if (!known.contains(names.next())) {
        throw new Wrong(400, "the body has a field that is not one of " + new TreeSet<>(known));
      }
    }
    return tree;
  }

  private static String text(JsonNode in, String field) throws Wrong {
    JsonNode value = in.path(field);
    if (!value.isTextual()) {
      throw new Wrong(400, field + " must be a text");
    }
    return value.textValue();
  }

  private static Hash hash(String text) throws Wrong {
    if (!text.matches("[0-9a-f]{64}")) {
      throw new Wrong(400, "a key's hash is 64 lower-case hexadecimal digits, SHA-256 of the key");
    }
    return Hash.parse(text);
  }

  private static List<String> texts(JsonNode in, String field, int most) throws Wrong {
    JsonNode value = in.path(field);
    if (value.isMissingNode()) {
      return List.of();
    }
    if (!value.isArray() || value.size() > most) {
      throw new Wrong(400, field + " must be a list of at most " + most + " texts");
    }
    List<String> out = new ArrayList<>();
    for (JsonNode one : value) {
      if (!one.isTextual()) {
        throw new Wrong(400, field + " must be a list of texts");
      }
      out.add(one.textValue());
    }
    return out;
  }

  private static OptionalLong whole(JsonNode in, String field) throws Wrong {
    JsonNode value = in.path(field);
    if (value.isMissingNode()) {
      return OptionalLong.empty();
    }
    if (!value.isIntegralNumber() || !value.canConvertToLong() || value.longValue() < 0) {
      throw new Wrong(400, field + " must be a whole number from 0");
    }
    return OptionalLong.of(value.longValue());
  }

  private static Rights rights(JsonNode in) throws Wrong {
    EnumSet<Scope> scopes = EnumSet.noneOf(Scope.class);
    for (String word : texts(in, "scopes", Scope.values().length)) {
      scopes.add(
          Scope.of(word)
              .orElseThrow(() ->
                  new Wrong(
                      400,
                      "there is no such scope: write read, inference, jobs, models, keys or"
                          + " money")));
    }
    if (!in.has("scopes")) {
      scopes.add(Scope.INFERENCE);
    }
    return new Rights(
        scopes,
        texts(in, "models", Limits.API_KEY_MODELS),
        whole(in, "spend_limit"),
        whole(in, "until_us"));
  }
}
