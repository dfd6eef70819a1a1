package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.protobuf.ByteString;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Inference;
import dev.perseid.core.JobId;
import dev.perseid.core.Model;
import dev.perseid.core.ModelTask;
import dev.perseid.core.Outcome;
import dev.perseid.core.TokenPrice;
import dev.perseid.gateway.Market;
import dev.perseid.inference.Api;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Manifest;
import dev.perseid.inference.ModelDescription;
import dev.perseid.inference.ModelFile;
import dev.perseid.inference.ModelSignature;
import dev.perseid.inference.OnnxGraph;
import dev.perseid.inference.Request;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.Sealed;
import dev.perseid.settle.SealedRequest;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.GRPCInferenceServiceGrpc;
import dev.perseid.wire.v1.InferenceGrpc;
import dev.perseid.wire.v1.OpenInferenceProto;
import dev.perseid.wire.v1.Proto;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Models served by a real provider in a real pool: from the published files to the receipt.
@Timeout(120)
final class ServingTest {
  private static final long WELCOME = 10_000_000;
  private static final int POOL_PERMILLE = 50;
  private static final int ROYALTY_PERMILLE = 100;
  private static final Path TREE = Path.of("../examples/models/tiny-tree/tiny-tree.wasm");
  private static final Path TINY_CHAT =
      Path.of("../examples/models/tiny-chat/q8_0/tiny-chat-q8_0.gguf");
  private static final Path LOANS = Path.of("../examples/models/loan-risk/loan-risk.onnx");
  private static final String API_KEY = "sk-perseid-test";
  private static final JsonMapper JSON = JsonMapper.builder().build();

  @TempDir Path folder;
  private final Key poolKey = Key.generate();
  private final Key authorKey = Key.generate();
  private final Key consumerKey = Key.generate();
  private final TickingBackend ticking = new TickingBackend();
  private final HttpClient http = HttpClient.newHttpClient();
  private final List<String> notices = new CopyOnWriteArrayList<>();
  private final List<ProviderNode> nodes = new ArrayList<>();
  private final List<Process> children = new ArrayList<>();
  private PoolNode pool;
  private PoolCaller author;
  private PoolCaller consumer;

  @BeforeEach
  void open() throws Exception {
    pool =
        PoolNode.start(
            PoolConfig.usual(folder.resolve("pool"), poolKey)
                .withWelcome(WELCOME)
                .withTimes(200, 2_000)
                .withTerms(
                    new MarketTerms(Optional.empty(), POOL_PERMILLE, Set.of())
                        .withGateway("127.0.0.1", 0)));
    author = new PoolCaller(pool.port(), authorKey, "consumer");
    consumer = new PoolCaller(pool.port(), consumerKey, "consumer");
  }

  @AfterEach
  void close() throws Exception {
    children.forEach(Process::destroyForcibly);
    nodes.forEach(ProviderNode::close);
    ticking.close();
    http.close();
    consumer.close();
    author.close();
    pool.close();
  }

  /// Publishes a model of one file.
  private Model publish(String name, ModelTask task, String format, String title, byte[] bytes)
      throws Exception {
    Blob file = author.put(bytes);
    Optional<ModelSignature> signature =
        format.equals("onnx")
            ? OnnxGraph.read(Files.write(folder.resolve(title), bytes))
            : Optional.empty();
    Manifest manifest =
        Manifest.of(
            new ModelDescription(
                name,
                "1",
                task,
                format,
                "f32",
                1_000,
                task == ModelTask.CHAT ? 512 : 0,
                "Apache-2.0",
                "a test",
                ROYALTY_PERMILLE,
                Instant.EPOCH),
            signature,
            List.of(
                new ModelFile(title, ModelFile.mediaType(title), file.hash(), file.sizeBytes())));
    author.put(manifest.config());
    author.put(manifest.bytes());
    Model made = manifest.toModel(authorKey.address(), 7);
    Proto.PublishReply reply =
        author
            .models()
            .publish(
                Proto.PublishRequest.newBuilder()
                    .setModel(ModelParts.write(made))
                    .setSignature(Translation.signature(authorKey.sign(Digests.model(made))))
                    .build());
    assertThat(reply.hasRefusal()).as("%s", reply).isFalse();
    return made;
  }

