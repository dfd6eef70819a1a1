package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Inference;
import dev.perseid.core.JobId;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelTask;
import dev.perseid.core.Outcome;
import dev.perseid.core.TokenPrice;
import dev.perseid.gateway.Market;
import dev.perseid.inference.Api;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Manifest;
import dev.perseid.inference.ModelDescription;
import dev.perseid.inference.ModelFile;
import dev.perseid.inference.Request;
import dev.perseid.settle.AnswerSealer;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.SealKey;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.GRPCInferenceServiceGrpc;
import dev.perseid.wire.v1.InferenceGrpc;
import dev.perseid.wire.v1.OpenInferenceProto;
import dev.perseid.wire.v1.Proto;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A real pool as a market for inference, with a provider and a consumer written by hand.
class PoolMarketTest {
  private static final long WELCOME = 10_000_000;
  private static final String BODY = "{\"model\":\"m\",\"messages\":[]}";

  @TempDir Path dir;
  private final Key poolKey = Key.generate();
  private final Key authorKey = Key.generate();
  private final Key providerKey = Key.generate();
  private final Key consumerKey = Key.generate();
  private PoolNode node;
  private PoolCaller author;
  private PoolCaller consumer;
  private PuppetProvider provider;
  private PuppetServing serving;
  private Model model;
  private ModelOffer offer;
  private long session;

  /// What a receiver was told.
  private sealed interface Told {
    record Part(String json) implements Told {}

    record Done(Market.Bill bill) implements Told {}

    record Failed(Failure failure, Market.Bill bill) implements Told {}
  }

  private static final class Listener implements Market.Receiver {
    final LinkedBlockingQueue<Told> told = new LinkedBlockingQueue<>();

    /// Who told it last.
    volatile String thread = "";

    @Override
    public void part(byte[] json) {
      told.add(new Told.Part(new String(json, StandardCharsets.UTF_8)));
    }

    @Override
    public void done(Market.Bill bill) {
      told.add(new Told.Done(bill));
    }

    @Override
    public void failed(Failure failure, Market.Bill bill) {
      thread = Thread.currentThread().getName();
      told.add(new Told.Failed(failure, bill));
    }

    <T extends Told> T next(Class<T> kind) throws Exception {
      Told next = told.poll(20, TimeUnit.SECONDS);
      assertThat(next).isInstanceOf(kind);
      return kind.cast(next);
    }
  }

  @BeforeEach
  void open() throws Exception {
    node =
        PoolNode.start(
            PoolConfig.usual(dir, poolKey)
                .withWelcome(WELCOME)
                .withTimes(500, 20_000)
                .withTerms(new MarketTerms(Optional.empty(), 50, java.util.Set.of())));
    author = new PoolCaller(node.port(), authorKey, "consumer");
    consumer = new PoolCaller(node.port(), consumerKey, "consumer");
    model = publish("me/m", "1", 100);
    provider = new PuppetProvider(node.port(), providerKey);
    provider.say(provider.hello(List.of()));
    session = provider.hear(dev.perseid.core.ToProvider.Welcome.class).session();
    offer = offer(model, new TokenPrice(1_000_000, 500_000, 2_000_000, 0, 0), 4);
    serving = new PuppetServing(provider).serving(session, offer);
    until(() -> !listings().isEmpty() && listings().getFirst().live().reachable());
  }

  @AfterEach
  void close() throws Exception {
    provider.close();
    consumer.close();
    author.close();
    node.close();
  }

  private interface Condition {
    boolean holds() throws Exception;
  }

