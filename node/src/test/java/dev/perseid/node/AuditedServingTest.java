package dev.perseid.node;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.AuditKind;
import dev.perseid.core.AuditNote;
import dev.perseid.core.Blob;
import dev.perseid.core.Command;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import dev.perseid.core.Pool;
import dev.perseid.core.Standing;
import dev.perseid.gateway.Market;
import dev.perseid.inference.Answer;
import dev.perseid.inference.Api;
import dev.perseid.inference.Backend;
import dev.perseid.inference.Failure;
import dev.perseid.inference.LanguageModel;
import dev.perseid.inference.Manifest;
import dev.perseid.inference.ModelDescription;
import dev.perseid.inference.ModelFile;
import dev.perseid.inference.Request;
import dev.perseid.journal.RecordStore;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Real providers with real weights in a real pool, one of which does not serve what it sells.
@Timeout(240)
final class AuditedServingTest {
  private static final Path TINY_CHAT =
      Path.of("../examples/models/tiny-chat/q8_0/tiny-chat-q8_0.gguf");
  private static final int MOST_REQUESTS = 80;

  @TempDir Path folder;
  private final Key poolKey = Key.generate();
  private final Key authorKey = Key.generate();
  private final Key consumerKey = Key.generate();
  private final Key cheatKey = Key.generate();
  private final Key honestKey = Key.generate();
  private final List<AutoCloseable> opened = new ArrayList<>();
  private PoolNode pool;
  private Model model;
  private int requests;

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable one : opened.reversed()) {
      one.close();
    }
  }

  private PoolNode pool(Path dir, String rates, long auditBytes) throws IOException {
    MarketTerms terms =
        new MarketTerms(Optional.empty(), 50, Set.of(), AuditTerms.USUAL.with(rates).withDelay(0))
            .withGateway("127.0.0.1", 0);
    PoolNode started =
        PoolNode.start(
            PoolConfig.usual(dir, poolKey)
                .withWelcome(10_000_000)
                .withTimes(200, 5_000)
                .withTerms(terms),
            InstantSource.system(),
            auditBytes);
    opened.add(started);
    return started;
  }

  private void open(String rates, long auditBytes) throws Exception {
    pool = pool(folder.resolve("pool"), rates, auditBytes);
    try (PoolCaller author = new PoolCaller(pool.port(), authorKey, "consumer")) {
      Blob file = author.put(Files.readAllBytes(TINY_CHAT));
      Manifest manifest =
          Manifest.of(
              new ModelDescription(
                  "me/tiny",
                  "1",
                  ModelTask.CHAT,
                  "gguf",
                  "q8_0",
                  1_000_000,
                  512,
                  "Apache-2.0",
                  "a test",
                  100,
                  Instant.EPOCH),
              List.of(
                  new ModelFile(
                      "tiny.gguf",
                      ModelFile.mediaType("tiny.gguf"),
                      file.hash(),
                      file.sizeBytes())));
      author.put(manifest.config());
      author.put(manifest.bytes());
      model = manifest.toModel(authorKey.address(), 7);
      Proto.PublishReply reply =
          author
              .models()
              .publish(
                  Proto.PublishRequest.newBuilder()
                      .setModel(ModelParts.write(model))
                      .setSignature(Translation.signature(authorKey.sign(Digests.model(model))))
                      .build());
      assertThat(reply.hasRefusal()).as("%s", reply).isFalse();
    }
    PoolCaller consumer = new PoolCaller(pool.port(), consumerKey, "consumer");
    opened.add(consumer);
  }

  /// A provider with some weights that changes some requests.
  private void provider(Key key, Path weights, UnaryOperator<Request> changed) throws Exception {
    LanguageModel engine =
        LanguageModel.load(weights, new LanguageModel.Options(1, 32L << 20, 2, 8, 512));
    ProviderNode node =
        ProviderNode.start(
            ProviderChild.config(
                    key,
                    pool.port(),
                    poolKey.address(),
                    folder.resolve("provider-" + key.address()),
                    "p")
                .withModels(List.of(ServedModel.of("me/tiny"))),
            _ -> {},
            (config, sandbox, transfer, told) ->
                (served, offered) -> new Changing(engine, changed));
    opened.add(node);
    Until.holds(() -> listing(key.address()).isPresent());
  }

  private record Changing(LanguageModel engine, UnaryOperator<Request> changed) implements Backend {
    @Override
    public Runnable ask(Request r, Answer answer) {
      return engine.ask(changed.apply(r), answer);
    }

    @Override
    public Health health() {
      return engine.health();
    }

    @Override
    public String name() {
      return engine.name();
    }

    @Override
    public void close() {
      engine.close();
    }
  }

  /// A file like the published one in which a part of the weights is missing.
  private Path forged() throws IOException {
    byte[] bytes = Files.readAllBytes(TINY_CHAT);
    Arrays.fill(bytes, bytes.length * 6 / 10, bytes.length * 7 / 10, (byte) 0);
    return Files.write(folder.resolve("forged.gguf"), bytes);
  }

  private PoolMarket market() {
    return (PoolMarket) pool.market();
  }

  private Optional<Market.Listing> listing(Address provider) {
    return market().catalog().listings().getOrDefault(model.manifest(), List.of()).stream()
        .filter(l -> l.offer().provider().equals(provider) && l.live().reachable())
        .findFirst();
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> all = Files.walk(from)) {
      for (Path one : all.toList()) {
        Path there = to.resolve(from.relativize(one).toString());
        if (Files.isDirectory(one)) {
          Files.createDirectories(there);
        } else {
          Files.copy(one, there);
        }
      }
    }
  }

  private <T> T state(Function<Pool, T> question) {
    try {
      return pool.mill().ask(question);
    } catch (PoolMill.Unavailable e) {
      throw new AssertionError(e);
    }
  }

  private List<AuditNote> notes(Key provider) {
    return state(p -> p.audited(provider.address(), model.manifest()));
  }

  private Standing standing(Key provider) {
    return AuditNote.standing(poolKey.address(), notes(provider));
  }

  /// A consumer's chat with a provider, to its end.
  private void chat(Key provider, boolean stream) throws Exception {
    chat(provider, stream, "req_user" + requests);
  }

  private void chat(Key provider, boolean stream, String id) throws Exception {
    int n = requests++;
    String body =
        "{\"model\":\"me/tiny\",\"stream\":"
            + stream
            + ",\"max_tokens\":24,\"messages\":[{\"role\":\"user\",\"content\":"
            + "\"Tell me a story about a cow and "
            + n
            + " owls.\"}]}";
    CompletableFuture<Optional<Failure>> end = new CompletableFuture<>();
    Market.Receiver receiver =
        new Market.Receiver() {
          @Override
          public void part(byte[] json) {}

          @Override
          public void done(Market.Bill bill) {
            end.complete(Optional.empty());
          }

          @Override
          public void failed(Failure why, Market.Bill bill) {
            end.complete(Optional.of(why));
          }
        };
    Request request = new Request(id, Api.CHAT, model.manifest(), body.getBytes(UTF_8), stream);
    // What the pool asks takes the provider's two places now and then, as a consumer's would.
    Until.holds(() ->
        market()
                .ask(
                    new Market.Caller(consumerKey.address(), "k"),
                    listing(provider.address()).orElseThrow(),
                    request,
                    24,
                    receiver)
            instanceof Market.Placed.Running);
    assertThat(end.get(30, TimeUnit.SECONDS)).isEmpty();
  }

  private void grant(long amount) throws Exception {
    assertThat(pool.mill().command(new Command.Grant(poolKey.address(), amount, "for audits")))
        .isInstanceOf(PoolLoop.Reply.Done.class);
  }

  private long audits(Key provider) {
    return notes(provider).stream().mapToLong(AuditNote::audits).sum();
  }

  /// Chats until a provider is caught, and each time until something was found out.
  private void chatUntilCaught(Key provider) throws Exception {
    for (int i = 0; i < MOST_REQUESTS && standing(provider) != Standing.CHEATING; i++) {
      long before = audits(provider);
      chat(provider, i % 2 == 0);
      Until.holds(() -> audits(provider) > before);
    }
    assertThat(standing(provider)).as("%s", notes(provider)).isEqualTo(Standing.CHEATING);
  }

  private List<ExecutionRecord> records() {
    List<ExecutionRecord> all = new ArrayList<>();
    RecordStore store = pool.mill().records();
    for (long i = 0; i < store.count(); i++) {
      all.add(EntryCodec.decode(store.entry(i)).record());
    }
    return all;
  }

  /// What a gateway's client gets, and from whom.
  private String servedBy() throws Exception {
    try (HttpClient http = HttpClient.newHttpClient();
        PoolCaller consumer = new PoolCaller(pool.port(), consumerKey, "consumer")) {
      String apiKey = "sk-perseid-" + requests++;
      var _ =
          consumer
              .models()
              .makeKey(
                  Proto.MakeKeyRequest.newBuilder()
                      .setName("k" + requests)
                      .setKeyHash(Translation.bytes(Hash.sha256(apiKey.getBytes(UTF_8))))
                      .build());
      HttpResponse<String> response =
          http.send(
              HttpRequest.newBuilder(
                      URI.create(
                          "http://127.0.0.1:"
                              + pool.gateway().orElseThrow().port()
                              + "/v1/chat/completions"))
                  .header("authorization", "Bearer " + apiKey)
                  .POST(
                      HttpRequest.BodyPublishers.ofString(
                          "{\"model\":\"me/tiny\",\"max_tokens\":4,\"messages\":[{\"role\":\"user\","
                              + "\"content\":\"Hello "
                              + requests
                              + "\"}]}"))
                  .build(),
              HttpResponse.BodyHandlers.ofString());
      assertThat(response.statusCode()).as("%s", response.body()).isEqualTo(200);
      return response.headers().firstValue("x-perseid-provider").orElseThrow();
    }
  }

  @Test
  void aCheatIsFoundByCanariesGetsNothingMoreAndIsKnownAfterTheProcessWasKilled() throws Exception {
    open("newcomer=0,known=0,repeat=0,canary=1000", MarketLimits.AUDIT_MODEL_BYTES);
    grant(1_000_000_000);
    provider(cheatKey, forged(), request -> request);
    provider(honestKey, TINY_CHAT, request -> request);
    for (int i = 0; i < 12; i++) {
      long before = audits(honestKey);
      chat(honestKey, i % 2 == 0);
      Until.holds(() -> audits(honestKey) > before);
    }
    chatUntilCaught(cheatKey);
    assertThat(standing(honestKey)).isNotEqualTo(Standing.CHEATING);
    assertThat(notes(honestKey)).allMatch(n -> n.kind() == AuditKind.CANARY);
    assertThat(notes(honestKey).getFirst().evidence())
        .containsExactly(
            new AuditNote.Weighed(
                "margin", notes(honestKey).getFirst().evidence().getFirst().values(), 0));
    Until.holds(() -> listing(cheatKey.address()).orElseThrow().live().trust() == 0);
    assertThat(listing(honestKey.address()).orElseThrow().live().trust()).isEqualTo(1_000);
    for (int i = 0; i < 8; i++) {
      assertThat(servedBy()).isEqualTo(honestKey.address().toString());
    }

    // Whoever serves canaries is paid for them, out of accounts that nobody knows.
    List<ExecutionRecord> asked = new ArrayList<>();
    Until.holds(() -> {
      asked.clear();
      records().stream()
          .filter(r -> !r.consumer().equals(consumerKey.address()))
          .forEach(asked::add);
      return asked.size() >= audits(cheatKey) + audits(honestKey);
    });
    assertThat(asked).allMatch(r -> r.charge() > 0 && !r.consumer().equals(poolKey.address()));
    assertThat(asked).allMatch(r -> r.taskName().matches("req_[0-9a-z]{24}"));
    assertThat((long) state(p -> p.balance(poolKey.address()))).isLessThan(1_000_000_000);

    // A copy of the folder while it runs is what a killed process leaves.
    Path left = folder.resolve("left");
    copy(folder.resolve("pool"), left);
    List<AuditNote> known = notes(cheatKey);
    close();
    opened.clear();
    pool = pool(left, "newcomer=0,known=0,repeat=0,canary=0", MarketLimits.AUDIT_MODEL_BYTES);
    assertThat(notes(cheatKey)).isEqualTo(known);
    assertThat(state(Pool::auditAccounts)).isEmpty();
    assertThat((long) state(Pool::sumOfAccounts)).isZero();
    provider(cheatKey, forged(), request -> request);
    provider(honestKey, TINY_CHAT, request -> request);
    assertThat(listing(cheatKey.address()).orElseThrow().live().trust()).isZero();
    for (int i = 0; i < 8; i++) {
      assertThat(servedBy()).isEqualTo(honestKey.address().toString());
    }
  }

  @Test
  void aCheatIsFoundByRepeatedRequests() throws Exception {
    open("newcomer=0,known=0,repeat=1000,canary=0", 0);
    grant(1_000_000_000);
    // It draws its tokens by dice of its own.
    AtomicInteger dice = new AtomicInteger();
    provider(
        cheatKey,
        TINY_CHAT,
        request -> {
          String body =
              new String(request.body(), UTF_8)
                  .replaceFirst("\"seed\":-?[0-9]+", "\"seed\":" + dice.incrementAndGet());
          return new Request(
              request.id(), request.api(), request.model(), body.getBytes(UTF_8), request.stream());
        });
    provider(honestKey, TINY_CHAT, request -> request);
    for (int i = 0; i < 8; i++) {
      long before = audits(honestKey);
      chat(honestKey, i % 2 == 0);
      Until.holds(() -> audits(honestKey) > before);
    }
    chatUntilCaught(cheatKey);
    assertThat(notes(cheatKey).getFirst().sign()).isEqualTo("repeat");
    assertThat(standing(honestKey)).isNotEqualTo(Standing.CHEATING);
    assertThat(notes(honestKey).getFirst().kind()).isEqualTo(AuditKind.REPEAT);
    assertThat(notes(honestKey).getFirst().evidence().getFirst().sumMicros()).isZero();
  }

  @Test
  void whatThePoolCannotReadOthersReadAndItTakesTwoOfThem() throws Exception {
    open("newcomer=1000,known=1000,repeat=0,canary=0", 0);
    grant(1_000_000_000);
    Key third = Key.generate();
    provider(cheatKey, forged(), request -> request);
    provider(honestKey, TINY_CHAT, request -> request);
    for (int i = 0; i < MOST_REQUESTS && standing(cheatKey) != Standing.ACCUSED; i++) {
      long before = audits(cheatKey);
      chat(cheatKey, i % 2 == 0);
      // The claims of the consumer's answer and of the pool's question, and the other's reading.
      Until.holds(() -> audits(cheatKey) >= before + 3);
    }
    assertThat(standing(cheatKey)).as("%s", notes(cheatKey)).isEqualTo(Standing.ACCUSED);
    assertThat(listing(cheatKey.address()).orElseThrow().live().trust()).isEqualTo(1_000);
    provider(third, TINY_CHAT, request -> request);
    chatUntilCaught(cheatKey);
    assertThat(notes(cheatKey).stream().filter(n -> n.standing() == Standing.CHEATING))
        .extracting(AuditNote::reader)
        .containsExactlyInAnyOrder(honestKey.address(), third.address());
    // What the cheat says of the honest one is its word alone.
    for (int i = 0; i < 12; i++) {
      long before = audits(honestKey);
      chat(honestKey, i % 2 == 0);
      Until.holds(() -> audits(honestKey) >= before + 3);
    }
    assertThat(standing(honestKey)).isNotEqualTo(Standing.CHEATING);
    assertThat(notes(honestKey)).extracting(AuditNote::reader).contains(third.address());
  }

  @Test
  void aPoolWithoutCreditsAsksNothing() throws Exception {
    open("newcomer=0,known=0,repeat=0,canary=1000", MarketLimits.AUDIT_MODEL_BYTES);
    provider(honestKey, TINY_CHAT, request -> request);
    for (int i = 0; i < 3; i++) {
      chat(honestKey, true);
    }
    assertThat(notes(honestKey)).isEmpty();
    assertThat(state(Pool::auditAccounts)).isEmpty();
    grant(1_000_000_000);
    chat(honestKey, true);
    Until.holds(() -> audits(honestKey) > 0);
  }

  @Test
  void whoKnowsTheNameOfAnAuditCannotAnswerForIt() throws Exception {
    open("newcomer=0,known=0,repeat=0,canary=1000", MarketLimits.AUDIT_MODEL_BYTES);
    grant(1_000_000_000);
    CompletableFuture<String> seen = new CompletableFuture<>();
    CompletableFuture<Boolean> goOn = new CompletableFuture<>();
    provider(
        honestKey,
        TINY_CHAT,
        request -> {
          if (!request.id().startsWith("req_user") && seen.complete(request.id())) {
            assertThat(goOn.orTimeout(60, TimeUnit.SECONDS).join()).isTrue();
          }
          return request;
        });
    provider(cheatKey, TINY_CHAT, request -> request);
    chat(honestKey, true);
    // The canary waits at its provider. A consumer gives its own request the same name.
    String canary = seen.get(60, TimeUnit.SECONDS);
    chat(cheatKey, true, canary);
    Until.holds(() -> audits(cheatKey) > 0);
    assertThat(notes(cheatKey).getFirst().requestId()).isNotEqualTo(canary);
    assertThat(audits(honestKey)).isZero();
    goOn.complete(true);
    Until.holds(() -> audits(honestKey) > 0);
    assertThat(notes(honestKey).getFirst().requestId()).isEqualTo(canary);
    assertThat(standing(honestKey)).isNotEqualTo(Standing.CHEATING);
    assertThat(standing(cheatKey)).isNotEqualTo(Standing.CHEATING);
  }
}
