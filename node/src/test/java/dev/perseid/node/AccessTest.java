package dev.perseid.node;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Rights;
import dev.perseid.core.Scope;
import dev.perseid.gateway.Gateway;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.SignedRequest;
import dev.perseid.wire.Channels;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.IdentityGrpc;
import dev.perseid.wire.v1.JobsGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Walks all routes of all ports of a real pool with everything that is not enough.
class AccessTest {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
  private static final MethodDescriptor.Marshaller<byte[]> RAW =
      new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] value) {
          return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException e) {
            throw new AssertionError(e);
          }
        }
      };

  @TempDir private Path folder;
  private final Key owner = Key.generate();
  private final Key auditor = Key.generate();
  private final Key alice = Key.generate();
  private final AtomicLong nowMs = new AtomicLong(System.currentTimeMillis());
  private final InstantSource clock = () -> Instant.ofEpochMilli(nowMs.get());
  private final HttpClient http = HttpClient.newHttpClient();
  private final Map<Integer, HttpClient> gatewayClients = new HashMap<>();
  private PoolNode pool;
  private ManagedChannel channel;
  private long nonces;

  @BeforeEach
  void open() throws IOException {
    pool = PoolNode.start(config(folder.resolve("pool"), owner), clock);
    channel = Channels.open("127.0.0.1", pool.port(), Optional.empty());
  }

  private PoolConfig config(Path dir, Key key) {
    MarketTerms terms = MarketTerms.NONE.withGateway("127.0.0.1", 0);
    return PoolConfig.usual(dir, key)
        .withTerms(terms)
        .withAccess(new AccessTerms(Set.of(), Set.of(auditor.address()), List.of()));
  }

  @AfterEach
  void close() throws IOException {
    channel.shutdownNow();
    http.close();
    gatewayClients.values().forEach(HttpClient::close);
    pool.close();
  }

  // ---- what somebody shows ----

  private String session(Key who, String role) {
    return session(channel, owner.address(), who, role);
  }

  private static String session(ManagedChannel at, Address pool, Key who, String role) {
    IdentityGrpc.IdentityBlockingStub identity = IdentityGrpc.newBlockingStub(at);
    Proto.ChallengeReply c =
        identity.challenge(
            Proto.ChallengeRequest.newBuilder()
                .setCaller(Translation.bytes(who.address()))
                .build());
    Hash nonce = Hash.of(c.getNonce().toByteArray());
    return "Bearer "
        + identity
            .login(
                Proto.LoginRequest.newBuilder()
                    .setCaller(Translation.bytes(who.address()))
                    .setNonce(c.getNonce())
                    .setRole(role)
                    .setSignature(
                        Translation.signature(
                            who.sign(Digests.login(pool, who.address(), role, nonce))))
                    .build())
            .getToken();
  }

  private String key(Key who, String name, Rights rights) throws Exception {
    String key = "sk-" + name;
    try (PoolClient client = client(who)) {
      client.makeKey(name, Hash.sha256(key.getBytes(UTF_8)), rights);
    }
    return "Bearer " + key;
  }

  private PoolClient client(Key who) throws PoolFailure {
    return PoolClient.connect(
        PoolClient.Target.parse("127.0.0.1:" + pool.port()), who, PoolClient.Role.CONSUMER);
  }

  private String signed(Key who, String role, String method, String target, byte[] body) {
    return SignedRequest.sign(
            who,
            owner.address(),
            role,
            method,
            target,
            Hash.sha256(body),
            nowMs.get(),
            new Hash(1, 2, 3, ++nonces))
        .header();
  }

  // ---- knocking ----

  private static String path(String pattern) {
    return pattern.replace("{hash}", "a".repeat(64)).replaceAll("\\{[a-z]+(\\.\\.\\.)?}", "x");
  }

  private static String method(Access.Rule rule) {
    return rule.port() == Access.Port.GRPC ? "POST" : rule.route().split(" ", 2)[0];
  }

  private static String target(Access.Rule rule) {
    return rule.port() == Access.Port.GRPC
        ? "/" + rule.route()
        : path(rule.route().split(" ", 2)[1]);
  }

  /// What HTTP calls the answer: gRPC's statuses are turned into those.
  private int knock(Access.Rule rule, String authorization, byte[] body) throws Exception {
    if (rule.port() == Access.Port.GRPC) {
      return grpc(rule.route(), authorization, body);
    }
    int port = rule.port() == Access.Port.PAGES ? pool.port() : pool.gateway().orElseThrow().port();
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + target(rule)))
            .version(HttpClient.Version.HTTP_1_1);
    boolean posts = method(rule).startsWith("P");
    request.method(
        method(rule),
        posts ? HttpRequest.BodyPublishers.ofByteArray(body) : HttpRequest.BodyPublishers.noBody());
    if (!authorization.isEmpty()) {
      request.header("authorization", authorization);
    }
    HttpResponse<String> response =
        http(rule).send(request.build(), HttpResponse.BodyHandlers.ofString());
    for (Key who : List.of(owner, auditor)) {
      assertThat(response.body()).doesNotContain(who.address().toString().substring(4));
    }
    return response.statusCode();
  }

  /// The gateway stops who guesses from one place: to each of its routes we come from another.
  private HttpClient http(Access.Rule rule) {
    if (rule.port() != Access.Port.GATEWAY) {
      return http;
    }
    int place = Access.RULES.indexOf(rule);
    return gatewayClients.computeIfAbsent(
        place,
        n ->
            HttpClient.newBuilder()
                .localAddress(InetAddress.ofLiteral("127.0.9." + (n + 1)))
                .build());
  }

  private int grpc(String route, String authorization, byte[] body) throws Exception {
    CompletableFuture<Status> closed = new CompletableFuture<>();
    ClientCall<byte[], byte[]> call =
        channel.newCall(
            MethodDescriptor.<byte[], byte[]>newBuilder(RAW, RAW)
                .setFullMethodName(route)
                .setType(MethodDescriptor.MethodType.BIDI_STREAMING)
                .build(),
            CallOptions.DEFAULT);
    Metadata headers = new Metadata();
    if (!authorization.isEmpty()) {
      headers.put(AUTHORIZATION, authorization);
    }
    boolean[] answered = new boolean[1];
    call.start(
        new ClientCall.Listener<>() {
          @Override
          public void onMessage(byte[] message) {
            answered[0] = true;
            call.request(1);
          }

          @Override
          public void onClose(Status status, Metadata trailers) {
            closed.complete(status);
          }
        },
        headers);
    call.request(1);
    call.sendMessage(body);
    boolean streams =
        Set.of("Providers/Serve", "Jobs/Submit", "Inference/Serve")
            .contains(route.substring(route.lastIndexOf('.') + 1));
    if (!streams) {
      call.halfClose();
    }
    Status status = closed.get(20, TimeUnit.SECONDS);
    return switch (status.getCode()) {
      case UNAUTHENTICATED -> {
        assertThat(answered[0]).as("%s answered before it refused", route).isFalse();
        yield 401;
      }
      case PERMISSION_DENIED -> {
        assertThat(answered[0]).as("%s answered before it refused", route).isFalse();
        yield 403;
      }
      case RESOURCE_EXHAUSTED -> 429;
      case UNAVAILABLE, CANCELLED, INTERNAL, UNKNOWN ->
          throw new AssertionError(route + ": " + status, status.getCause());
      default -> 200;
    };
  }

  private static List<Access.Rule> closed() {
    return Access.RULES.stream().filter(r -> !r.open()).toList();
  }

  /// What anybody could have changed.
  private String state() throws Exception {
    return pool.mill().ask(p -> p.digest()) + " " + books();
  }

  /// The same, but for the count of commands that the core refused.
  private String books() throws Exception {
    return pool.mill()
        .ask(p ->
            p.apiKeys(null) + " " + p.jobsAccepted() + " " + p.models() + " " + p.sumOfAccounts());
  }

  // ---- the tests ----

  @Test
  void everyRouteThatIsRegisteredHasARuleAndEveryRuleARoute() {
    Set<String> registered = new TreeSet<>(pool.routes());
    for (Gateway.Door door : Gateway.doors(pool.market())) {
      registered.add(door.method() + " " + door.pattern());
    }
    Set<String> ruled = new TreeSet<>();
    Access.RULES.forEach(rule -> ruled.add(rule.route()));
    assertThat(registered).isEqualTo(ruled).hasSize(84);
    assertThatThrownBy(() -> Access.rule(Access.Port.GRPC, "perseid.v1.Jobs/New"))
        .isInstanceOf(IllegalStateException.class);
  }

  /// docs/protocol.md shows the table by which the pool decides.
  @Test
  void theDocumentationShowsTheTable() throws IOException {
    List<String> shown =
        Files.readAllLines(Path.of("../docs/protocol.md")).stream()
            .filter(line -> line.matches("\\| (GRPC|PAGES|GATEWAY) \\|.*"))
            .toList();
    List<String> rows = new ArrayList<>();
    for (Access.Rule rule : Access.RULES) {
      StringBuilder row = new StringBuilder("| " + rule.port() + " | `" + rule.route() + "` | ");
      if (rule.open()) {
        row.append("anybody | |");
      } else {
        row.append(
            rule.roles().size() == Role.values().length
                ? "all"
                : rule.roles().stream().map(Role::word).collect(Collectors.joining(", ")));
        row.append(" | ")
            .append(rule.scopes().stream().map(Scope::word).collect(Collectors.joining(" or ")))
            .append(rule.scopes().isEmpty() ? "|" : " |");
      }
      rows.add(row.toString());
    }
    assertThat(String.join("\n", shown)).isEqualTo(String.join("\n", rows));
  }

  @Test
  void nobodyComesInWithNothingOrWithWhatIsOver() throws Exception {
    String expired = session(alice, "consumer");
    String revoked = key(alice, "gone", Rights.ALL);
    String child = key(alice, "parent", Rights.ALL);
    try (PoolClient client = client(alice)) {
      client.revokeKey(Hash.sha256("sk-gone".getBytes(UTF_8)));
      client.revokeKey(Hash.sha256("sk-parent".getBytes(UTF_8)));
    }
    String ended =
        key(
            alice,
            "ended",
            new Rights(
                EnumSet.allOf(Scope.class),
                List.of(),
                OptionalLong.empty(),
                OptionalLong.of(nowMs.get() * 1_000 + 1_000_000)));
    Key otherOwner = Key.generate();
    String elsewhere;
    String signedElsewhere;
    try (PoolNode other = PoolNode.start(config(folder.resolve("other"), otherOwner), clock)) {
      ManagedChannel there = Channels.open("127.0.0.1", other.port(), Optional.empty());
      elsewhere = session(there, otherOwner.address(), alice, "consumer");
      there.shutdownNow();
    }
    nowMs.addAndGet(PoolLimits.SESSION_MS + 1);
    String before = state();
    int walked = 0;
    for (Access.Rule rule : closed()) {
      signedElsewhere =
          SignedRequest.sign(
                  alice,
                  otherOwner.address(),
                  "consumer",
                  method(rule),
                  target(rule),
                  Hash.EMPTY_BLOB,
                  nowMs.get(),
                  new Hash(9, 9, 9, ++nonces))
              .header();
      for (String shown :
          List.of(
              "",
              "Bearer ",
              "Bearer wrong",
              "Basic dTpw",
              expired,
              revoked,
              child,
              ended,
              elsewhere,
              signedElsewhere,
              SignedRequest.SCHEME + " caller=1")) {
        assertThat(knock(rule, shown, new byte[0]))
            .as("%s with '%s'", rule.route(), shown)
            .isEqualTo(401);
        walked++;
      }
    }
    assertThat(walked).isEqualTo(11 * closed().size()).isGreaterThan(600);
    assertThat(state()).isEqualTo(before);
  }

  @Test
  void everyRoleAndScopeReachesWhatTheTableSaysAndNothingElse() throws Exception {
    String before = state();
    int refused = 0;
    for (Role role : Role.values()) {
      Key who =
          switch (role) {
            case OWNER, OPERATOR -> owner;
            case AUDITOR -> auditor;
            case CONSUMER, PROVIDER -> alice;
          };
      String token = session(who, role.word());
      for (Access.Rule rule : closed()) {
        if (!rule.roles().contains(role)) {
          assertThat(knock(rule, token, new byte[0]))
              .as("%s as %s", rule.route(), role)
              .isEqualTo(403);
          refused++;
        }
      }
    }
    assertThat(refused).isGreaterThan(100);
    assertThat(state()).isEqualTo(before);
    int lacking = 0;
    int enough = 0;
    for (Scope scope : Scope.values()) {
      String key = key(alice, scope.word(), Rights.of(EnumSet.of(scope)));
      String then = books();
      for (Access.Rule rule : closed()) {
        boolean may = rule.roles().contains(Role.CONSUMER) && rule.allows(EnumSet.of(scope));
        if (may && rule.route().equals("perseid.v1.Money/WatchPurse")) {
          continue; // It would not end.
        }
        int status = knock(rule, key, new byte[0]);
        if (may) {
          assertThat(status).as("%s with %s", rule.route(), scope).isNotIn(401, 403);
          enough++;
        } else {
          assertThat(status).as("%s with %s", rule.route(), scope).isEqualTo(403);
          lacking++;
        }
      }
      assertThat(books()).isEqualTo(then);
    }
    assertThat(lacking).isGreaterThan(150);
    assertThat(enough).isGreaterThan(80);
  }

  @Test
  void aSignedRequestIsGoodOnceForWhatItSaysAndSoon() throws Exception {
    int walked = 0;
    for (Access.Rule rule : closed()) {
      if (!rule.roles().contains(Role.CONSUMER)
          || rule.route().equals("perseid.v1.Money/WatchPurse")) {
        continue; // The latter would not end.
      }
      byte[] body = new byte[0];
      String header = signed(alice, "consumer", method(rule), target(rule), body);
      boolean streams = rule.route().equals("perseid.v1.Jobs/Submit");
      int first = knock(rule, header, body);
      boolean blob = rule.route().startsWith("PUT");
      if (!streams && !blob) {
        assertThat(first).as(rule.route()).isNotIn(401, 403);
      }
      assertThat(knock(rule, header, body)).as("%s again", rule.route()).isEqualTo(401);
      String other = signed(alice, "consumer", method(rule), target(rule) + "x", body);
      assertThat(knock(rule, other, body)).as("%s as another", rule.route()).isEqualTo(401);
      walked++;
    }
    assertThat(walked).isGreaterThan(50);
  }

  @Test
  void theGatewayTakesSignedRequestsOnceAndWithTheirBody() throws Exception {
    Access.Rule chat = Access.rule(Access.Port.GATEWAY, "POST /v1/chat/completions");
    byte[] body =
        "{\"model\":\"none\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}".getBytes(UTF_8);
    String good = signed(alice, "consumer", "POST", "/v1/chat/completions", body);
    assertThat(knock(chat, good, body)).as("there is no such model").isEqualTo(404);
    assertThat(knock(chat, good, body)).as("again").isEqualTo(401);
    String other = signed(alice, "consumer", "POST", "/v1/chat/completions", body);
    assertThat(knock(chat, other, "{}".getBytes(UTF_8))).as("another body").isEqualTo(401);
    String late = signed(alice, "consumer", "POST", "/v1/chat/completions", body);
    nowMs.addAndGet(PoolLimits.SIGNED_MS);
    assertThat(knock(chat, late, body)).as("too late").isEqualTo(401);
    nowMs.addAndGet(-PoolLimits.SIGNED_MS - PoolLimits.CLOCK_SKEW_MS - 1);
    assertThat(knock(chat, late, body)).as("too early").isEqualTo(401);
    String asProvider = signed(alice, "provider", "POST", "/v1/chat/completions", body);
    assertThat(knock(chat, asProvider, body)).as("signed before the pool began").isEqualTo(401);
  }

  @Test
  void aSignedCallOfGrpcIsBoundToItsMessage() throws Exception {
    Proto.AccountRequest mine =
        Proto.AccountRequest.newBuilder().setAccount(Translation.bytes(alice.address())).build();
    String route = "perseid.v1.Jobs/Account";
    Metadata headers = new Metadata();
    headers.put(AUTHORIZATION, signed(alice, "consumer", "POST", "/" + route, mine.toByteArray()));
    JobsGrpc.JobsBlockingStub jobs =
        JobsGrpc.newBlockingStub(channel)
            .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
    assertThat(jobs.account(mine).getAccount()).isEqualTo(Translation.bytes(alice.address()));
    Metadata another = new Metadata();
    another.put(AUTHORIZATION, signed(alice, "consumer", "POST", "/" + route, mine.toByteArray()));
    assertThatThrownBy(() ->
            JobsGrpc.newBlockingStub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(another))
                .account(Proto.AccountRequest.getDefaultInstance()))
        .isInstanceOf(StatusRuntimeException.class)
        .hasMessageContaining("not the one that was signed");
  }

  @Test
  void anAuditorSeesEverybodyAndChangesNothing() throws Exception {
    String token = session(auditor, "auditor");
    Metadata headers = new Metadata();
    headers.put(AUTHORIZATION, token);
    JobsGrpc.JobsBlockingStub jobs =
        JobsGrpc.newBlockingStub(channel)
            .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
    Proto.AccountReply account =
        jobs.account(
            Proto.AccountRequest.newBuilder()
                .setAccount(Translation.bytes(alice.address()))
                .build());
    assertThat(account.hasRefusal()).isFalse();
    assertThat(jobs.list(Proto.ListRequest.newBuilder().setAll(true).build()).getJobsCount())
        .isZero();
    List<Proto.RecordsPart> parts = new ArrayList<>();
    jobs.records(Proto.RecordsRequest.getDefaultInstance()).forEachRemaining(parts::add);
    assertThat(parts).allMatch(p -> !p.hasRefusal());
    assertThatThrownBy(() -> jobs.grant(Proto.GrantRequest.getDefaultInstance()))
        .hasMessageContaining("an auditor may not call")
        .isInstanceOf(StatusRuntimeException.class);
    assertThatThrownBy(() -> session(alice, "auditor"))
        .hasMessageContaining("is no auditor of this pool");
  }
}