  private Model chat() throws Exception {
    return publish(
        "me/ticks",
        ModelTask.CHAT,
        "gguf",
        "weights.gguf",
        "weights".getBytes(StandardCharsets.UTF_8));
  }

  private ProviderNode provider(Key key, ServedModel... models) throws Exception {
    return provider(key, Workshop::new, models);
  }

  private ProviderNode provider(Key key, ProviderNode.Foundry foundry, ServedModel... models)
      throws Exception {
    ProviderNode node =
        ProviderNode.start(
            ProviderChild.config(
                    key, pool.port(), poolKey.address(), folder.resolve("provider"), "p")
                .withModels(List.of(models)),
            notices::add,
            foundry);
    nodes.add(node);
    return node;
  }

  private ProviderNode tickingProvider(Key key) throws Exception {
    return provider(
        key,
        (config, sandbox, transfer, told) -> (served, model) -> ticking,
        ServedModel.of("me/ticks"));
  }

  private Market.Listing listing(Model model) {
    List<Market.Listing> found = new ArrayList<>();
    Until.holds(() -> {
      found.clear();
      found.addAll(
          pool.market().catalog().listings().getOrDefault(model.manifest(), List.of()).stream()
              .filter(l -> l.live().reachable())
              .toList());
      return !found.isEmpty();
    });
    return found.getFirst();
  }

  /// What came of one request.
  private static final class Ear implements Market.Receiver {
    final LinkedBlockingQueue<String> parts = new LinkedBlockingQueue<>();
    final CompletableFuture<Market.Bill> bill = new CompletableFuture<>();
    volatile Optional<Failure> failure = Optional.empty();

    @Override
    public void part(byte[] json) {
      parts.add(new String(json, StandardCharsets.UTF_8));
    }

    @Override
    public void done(Market.Bill theBill) {
      bill.complete(theBill);
    }

    @Override
    public void failed(Failure why, Market.Bill theBill) {
      failure = Optional.of(why);
      bill.complete(theBill);
    }

    String next() throws InterruptedException {
      String part = parts.poll(20, TimeUnit.SECONDS);
      assertThat(part).as("a part").isNotNull();
      return part;
    }

    Market.Bill end() throws Exception {
      return bill.get(30, TimeUnit.SECONDS);
    }
  }

  private Market.Placed.Running ask(
      Market.Listing listing, String id, Api api, String body, long maxTokens, Ear ear) {
    Market.Placed placed =
        pool.market()
            .ask(
                new Market.Caller(consumerKey.address(), "k"),
                listing,
                new Request(
                    id,
                    api,
                    listing.model().manifest(),
                    body.getBytes(StandardCharsets.UTF_8),
                    api != Api.INFER),
                maxTokens,
                ear);
    assertThat(placed).isInstanceOf(Market.Placed.Running.class);
    return (Market.Placed.Running) placed;
  }

  private Market.Placed.Running chat(Market.Listing listing, String id, int tokens, Ear ear) {
    return ask(listing, id, Api.CHAT, body(tokens), tokens, ear);
  }

  private static String body(int tokens) {
    return "{\"model\":\"me/ticks\",\"max_tokens\":" + tokens + ",\"messages\":[]}";
  }