  /// Waits, with the pool's own pace, until something is so.
  private void until(Condition condition) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (!condition.holds()) {
      assertThat(System.nanoTime()).as("the deadline").isLessThan(deadline);
      ((PoolMarket) node.market()).refresh();
    }
  }

  private Model publish(String name, String version, int royaltyPermille) throws Exception {
    return publish(
        name,
        version,
        royaltyPermille,
        "weights".getBytes(StandardCharsets.UTF_8),
        ModelFile.OTHER);
  }

  private Model publish(
      String name, String version, int royaltyPermille, byte[] weights, String mediaType)
      throws Exception {
    Blob file = author.put(weights);
    Manifest manifest =
        Manifest.of(
            new ModelDescription(
                name,
                version,
                ModelTask.CHAT,
                "gguf",
                "f16",
                1_000,
                512,
                "Apache-2.0",
                "a test",
                royaltyPermille,
                Instant.EPOCH),
            List.of(new ModelFile("w.bin", mediaType, file.hash(), file.sizeBytes())));
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

  private ModelOffer offer(Model of, TokenPrice price, int parallel) {
    return new ModelOffer(
        providerKey.address(),
        of.manifest(),
        "eu",
        "f16",
        "test",
        price,
        100,
        50,
        parallel,
        512,
        DataPolicy.KEEPS_NOTHING,
        Optional.empty(),
        "",
        9);
  }

  private List<Market.Listing> listings() {
    return node.market().catalog().listings().getOrDefault(model.manifest(), List.of());
  }

  private Market.Placed ask(String id, long maxTokens, Listener listener) {
    return node.market()
        .ask(
            new Market.Caller(consumerKey.address(), "k"),
            listings().getFirst(),
            new Request(
                id, Api.CHAT, model.manifest(), BODY.getBytes(StandardCharsets.UTF_8), true),
            maxTokens,
            listener);
  }

  private Proto.ModelOrder order() throws Exception {
    return serving.hear(Proto.ToServing.MessageCase.ORDER).getOrder();
  }

  private long free(Address account) throws Exception {
    return node.mill().ask(pool -> pool.balance(account));
  }

  private static String chunk(String content) {
    return "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + content + "\"}}]}";
  }

  /// The last chunk of an answer.
  private static String last(String content) {
    return "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\""
        + content
        + "\"},\"finish_reason\":\"stop\"}]}";
  }

  @Test
  void anAnswerIsPassedOnBilledSignedRecordedAndPaid() throws Exception {
    Listener listener = new Listener();
    assertThat(ask("req-1", 100, listener)).isInstanceOf(Market.Placed.Running.class);
    Proto.ModelOrder order = order();
    assertThat(order.getBody().toStringUtf8()).isEqualTo(BODY);
    assertThat(order.getMaxTokens()).isEqualTo(100);
    serving.part(order.getNumber(), chunk("hel"));
    serving.part(order.getNumber(), last("lo"));
    serving.end(order.getNumber(), PuppetServing.claiming(6, 2));
    assertThat(listener.next(Told.Part.class).json()).contains("hel");
    assertThat(listener.next(Told.Part.class).json()).contains("lo");
    // 6 * 1 + 2 * 2 microcredits.
    assertThat(listener.next(Told.Done.class).bill()).isEqualTo(new Market.Bill(6, 0, 2, 0, 10));

    Proto.Bill bill = serving.hear(Proto.ToServing.MessageCase.BILL).getBill();
    ExecutionRecord record = PuppetServing.records(bill).getFirst().record();
    assertThat(record.charge()).isEqualTo(10);
    assertThat(record.taskName()).isEqualTo("req-1");
    assertThat(record.kind()).isEqualTo("me/m:1");
    assertThat(record.argsHash()).isEqualTo(Hash.sha256(BODY.getBytes(StandardCharsets.UTF_8)));
    Inference inference = record.inference().orElseThrow();
    assertThat(inference.toAuthor()).isEqualTo(1);
    assertThat(inference.toPool()).isZero();
    assertThat(inference.author()).isEqualTo(authorKey.address());
    serving.sign(bill);
    until(() -> free(providerKey.address()) == 9);
    assertThat(free(authorKey.address())).isEqualTo(WELCOME + 1);

    // A receipt proves it to anybody.
    JobId tab = JobId.tab(consumerKey.address());
    List<String> receipts = new ArrayList<>();
    consumer
        .jobs()
        .receipts(Proto.ReceiptsRequest.newBuilder().setJob(Translation.bytes(tab)).build())
        .forEachRemaining(part -> receipts.addAll(part.getReceiptsList()));
    assertThat(receipts).hasSize(1);
    assertThat(Receipt.verify(receipts.getFirst(), Optional.of(node.address())))
        .isInstanceOf(Receipt.Check.Verified.class);
    assertThat(receipts.getFirst()).contains("\"completion_tokens\":2");
    long sum = node.mill().ask(pool -> pool.sumOfAccounts());
    assertThat(sum).isZero();
  }

  @Test
  void aClaimIsCutToWhatCanHaveBeenDelivered() throws Exception {
    Listener listener = new Listener();
    ask("req-1", 1_000_000, listener);
    Proto.ModelOrder order = order();
    String part = last("hi");
    serving.part(order.getNumber(), part);
    serving.end(order.getNumber(), PuppetServing.claiming(1_000_000, 1_000_000));
    listener.next(Told.Part.class);
    Market.Bill bill = listener.next(Told.Done.class).bill();
    assertThat(bill.promptTokens()).isEqualTo(BODY.length());
    assertThat(bill.completionTokens()).isEqualTo(part.length());
  }

  @Test
  void whatAProviderBreaksOffCostsNothing() throws Exception {
    Listener listener = new Listener();
    ask("req-1", 100, listener);
    Proto.ModelOrder order = order();
    serving.part(order.getNumber(), chunk("hel"));
    serving.end(
        order.getNumber(),
        PuppetServing.claiming(6, 1)
            .setFailure(Proto.InferenceFailure.newBuilder().setKind("broken").setText("it died")));
    listener.next(Told.Part.class);
    Told.Failed failed = listener.next(Told.Failed.class);
    assertThat(failed.failure().kind()).isEqualTo(Failure.Kind.BROKEN);
    assertThat(failed.bill().charge()).isZero();
    serving.sign(serving.hear(Proto.ToServing.MessageCase.BILL).getBill());
    until(() -> node.mill().ask(pool -> pool.records()) == 1);
  }

  @Test
  void whatIsNoWholeAnswerIsNoneAndCostsNothing() throws Exception {
    for (String part : List.of("", chunk("hel"), "{\"choices\":[{", "{\"error\":\"no\"}", "{}")) {
      Listener listener = new Listener();
      ask("req-1", 100, listener);
      Proto.ModelOrder order = order();
      if (!part.isEmpty()) {
        serving.part(order.getNumber(), part);
      }
      serving.end(order.getNumber(), PuppetServing.claiming(6, 1));
      Told told = listener.told.poll(20, TimeUnit.SECONDS);
      if (told instanceof Told.Part) {
        told = listener.told.poll(20, TimeUnit.SECONDS);
      }
      assertThat(told).as("after '%s'", part).isInstanceOf(Told.Failed.class);
      Told.Failed failed = (Told.Failed) told;
      assertThat(failed.failure().kind()).isEqualTo(Failure.Kind.BROKEN);
      assertThat(failed.bill().charge()).isZero();
      Proto.ToServing next = serving.heard.poll(20, TimeUnit.SECONDS);
      while (next != null && !next.hasBill()) {
        next = serving.heard.poll(20, TimeUnit.SECONDS);
      }
      assertThat(next).isNotNull();
      serving.sign(next.getBill());
    }
    until(() -> node.mill().ask(pool -> pool.records()) == 5);
    assertThat(free(providerKey.address())).isZero();
  }

  @Test
  void whatNobodyCancelledIsNotCancelled() throws Exception {
    Listener listener = new Listener();
    ask("req-1", 100, listener);
    Proto.ModelOrder order = order();
    serving.part(order.getNumber(), chunk("hello"));
    serving.end(
        order.getNumber(),
        PuppetServing.claiming(6, 1)
            .setFailure(Proto.InferenceFailure.newBuilder().setKind("cancelled")));
    listener.next(Told.Part.class);
    Told.Failed failed = listener.next(Told.Failed.class);
    assertThat(failed.failure().kind()).isEqualTo(Failure.Kind.BROKEN);
    assertThat(failed.bill().charge()).isZero();
  }

  @Test
  void aSealedAnswerThatEndsInTheMiddleIsNoAnswer() throws Exception {
    SealKey sealKey = SealKey.generate();
    ModelOffer sealing =
        new ModelOffer(
            offer.provider(),
            offer.model(),
            offer.region(),
            offer.quantisation(),
            offer.backend(),
            offer.price(),
            100,
            50,
            4,
            512,
            offer.policy(),
            Optional.of(sealKey.publicKey()),
            "",
            10);
    serving.say(
        Proto.FromServing.newBuilder()
            .setHello(
                Proto.ServingHello.newBuilder()
                    .setSession(session)
                    .addOffers(
                        ModelParts.write(sealing, providerKey.sign(Digests.modelOffer(sealing)))))
            .build());
    Hash sealed = Digests.modelOffer(sealing);
    until(() -> !listings().isEmpty() && listings().getFirst().offerHash().equals(sealed));
    PoolClient.Target at =
        new PoolClient.Target("127.0.0.1", node.port(), Optional.of(node.address()));
    try (PoolClient client = PoolClient.connect(at, consumerKey, PoolClient.Role.CONSUMER);
        RemoteMarket remote = RemoteMarket.open(client, "k", true, notice -> {})) {
      for (String part : List.of(chunk("hel"), last("hello"))) {
        Listener listener = new Listener();
        remote.ask(
            remote.local(),
            remote.catalog().listings().get(model.manifest()).getFirst(),
            new Request(
                "req-1", Api.CHAT, model.manifest(), BODY.getBytes(StandardCharsets.UTF_8), true),
            100,
            listener);
        Proto.ToServing heard = serving.heard.poll(20, TimeUnit.SECONDS);
        while (heard != null && !heard.hasOrder()) {
          heard = serving.heard.poll(20, TimeUnit.SECONDS);
        }
        assertThat(heard).as("instead: %s", listener.told).isNotNull();
        Proto.ModelOrder order = heard.getOrder();
        AnswerSealer sealer =
            sealKey
                .open("req-1", Seal.bound(sealed, Api.CHAT, true), order.getBody().toByteArray())
                .answer();
        for (byte[] piece :
            List.of(
                sealer.seal(part.getBytes(StandardCharsets.UTF_8), false),
                sealer.seal(new byte[0], true))) {
          serving.say(
              Proto.FromServing.newBuilder()
                  .setParts(
                      Proto.ServingParts.newBuilder()
                          .addParts(
                              Proto.AnswerPart.newBuilder()
                                  .setNumber(order.getNumber())
                                  .setTokens(1)
                                  .setJson(ByteString.copyFrom(piece))))
                  .build());
        }
        serving.end(order.getNumber(), PuppetServing.claiming(6, 1));
        assertThat(listener.next(Told.Part.class).json()).isEqualTo(part);
        if (part.contains("finish_reason")) {
          listener.next(Told.Done.class);
        } else {
          assertThat(listener.next(Told.Failed.class).failure().kind())
              .isEqualTo(Failure.Kind.BROKEN);
        }
      }
    }
  }

  @Test
  void aVanishedProviderFailsItsRequestsAndIsNotPaid() throws Exception {
    Listener begun = new Listener();
    Listener ended = new Listener();
    ask("req-1", 100, ended);
    Proto.ModelOrder first = order();
    serving.part(first.getNumber(), last("hello"));
    serving.end(first.getNumber(), PuppetServing.claiming(6, 2));
    ended.next(Told.Part.class);
    assertThat(ended.next(Told.Done.class).bill().charge()).isPositive();
    serving.hear(Proto.ToServing.MessageCase.BILL);
    ask("req-2", 100, begun);
    order();
    serving.hangUp();
    assertThat(begun.next(Told.Failed.class).failure().kind()).isEqualTo(Failure.Kind.BROKEN);
    until(() -> node.mill().ask(pool -> pool.records()) == 2);
    assertThat(free(providerKey.address())).isZero();
    for (Entry e : entries()) {
      assertThat(e.attestation()).isEqualTo(new Entry.Attestation.PoolOnly());
      assertThat(e.record().charge()).isZero();
      assertThat(e.record().reason()).contains("provider");
    }
  }

  private List<Entry> entries() throws Exception {
    List<Entry> all = new ArrayList<>();
    consumer
        .jobs()
        .records(Proto.RecordsRequest.getDefaultInstance())
        .forEachRemaining(part ->
            part.getEntriesList().forEach(b -> all.add(EntryCodec.decode(b.toByteArray()))));
    return all;
  }

  @Test
  void aProviderThatDoesNotAgreeIsNotPaid() throws Exception {
    Listener listener = new Listener();
    ask("req-1", 100, listener);
    Proto.ModelOrder order = order();
    serving.part(order.getNumber(), last("hello"));
    serving.end(order.getNumber(), PuppetServing.claiming(6, 2));
    Proto.Bill bill = serving.hear(Proto.ToServing.MessageCase.BILL).getBill();
    serving.say(
        Proto.FromServing.newBuilder()
            .setSignature(
                Proto.BillSignature.newBuilder()
                    .setNumber(bill.getNumber())
                    .setReason("too little"))
            .build());
    until(() -> node.mill().ask(pool -> pool.records()) == 1);
    assertThat(entries().getFirst().record().charge()).isZero();
    assertThat(entries().getFirst().record().reason()).contains("does not agree: too little");
    assertThat(entries().getFirst().record().outcome()).isEqualTo(Outcome.DONE);
  }

  @Test
  void whoIsInDisputeTakesNothingFromTheOthersOfItsBill() throws Exception {
    List<Proto.ModelOrder> orders = new ArrayList<>();
    Proto.ServingParts.Builder ends = Proto.ServingParts.newBuilder();
    for (String id : List.of("good-1", "bad", "good-2", "good-3")) {
      ask(id, 100, new Listener());
      orders.add(order());
    }
    for (Proto.ModelOrder order : orders) {
      ends.addParts(
              Proto.AnswerPart.newBuilder()
                  .setNumber(order.getNumber())
                  .setJson(ByteString.copyFromUtf8(last("hello"))))
          .addParts(
              Proto.AnswerPart.newBuilder()
                  .setNumber(order.getNumber())
                  .setEnd(PuppetServing.claiming(6, 2)));
    }
    // All at once, so that they come in one bill.
    serving.say(Proto.FromServing.newBuilder().setParts(ends).build());
    for (int settled = 0; settled < 4; ) {
      Proto.Bill bill = serving.hear(Proto.ToServing.MessageCase.BILL).getBill();
      List<String> names =
          PuppetServing.records(bill).stream().map(e -> e.record().taskName()).toList();
      if (!names.contains("bad")) {
        serving.sign(bill);
        settled += names.size();
        continue;
      }
      settled += names.size() == 1 ? 1 : 0;
      serving.say(
          Proto.FromServing.newBuilder()
              .setSignature(
                  Proto.BillSignature.newBuilder()
                      .setNumber(bill.getNumber())
                      .setReason("too little"))
              .build());
    }
    until(() -> node.mill().ask(pool -> pool.records()) == 4);
    assertThat(entries())
        .allSatisfy(e ->
            assertThat(e.record().charge())
                .isEqualTo(e.record().taskName().equals("bad") ? 0 : 10));
  }

  @Test
  void aCancelledAnswerIsPaidAsFarAsItWasDelivered() throws Exception {
    Listener listener = new Listener();
    Market.Placed placed = ask("req-1", 100, listener);
    Proto.ModelOrder order = order();
    serving.part(order.getNumber(), chunk("hello"));
    listener.next(Told.Part.class);
    ((Market.Placed.Running) placed).cancel().run();
    assertThat(serving.hear(Proto.ToServing.MessageCase.CANCEL).getCancel().getNumber())
        .isEqualTo(order.getNumber());
    serving.end(
        order.getNumber(),
        PuppetServing.claiming(6, 1)
            .setFailure(Proto.InferenceFailure.newBuilder().setKind("cancelled")));
    Told.Failed failed = listener.next(Told.Failed.class);
    assertThat(failed.failure().kind()).isEqualTo(Failure.Kind.CANCELLED);
    assertThat(failed.bill()).isEqualTo(new Market.Bill(6, 0, 1, 0, 8));
  }

  @Test
  void whoCannotPayIsToldAndCostsTheProviderNothing() throws Exception {
    Listener listener = new Listener();
    ask("req-1", 1_000_000_000, listener);
    Told.Failed failed = listener.next(Told.Failed.class);
    assertThat(failed.failure().kind()).isEqualTo(Failure.Kind.UNPAID);
    assertThat(failed.failure().message()).contains("10 credits").contains("max_tokens");
    assertThat(serving.heard).isEmpty();
    // A smaller one still goes.
    ask("req-2", 10, new Listener());
    assertThat(order().getRequestId()).isEqualTo("req-2");
  }

  @Test
  void longPromptsAreCountedWhereTheyHoldUpNobody() throws Exception {
    byte[] weights =
        Files.readAllBytes(Path.of("../examples/models/tiny-chat/q8_0/tiny-chat-q8_0.gguf"));
    model = publish("me/counted", "1", 100, weights, ModelFile.GGUF);
    ModelOffer counted = offer(model, offer.price(), 4);
    serving.say(
        Proto.FromServing.newBuilder()
            .setHello(
                Proto.ServingHello.newBuilder()
                    .setSession(session)
                    .addOffers(
                        ModelParts.write(counted, providerKey.sign(Digests.modelOffer(counted)))))
            .build());
    until(() -> !listings().isEmpty() && node.market().tokens(model.manifest()).isPresent());
    // What has no room in the context is told where it was counted.
    for (int words : List.of(600, MarketLimits.COUNTED_AT_ONCE_BYTES)) {
      String body =
          "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\""
              + "x ".repeat(words)
              + "\"}]}";
      Listener listener = new Listener();
      assertThat(
              node.market()
                  .ask(
                      new Market.Caller(consumerKey.address(), "k"),
                      listings().getFirst(),
                      new Request(
                          "req-1",
                          Api.CHAT,
                          model.manifest(),
                          body.getBytes(StandardCharsets.UTF_8),
                          true),
                      10,
                      listener))
          .isInstanceOf(Market.Placed.Running.class);
      assertThat(listener.next(Told.Failed.class).failure().kind())
          .isEqualTo(Failure.Kind.TOO_LONG);
      assertThat(listener.thread.equals(Thread.currentThread().getName())).isEqualTo(words == 600);
      // It has left its place.
      until(() -> listings().getFirst().live().running() == 0);
    }
    assertThat(serving.heard).isEmpty();
  }

  @Test
  void noMoreRunAtOnceThanWereOffered() throws Exception {
    for (int i = 0; i < 4; i++) {
      assertThat(ask("req-" + i, 10, new Listener())).isInstanceOf(Market.Placed.Running.class);
    }
    assertThat(ask("req-5", 10, new Listener())).isInstanceOf(Market.Placed.Full.class);
    serving.end(order().getNumber(), PuppetServing.claiming(1, 0));
    until(() -> ask("req-6", 10, new Listener()) instanceof Market.Placed.Running);
  }

  @Test
  void aConsumersOwnGatewayAsksOverGrpc() throws Exception {
    Iterator<Proto.AskPart> answer =
        InferenceGrpc.newBlockingStub(consumer.channelWithToken())
            .ask(
                Proto.AskRequest.newBuilder()
                    .setRequestId("req-1")
                    .setOffer(Translation.bytes(Digests.modelOffer(offer)))
                    .setApi("chat")
                    .setBody(ByteString.copyFromUtf8(BODY))
                    .setStream(true)
                    .setMaxTokens(50)
                    .build());
    Proto.ModelOrder order = order();
    serving.part(order.getNumber(), last("hello"));
    assertThat(answer.next().getJson().toStringUtf8()).contains("hello");
    serving.end(order.getNumber(), PuppetServing.claiming(6, 1));
    Proto.AskEnd end = answer.next().getEnd();
    assertThat(end.hasFailure()).isFalse();
    assertThat(end.getCharge()).isEqualTo(8);
    assertThat(answer.hasNext()).isFalse();
  }

  @Test
  void badOffersAreRefusedWithTheReason() throws Exception {
    PuppetServing greedy = new PuppetServing(provider);
    ModelOffer cheap =
        new ModelOffer(
            offer.provider(),
            offer.model(),
            "",
            "",
            "test",
            offer.price(),
            0,
            50,
            1,
            0,
            DataPolicy.KEEPS,
            Optional.empty(),
            "",
            9);
    greedy.say(
        Proto.FromServing.newBuilder()
            .setHello(
                Proto.ServingHello.newBuilder()
                    .setSession(session)
                    .addOffers(
                        ModelParts.write(cheap, providerKey.sign(Digests.modelOffer(cheap)))))
            .build());
    assertThat(greedy.hear(Proto.ToServing.MessageCase.REFUSAL).getRefusal().getMessage())
        .contains("0 thousandths")
        .contains("the model asks 100");
    PuppetServing forger = new PuppetServing(provider);
    forger.say(
        Proto.FromServing.newBuilder()
            .setHello(
                Proto.ServingHello.newBuilder()
                    .setSession(session)
                    .addOffers(
                        ModelParts.write(offer, consumerKey.sign(Digests.modelOffer(offer)))))
            .build());
    assertThat(forger.hear(Proto.ToServing.MessageCase.REFUSAL).getRefusal().getMessage())
        .contains("signature");
  }

  @Test
  void filesOfPublishedModelsAreOpenToEverybodyWhoLoggedIn() throws Exception {
    assertThat(consumer.send(consumer.blob(model.manifest(), "")).statusCode()).isEqualTo(200);
    Blob secret = author.put("not published".getBytes(StandardCharsets.UTF_8));
    assertThat(consumer.send(consumer.blob(secret.hash(), "")).statusCode()).isEqualTo(404);
  }

  @Test
  void keysStandForTheirAccountUntilTheyAreRevoked() throws Exception {
    Hash hash = Hash.sha256("sk-test".getBytes(StandardCharsets.UTF_8));
    assertThat(node.market().caller("sk-test")).isEmpty();
    consumer
        .models()
        .makeKey(
            Proto.MakeKeyRequest.newBuilder()
                .setName("laptop")
                .setKeyHash(Translation.bytes(hash))
                .build());
    assertThat(node.market().caller("sk-test").orElseThrow().account())
        .isEqualTo(consumerKey.address());
    assertThat(author.models().listKeys(Proto.ListKeysRequest.getDefaultInstance()).getKeysList())
        .isEmpty();
    Proto.RevokeKeyRequest revoke =
        Proto.RevokeKeyRequest.newBuilder().setKeyHash(Translation.bytes(hash)).build();
    assertThat(author.models().revokeKey(revoke).getRefusal().getCode()).isEqualTo("UNKNOWN");
    assertThat(consumer.models().revokeKey(revoke).hasRefusal()).isFalse();
    assertThat(node.market().caller("sk-test")).isEmpty();
  }

  @Test
  void openInferenceIsSpokenOverGrpc() throws Exception {
    String key = "sk-test";
    consumer
        .models()
        .makeKey(
            Proto.MakeKeyRequest.newBuilder()
                .setKeyHash(Translation.bytes(Hash.sha256(key.getBytes(StandardCharsets.UTF_8))))
                .build());
    GRPCInferenceServiceGrpc.GRPCInferenceServiceBlockingStub stranger =
        GRPCInferenceServiceGrpc.newBlockingStub(consumer.channel)
            .withDeadlineAfter(30, TimeUnit.SECONDS);
    GRPCInferenceServiceGrpc.GRPCInferenceServiceBlockingStub client =
        stranger.withInterceptors(PoolCaller.bearer(key));
    OpenInferenceProto.ModelReadyRequest ready =
        OpenInferenceProto.ModelReadyRequest.newBuilder().setName("me/m").build();
    assertThatThrownBy(() -> stranger.modelReady(ready)).hasMessageContaining("UNAUTHENTICATED");
    assertThat(client.modelReady(ready).getReady()).isTrue();
    assertThatThrownBy(() -> client.modelReady(ready.toBuilder().setName("no/such").build()))
        .hasMessageContaining("NOT_FOUND");
    OpenInferenceProto.ModelInferRequest request =
        OpenInferenceProto.ModelInferRequest.newBuilder()
            .setModelName("me/m")
            .setId("7")
            .addInputs(
                OpenInferenceProto.ModelInferRequest.InferInputTensor.newBuilder()
                    .setName("x")
                    .setDatatype("FP32")
                    .addShape(1)
                    .addShape(2)
                    .setContents(
                        OpenInferenceProto.InferTensorContents.newBuilder()
                            .addFp32Contents(1)
                            .addFp32Contents(2)))
            .build();
    CompletableFuture<OpenInferenceProto.ModelInferResponse> answer =
        CompletableFuture.supplyAsync(() -> client.modelInfer(request));
    Proto.ModelOrder order = order();
    assertThat(order.getApi()).isEqualTo("infer");
    assertThat(order.getBody().toStringUtf8()).contains("\"name\":\"x\"");
    serving.part(
        order.getNumber(),
        "{\"model_name\":\"me/m\",\"id\":\"7\",\"outputs\":[{\"name\":\"y\",\"datatype\":\"FP32\","
            + "\"shape\":[1],\"data\":[3.5]}]}");
    serving.end(
        order.getNumber(),
        Proto.AnswerEnd.newBuilder().setClaim(Proto.Claim.newBuilder().setRows(1)));
    OpenInferenceProto.ModelInferResponse response = answer.get(30, TimeUnit.SECONDS);
    assertThat(response.getId()).isEqualTo("7");
    assertThat(response.getOutputs(0).getContents().getFp32ContentsList()).containsExactly(3.5f);
  }
}