  private long free(Address account) {
    try {
      return pool.mill().ask(p -> p.balance(account));
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  private List<Entry> entries() {
    List<Entry> all = new ArrayList<>();
    consumer
        .jobs()
        .records(Proto.RecordsRequest.getDefaultInstance())
        .forEachRemaining(part ->
            part.getEntriesList().forEach(b -> all.add(EntryCodec.decode(b.toByteArray()))));
    return all;
  }

  private List<String> receipts() {
    List<String> all = new ArrayList<>();
    consumer
        .jobs()
        .receipts(
            Proto.ReceiptsRequest.newBuilder()
                .setJob(Translation.bytes(JobId.tab(consumerKey.address())))
                .build())
        .forEachRemaining(part -> all.addAll(part.getReceiptsList()));
    return all;
  }

  @Test
  void aPublishedModelIsFetchedServedPaidAndProved() throws Exception {
    Model tree =
        publish("me/tree", ModelTask.PREDICT, "wasm", "tree.wasm", Files.readAllBytes(TREE));
    Key key = Key.generate();
    TokenPrice price = new TokenPrice(0, 0, 0, 1_000_000_000, 0);
    ProviderNode node = provider(key, ServedModel.of("me/tree").at(price));
    Market.Listing listing = listing(tree);
    assertThat(listing.offer().backend()).isEqualTo("perseid-wasm");
    assertThat(folder.resolve("provider/models/index.json")).content().contains("me/tree:1");
    Ear ear = new Ear();
    ask(
        listing,
        "r1",
        Api.INFER,
        """
        {"inputs":[{"name":"x","datatype":"FP32","shape":[2,8],
          "data":[[1,2,3,4,5,6,7,8],[8,7,6,5,4,3,2,1]]}]}
        """,
        0,
        ear);
    Market.Bill bill = ear.end();
    assertThat(ear.failure).isEmpty();
    JsonNode answer = JSON.readTree(ear.next());
    assertThat(answer.path("outputs").get(0).path("shape").toString()).isEqualTo("[2,2]");
    assertThat(bill.rows()).isEqualTo(2);
    assertThat(bill.charge()).isEqualTo(2_000);
    Until.holds(() -> free(key.address()) == 2_000 - 100 - 200);
    assertThat(free(authorKey.address())).isEqualTo(WELCOME + 200);
    Until.holds(() -> receipts().size() == 1);
    assertThat(Receipt.verify(receipts().getFirst(), Optional.of(pool.address())))
        .isInstanceOf(Receipt.Check.Verified.class);
    ExecutionRecord record = entries().getFirst().record();
    Inference inference = record.inference().orElseThrow();
    assertThat(record.kind()).isEqualTo("me/tree:1");
    assertThat(record.provider()).isEqualTo(key.address());
    assertThat(inference.rows()).isEqualTo(2);
    assertThat(inference.toPool()).isEqualTo(100);
    assertThat(record.usage().cpuNs()).isPresent();
    long gas = answer.path("parameters").path("gas").asLong();
    assertThat(record.usage().gas()).hasValue(gas);
    assertThat(gas).isPositive();
    assertThat(node.status().models())
        .containsExactly(new ModelStatus("me/tree:1", ModelStatus.Stage.SERVED, 0, 0, 1, ""));
    assertThat(notices).anyMatch(n -> n.equals("model me/tree:1 is ready: perseid-wasm"));
  }

  @Test
  void aLanguageModelIsServed() throws Exception {
    Model chat =
        publish(
            "me/ticks", ModelTask.CHAT, "gguf", "tiny-chat.gguf", Files.readAllBytes(TINY_CHAT));
    Key key = Key.generate();
    provider(key, ServedModel.of("me/ticks").threads(1));
    assertThat(listing(chat).offer().parallel()).isEqualTo(ServingLimits.GGUF_PARALLEL);
    List<String> lines = post(16, "What is your name?").body().filter(l -> !l.isEmpty()).toList();
    assertThat(lines.getLast()).isEqualTo("data: [DONE]");
    assertThat(lines).anyMatch(l -> l.matches(".*\"content\":\"[^\"]+\".*"));
    Until.holds(() -> free(key.address()) > 0);
    Inference inference = entries().getFirst().record().inference().orElseThrow();
    assertThat(inference.promptTokens()).isPositive();
    assertThat(inference.completionTokens()).isBetween(1L, 16L);
    assertThat(notices).noneMatch(n -> n.contains("WARNING"));
  }

  @Test
  void anOnnxModelIsServed() throws Exception {
    Model loans =
        publish("me/loans", ModelTask.PREDICT, "onnx", "loan-risk.onnx", Files.readAllBytes(LOANS));
    Key key = Key.generate();
    provider(key, ServedModel.of("me/loans"));
    Ear ear = new Ear();
    ask(
        listing(loans),
        "r1",
        Api.INFER,
        """
        {"inputs":[{"name":"features","datatype":"FP32","shape":[1,8],
          "data":[65,3830,3100,12,7.3,0,1470,0]}]}
        """,
        0,
        ear);
    assertThat(ear.end().rows()).isEqualTo(1);
    assertThat(ear.failure).isEmpty();
    double bad = -1;
    for (JsonNode output : JSON.readTree(ear.next()).path("outputs")) {
      if (output.path("name").asText().equals("probabilities")) {
        bad = output.path("data").get(1).asDouble();
      }
    }
    String metadata =
        """
        {"name":"me/loans","versions":["1"],"platform":"onnxruntime_onnx",\
        "inputs":[{"name":"features","datatype":"FP32","shape":[-1,8]}],\
        "outputs":[{"name":"label","datatype":"INT64","shape":[-1]},\
        {"name":"probabilities","datatype":"FP32","shape":[-1,2]}]}\
        """;
    makeKey();
    HttpRequest asked = gateway("/v2/models/me/loans").GET().build();
    assertThat(http.send(asked, HttpResponse.BodyHandlers.ofString()).body()).isEqualTo(metadata);
    Metadata headers = new Metadata();
    headers.put(
        Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + API_KEY);
    OpenInferenceProto.ModelMetadataResponse told =
        GRPCInferenceServiceGrpc.newBlockingStub(consumer.channel)
            .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
            .modelMetadata(
                OpenInferenceProto.ModelMetadataRequest.newBuilder().setName("me/loans").build());
    assertThat(told.getPlatform()).isEqualTo("onnxruntime_onnx");
    assertThat(told.getInputs(0).getName()).isEqualTo("features");
    assertThat(told.getInputs(0).getShapeList()).containsExactly(-1L, 8L);
    assertThat(told.getOutputsList())
        .extracting(OpenInferenceProto.ModelMetadataResponse.TensorMetadata::getDatatype)
        .containsExactly("INT64", "FP32");
    try (PoolClient client = client();
        RemoteMarket remote = RemoteMarket.open(client, "k", false, notices::add)) {
      assertThat(remote.signature(loans.manifest()))
          .isEqualTo(pool.market().signature(loans.manifest()))
          .isPresent();
    }
    assertThat(bad).as("as eval.csv says").isEqualTo(0.068331, Offset.offset(1e-5));
    Until.holds(() -> free(key.address()) > 0);
  }

  @Test
  void aConsumerThatHangsUpPaysForWhatCame() throws Exception {
    Model model = chat();
    Key key = Key.generate();
    tickingProvider(key);
    Ear ear = new Ear();
    Market.Placed.Running running = chat(listing(model), "r1", 100_000, ear);
    ear.next();
    ear.next();
    running.cancel().run();
    Market.Bill bill = ear.end();
    assertThat(ear.failure.orElseThrow().kind()).isEqualTo(Failure.Kind.CANCELLED);
    assertThat(bill.completionTokens()).isBetween(2L, 5_000L);
    assertThat(ticking.running).as("the provider has stopped").hasValue(0);
    long author = bill.charge() * ROYALTY_PERMILLE / 1_000;
    long share = bill.charge() * POOL_PERMILLE / 1_000;
    Until.holds(() -> free(key.address()) == bill.charge() - author - share);
    assertThat(entries().getFirst().record().outcome()).isEqualTo(Outcome.CANCELLED);
  }

  @Test
  void manyStreamsAtOnceAreAllPaid() throws Exception {
    Model model = chat();
    Key key = Key.generate();
    tickingProvider(key);
    Market.Listing listing = listing(model);
    List<Ear> ears = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      Ear ear = new Ear();
      ears.add(ear);
      chat(listing, "r" + i, 20 + i, ear);
    }
    long all = 0;
    for (int i = 0; i < 8; i++) {
      Market.Bill bill = ears.get(i).end();
      assertThat(ears.get(i).failure).isEmpty();
      assertThat(ears.get(i).parts).hasSize(20 + i);
      assertThat(bill.completionTokens()).isEqualTo(20 + i);
      all += bill.charge() - bill.charge() * 100 / 1_000 - bill.charge() * 50 / 1_000;
    }
    long earned = all;
    Until.holds(() -> free(key.address()) == earned);
    assertThat(notices).noneMatch(n -> n.contains("WARNING"));
  }

  @Test
  void aSealedRequestPassesThroughThePoolUnread() throws Exception {
    Model model = chat();
    Key key = Key.generate();
    tickingProvider(key);
    Market.Listing listing = listing(model);
    SealedRequest sealed =
        Sealed.request(
            listing.offer().sealKey().orElseThrow(),
            "r1",
            Seal.bound(listing.offerHash(), Api.CHAT, true),
            body(3).getBytes(StandardCharsets.UTF_8));
    Iterator<Proto.AskPart> answer =
        InferenceGrpc.newBlockingStub(consumer.channelWithToken())
            .ask(
                Proto.AskRequest.newBuilder()
                    .setRequestId("r1")
                    .setOffer(Translation.bytes(listing.offerHash()))
                    .setApi("chat")
                    .setBody(ByteString.copyFrom(sealed.bytes()))
                    .setStream(true)
                    .setSealed(true)
                    .setMaxTokens(50)
                    .build());
    StringBuilder read = new StringBuilder();
    Proto.AskPart part = answer.next();
    for (; part.hasJson(); part = answer.next()) {
      assertThat(part.getJson().toStringUtf8()).doesNotContain("content");
      read.append(
          new String(sealed.answer().open(part.getJson().toByteArray()), StandardCharsets.UTF_8));
    }
    assertThat(part.getEnd().hasFailure()).isFalse();
    assertThat(read.toString().split("\"content\":\"t\"", -1)).hasSize(1 + 3);
    assertThat(part.getEnd().getCompletionTokens()).isEqualTo(3);
    Until.holds(() -> free(key.address()) > 0);
  }

  @Test
  void aProviderThatIsKilledCostsNothingAndComesBack() throws Exception {
    Model model = chat();
    Process child = child();
    Market.Listing listing = listing(model);
    Ear ear = new Ear();
    chat(listing, "r1", 100_000, ear);
    ear.next();
    child.destroyForcibly();
    Market.Bill bill = ear.end();
    assertThat(ear.failure.orElseThrow().kind()).isEqualTo(Failure.Kind.BROKEN);
    assertThat(bill.charge()).isZero();
    Until.holds(() -> entries().size() == 1);
    assertThat(entries().getFirst().record().charge()).isZero();
    child();
    Until.holds(() -> !listing(model).offerHash().equals(listing.offerHash()));
    Ear again = new Ear();
    chat(listing(model), "r2", 3, again);
    assertThat(again.end().completionTokens()).isEqualTo(3);
    Until.holds(() -> entries().size() == 2 && receipts().size() == 2);
    assertThat(entries().getLast().record().charge()).isPositive();
    for (String receipt : receipts()) {
      assertThat(Receipt.verify(receipt, Optional.of(pool.address())))
          .isInstanceOf(Receipt.Check.Verified.class);
    }
  }

  private Process child() {
    Process child =
        ServingChild.start(pool.port(), poolKey.address(), folder.resolve("killed"), "me/ticks");
    children.add(child);
    return child;
  }

  /// Asks the gateway with an API key of the consumer's, as any program would.
  private HttpResponse<Stream<String>> post(int tokens) throws Exception {
    return post(tokens, "go");
  }

  private HttpResponse<Stream<String>> post(int tokens, String question) throws Exception {
    return post(tokens, question, "");
  }

  /// @param more fields of the body, each after a comma
  private HttpResponse<Stream<String>> post(int tokens, String question, String more)
      throws Exception {
    makeKey();
    return http.send(
        gateway("/v1/chat/completions")
            .POST(
                HttpRequest.BodyPublishers.ofString(
                    """
                    {"model":"me/ticks","max_tokens":%d,"stream":true,"temperature":0,
                      "messages":[{"role":"user","content":"%s"}]%s}
                    """
                        .formatted(tokens, question, more)))
            .build(),
        HttpResponse.BodyHandlers.ofLines());
  }

  private HttpRequest.Builder gateway(String path) {
    return HttpRequest.newBuilder(
            URI.create("http://127.0.0.1:" + pool.gateway().orElseThrow().port() + path))
        .header("authorization", "Bearer " + API_KEY)
        .header("content-type", "application/json");
  }

  private void makeKey() {
    consumer
        .models()
        .makeKey(
            Proto.MakeKeyRequest.newBuilder()
                .setName("test")
                .setKeyHash(
                    Translation.bytes(Hash.sha256(API_KEY.getBytes(StandardCharsets.UTF_8))))
                .build());
  }

  @Test
  void anHttpClientStreamsThroughTheGateway() throws Exception {
    Model model = chat();
    Key key = Key.generate();
    tickingProvider(key);
    listing(model);
    HttpResponse<Stream<String>> answer = post(25);
    assertThat(answer.statusCode()).isEqualTo(200);
    List<String> lines = answer.body().filter(l -> !l.isEmpty()).toList();
    assertThat(lines.stream().filter(l -> l.contains("\"content\":\"t\""))).hasSize(25);
    assertThat(lines.getLast()).isEqualTo("data: [DONE]");
    Until.holds(() -> free(key.address()) > 0 && receipts().size() == 1);
    assertThat(Receipt.verify(receipts().getFirst(), Optional.of(pool.address())))
        .isInstanceOf(Receipt.Check.Verified.class);
    assertThat(entries().getFirst().record().inference().orElseThrow().completionTokens())
        .isEqualTo(25);
  }

  @Test
  void aServerNextDoorIsServed() throws Exception {
    Model model = publish("me/ticks", ModelTask.CHAT, "api", "README.md", new byte[] {'x'});
    List<String> bodies = new CopyOnWriteArrayList<>();
    HttpServer server = server(bodies, "llamacpp");
    try {
      Key key = Key.generate();
      provider(
          key,
          ServedModel.parse(
              "me/ticks=http://127.0.0.1:" + server.getAddress().getPort() + "/v1#upstream"));
      assertThat(listing(model).offer().parallel()).isEqualTo(3);
      List<String> lines = post(50).body().filter(l -> !l.isEmpty()).toList();
      assertThat(lines.stream().filter(l -> l.contains("\"content\":\"hi\""))).hasSize(2);
      assertThat(lines.getLast()).isEqualTo("data: [DONE]");
      assertThat(bodies).anyMatch(b -> b.contains("\"upstream\""));
      Until.holds(() -> free(key.address()) > 0);
      Inference inference = entries().getFirst().record().inference().orElseThrow();
      assertThat(inference.promptTokens()).isEqualTo(9);
      assertThat(inference.completionTokens()).isEqualTo(2);
    } finally {
      server.stop(0);
    }
  }

  @Test
  void aRequestThatInsistsOnItsParametersGoesToWhomHonoursThem() throws Exception {
    Model model = publish("me/ticks", ModelTask.CHAT, "api", "README.md", new byte[] {'x'});
    List<String> plain = new CopyOnWriteArrayList<>();
    List<String> able = new CopyOnWriteArrayList<>();
    HttpServer unknown = server(plain, "somebody");
    HttpServer known = server(able, "somebody");
    try {
      TokenPrice cheap = new TokenPrice(1, 1, 1, 0, 0);
      provider(Key.generate(), next(unknown, Optional.empty()).at(cheap));
      ServedModel told =
          next(known, Optional.of(new TreeSet<>(Set.of("max_tokens", "temperature", "top_p"))));
      ProviderNode second =
          ProviderNode.start(
              ProviderChild.config(
                      Key.generate(),
                      pool.port(),
                      poolKey.address(),
                      folder.resolve("second"),
                      "second")
                  .withModels(List.of(told)),
              notices::add,
              Workshop::new);
      nodes.add(second);
      Until.holds(() ->
          pool.market().catalog().listings().getOrDefault(model.manifest(), List.of()).stream()
                  .filter(l -> l.live().reachable())
                  .count()
              == 2);
      String cheapest = ",\"provider\":{\"sort\":\"price\"}";
      String strict = ",\"provider\":{\"sort\":\"price\",\"require_parameters\":true}";
      assertThat(post(50, "go", cheapest).body()).contains("data: [DONE]");
      assertThat(plain).hasSize(1);
      assertThat(post(50, "go", ",\"top_p\":0.5" + strict).body()).contains("data: [DONE]");
      assertThat(able).hasSize(1);
      HttpResponse<Stream<String>> refused = post(50, "go", ",\"tools\":[{}]" + strict);
      assertThat(refused.statusCode()).isEqualTo(404);
      assertThat(refused.body())
          .anyMatch(l -> l.contains("the request names max_tokens, temperature, tools"));
      assertThat(plain).hasSize(1);
      assertThat(able).hasSize(1);
      JsonNode listed =
          JSON.readTree(
              http.send(
                      gateway("/v1/models/me/ticks").GET().build(),
                      HttpResponse.BodyHandlers.ofString())
                  .body());
      assertThat(listed.path("supported_parameters").toString())
          .isEqualTo("[\"max_tokens\",\"temperature\",\"top_p\"]");
      assertThat(listed.path("offers")).filteredOn(o -> o.has("supported_parameters")).hasSize(1);
      // Whoever follows the catalog from another machine learns it, too.
      try (PoolClient client = client();
          RemoteMarket remote = RemoteMarket.open(client, "k", false, notices::add)) {
        assertThat(
                remote.catalog().listings().get(model.manifest()).stream()
                    .map(l -> l.live().honours().map(Set::size).orElse(-1)))
            .containsExactlyInAnyOrder(-1, 3);
      }
    } finally {
      unknown.stop(0);
      known.stop(0);
    }
  }

  private PoolClient client() throws Exception {
    return PoolClient.connect(
        new PoolClient.Target("127.0.0.1", pool.port(), Optional.of(poolKey.address())),
        consumerKey,
        PoolClient.Role.CONSUMER);
  }

  private static ServedModel next(HttpServer server, Optional<NavigableSet<String>> honours) {
    return ServedModel.of("me/ticks")
        .from(
            new ServedModel.Source.Server(
                URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/v1"),
                Optional.of("upstream"),
                Optional.empty(),
                false,
                honours));
  }

  /// Speaks as much of OpenAI's protocol as a provider needs.
  ///
  /// @param maker what it says that it is
  private static HttpServer server(List<String> bodies, String maker) throws IOException {
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/health", x -> answer(x, "text/plain", "ok"));
    server.createContext(
        "/v1/models",
        x ->
            answer(
                x,
                "application/json",
                "{\"data\":[{\"id\":\"upstream\",\"owned_by\":\"" + maker + "\"}]}"));
    server.createContext("/props", x -> answer(x, "application/json", "{\"total_slots\":3}"));
    String chunk =
        """
        data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"upstream",\
        "choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":%s}]}

        """;
    server.createContext(
        "/v1/chat/completions",
        x -> {
          bodies.add(new String(x.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
          answer(
              x,
              "text/event-stream",
              chunk.formatted("null")
                  + chunk.formatted("\"stop\"")
                  + """
                  data: {"id":"c","object":"chat.completion.chunk","created":1,\
                  "model":"upstream","choices":[],\
                  "usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}

                  data: [DONE]

                  """);
        });
    server.start();
    return server;
  }

  private static void answer(HttpExchange x, String type, String text) throws IOException {
    byte[] body = text.getBytes(StandardCharsets.UTF_8);
    x.getResponseHeaders().set("content-type", type);
    x.sendResponseHeaders(200, body.length);
    x.getResponseBody().write(body);
    x.close();
  }

  @Test
  void anHttpClientThatHangsUpStopsTheProvider() throws Exception {
    Model model = chat();
    Key key = Key.generate();
    tickingProvider(key);
    listing(model);
    try (Stream<String> lines = post(100_000).body()) {
      assertThat(lines.limit(10).toList()).hasSize(10);
      assertThat(ticking.running).hasValue(1);
    }
    Until.holds(() -> ticking.running.get() == 0);
    Until.holds(() -> entries().size() == 1);
    ExecutionRecord record = entries().getFirst().record();
    assertThat(record.outcome()).isEqualTo(Outcome.CANCELLED);
    assertThat(record.inference().orElseThrow().completionTokens()).isBetween(4L, 99_999L);
    Until.holds(() -> free(key.address()) > 0);
  }

  @Test
  void aKilledProviderEndsAStreamWithAnErrorThatClientsSee() throws Exception {
    Model model = chat();
    Process child = child();
    listing(model);
    try (Stream<String> lines = post(100_000).body()) {
      List<String> read = new ArrayList<>();
      Iterator<String> each = lines.iterator();
      while (each.hasNext()) {
        read.add(each.next());
        if (read.size() == 10) {
          child.destroyForcibly();
        }
      }
      assertThat(read).noneMatch(l -> l.contains("[DONE]"));
      assertThat(read).anyMatch(l -> l.contains("\"error\""));
    }
    Until.holds(() -> entries().size() == 1);
    assertThat(entries().getFirst().record().charge()).isZero();
  }

  @Test
  void whoDrainsEndsItsAnswersAndIsPaid() throws Exception {
    Model model = chat();
    Key key = Key.generate();
    ProviderNode node = tickingProvider(key);
    Ear ear = new Ear();
    chat(listing(model), "r1", 60, ear);
    ear.next();
    assertThat(node.drain(Duration.ofSeconds(20))).isTrue();
    assertThat(ear.end().completionTokens()).isEqualTo(60);
    assertThat(ear.failure).isEmpty();
    Until.holds(() -> free(key.address()) > 0);
    assertThat(pool.market().catalog().listings().getOrDefault(model.manifest(), List.of()))
        .noneMatch(l -> l.live().reachable());
  }
}
