package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelOrder;
import dev.perseid.core.Outcome;
import dev.perseid.core.Rejection;
import dev.perseid.core.Served;
import dev.perseid.core.TokenPrice;
import dev.perseid.core.Usage;
import dev.perseid.inference.Api;
import dev.perseid.inference.Backend;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.journal.Merkle;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.SealKey;
import dev.perseid.settle.Sealed;
import dev.perseid.settle.SealedRequest;
import dev.perseid.wire.ModelParts;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import io.grpc.ManagedChannel;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The provider's end of the stream of orders over real gRPC, with a pool and a backend that follow
/// a script.
@Timeout(60)
final class ProviderServingTest {
  private static final long SESSION = 7;

  private final Key pool = Key.generate();
  private final Key key = Key.generate();
  private final SealKey sealKey = SealKey.generate();
  private final ScriptedBackend backend = new ScriptedBackend();
  private final List<String> notices = new CopyOnWriteArrayList<>();
  private final List<AutoCloseable> open = new ArrayList<>();
  private ScriptedMarket market;
  private Model model;

  // Of the first offer.
  private Proto.ModelOffer offered;
  private ModelOffer offer;
  private Hash offerHash;

  @BeforeEach
  void open() throws Exception {
    market = new ScriptedMarket();
    open.add(market);
    model = market.publish("me/tiny", "gguf");
  }

  @AfterEach
  void close() throws Exception {
    for (AutoCloseable c : open.reversed()) {
      c.close();
    }
  }

  private ProviderServing serving(ServedModel... models) {
    return serving((served, m) -> backend, models);
  }

  private ProviderServing serving(BackendMaker maker, ServedModel... models) {
    ProviderServing serving =
        new ProviderServing(
            new ProviderServing.Setting(
                key,
                pool.address(),
                "eu-test",
                List.of(models),
                Optional.of(sealKey),
                notices::add,
                () -> {}),
            maker);
    open.add(serving);
    serving.start();
    return serving;
  }

  private void connect(ProviderServing serving, long session) {
    ManagedChannel channel = market.channel();
    open.add(channel::shutdownNow);
    serving.connected(channel, () -> Optional.of("token"), session);
  }

  /// Serves the model and is welcomed.
  private ProviderServing begin(UnaryOperator<ServedModel> with) throws Exception {
    ProviderServing serving = serving(with.apply(ServedModel.of("me/tiny")));
    connect(serving, SESSION);
    remember(market.welcome());
    return serving;
  }

  private void remember(Proto.ServingHello hello) throws Exception {
    assertThat(hello.getOffersCount()).isEqualTo(1);
    offered = hello.getOffers(0);
    offer = ModelParts.read(offered);
    offerHash = Digests.modelOffer(offer);
  }

  private Proto.ModelOrder order() {
    return market.send(market.order(offered, offerHash));
  }

  private static String text(Proto.AnswerPart part) {
    return part.getJson().toStringUtf8();
  }

  @Test
  void offersWhatItServesUnderItsSignature() throws Exception {
    ProviderServing serving = serving(ServedModel.of("me/tiny").parallel(3).in("eu-attic"));
    connect(serving, SESSION);
    Proto.ServingHello hello = market.welcome();
    remember(hello);
    assertThat(hello.getSession()).isEqualTo(SESSION);
    assertThat(Key.recover(offerHash, ModelParts.signature(offered))).contains(key.address());
    assertThat(offer.model()).isEqualTo(model.manifest());
    assertThat(offer.backend()).isEqualTo("scripted 1");
    assertThat(offer.region()).isEqualTo("eu-attic");
    assertThat(offer.parallel()).isEqualTo(3);
    assertThat(offer.contextTokens()).isEqualTo(4_096);
    assertThat(offer.poolPermille()).isEqualTo(50);
    assertThat(offer.royaltyPermille()).isEqualTo(100);
    assertThat(offer.sealKey()).contains(sealKey.publicKey());
    assertThat(offer.endpoint()).isEmpty();
    Until.holds(() -> notices.stream().anyMatch(n -> n.equals("1 model is offered to the pool")));
    assertThat(serving.status())
        .containsExactly(new ModelStatus("me/tiny:1", ModelStatus.Stage.SERVED, 0, 0, 0, ""));
  }

  @Test
  void answersComeInPartsAndEndWithAClaim() throws Exception {
    ProviderServing serving = begin(m -> m);
    Proto.ModelOrder order = order();
    ScriptedBackend.Asked asked = backend.next();
    assertThat(asked.request.id()).isEqualTo(order.getRequestId());
    assertThat(asked.request.api()).isEqualTo(Api.CHAT);
    assertThat(asked.request.stream()).isTrue();
    assertThat(new String(asked.request.body(), StandardCharsets.UTF_8)).isEqualTo("{\"n\":1}");
    asked.part("one");
    asked.part("two");
    asked.answer.done(Claim.tokens(5, 2, 3));
    List<Proto.AnswerPart> parts = market.answer(order.getNumber());
    assertThat(parts).hasSize(3);
    assertThat(text(parts.get(0))).isEqualTo("one");
    assertThat(text(parts.get(1))).isEqualTo("two");
    Proto.AnswerEnd end = parts.get(2).getEnd();
    assertThat(end.hasFailure()).isFalse();
    assertThat(InferenceParts.read(end.getClaim())).isEqualTo(Claim.tokens(5, 2, 3));
    assertThat(end.getStartedUs()).isPositive().isLessThanOrEqualTo(end.getFirstTokenUs());
    assertThat(end.getFirstTokenUs()).isLessThanOrEqualTo(end.getEndedUs());
    asked.part("late"); // breaks the contract, and is passed over
    asked.answer.done(Claim.NONE);
    Proto.ModelOrder second = order();
    backend.next().answer.failed(new Failure(Failure.Kind.TOO_LONG, "too long"), Claim.NONE);
    List<Proto.AnswerPart> failed = market.answer(second.getNumber());
    assertThat(failed).hasSize(1);
    assertThat(failed.getFirst().getEnd().getFailure().getKind()).isEqualTo("too-long");
    assertThat(failed.getFirst().getEnd().hasFirstTokenUs()).isFalse();
    assertThat(serving.status().getFirst().ended()).isEqualTo(2);
  }

  @Test
  void anOrderThatCameBeforeAndOneOfAnotherOfferAreNotRun() throws Exception {
    begin(m -> m);
    Proto.ModelOrder order = order();
    market.send(order.toBuilder());
    Proto.ModelOrder other =
        market.send(
            market
                .order(offered, offerHash)
                .setOffer(Translation.bytes(Hash.sha256(new byte[] {1}))));
    assertThat(market.answer(other.getNumber()).getFirst().getEnd().getFailure().getText())
        .contains("does not serve that offer");
    market.cancel(99); // nobody knows it
    backend.next().answer.done(Claim.NONE);
    market.answer(order.getNumber());
    assertThat(backend.asked).isEmpty();
  }

  @Test
  void moreThanItCanDoIsBusyAtOnce() throws Exception {
    begin(m -> m.parallel(1));
    List<Proto.ModelOrder> taken = new ArrayList<>();
    for (int i = 0; i < 1 + ServingLimits.waiting(1); i++) {
      taken.add(order());
    }
    Proto.ModelOrder tooMuch = order();
    Proto.InferenceFailure failure =
        market.answer(tooMuch.getNumber()).getFirst().getEnd().getFailure();
    assertThat(failure.getKind()).isEqualTo("busy");
    assertThat(failure.getRetryAfterMs()).isEqualTo(ServingLimits.BUSY_RETRY_MS);
    for (Proto.ModelOrder order : taken) {
      ScriptedBackend.Asked asked = backend.next();
      assertThat(asked.request.id()).isEqualTo(order.getRequestId());
      assertThat(backend.asked).as("one after the other").isEmpty();
      asked.answer.done(Claim.NONE);
      market.answer(order.getNumber());
    }
  }

  @Test
  void cancellingStopsWhatRunsAndWhatWaits() throws Exception {
    begin(m -> m.parallel(1));
    Proto.ModelOrder runs = order();
    Proto.ModelOrder waits = order();
    Proto.ModelOrder next = order();
    ScriptedBackend.Asked asked = backend.next();
    asked.part("one");
    market.cancel(waits.getNumber());
    Proto.AnswerEnd end = market.answer(waits.getNumber()).getLast().getEnd();
    assertThat(end.getFailure().getKind()).isEqualTo("cancelled");
    assertThat(end.hasStartedUs()).isFalse();
    market.cancel(runs.getNumber());
    asked.stop(Claim.tokens(4, 0, 1));
    end = market.answer(runs.getNumber()).getLast().getEnd();
    assertThat(end.getFailure().getKind()).isEqualTo("cancelled");
    assertThat(end.getClaim().getCompletionTokens()).isEqualTo(1);
    assertThat(backend.next().request.id()).isEqualTo(next.getRequestId());
  }

  @Test
  void aBackendThatDoesNotStopIsGivenUp() throws Exception {
    begin(m -> m.parallel(1));
    Proto.ModelOrder runs = order();
    Proto.ModelOrder next = order();
    ScriptedBackend.Asked asked = backend.next();
    market.cancel(runs.getNumber());
    asked.awaitStop();
    Proto.AnswerEnd end = market.answer(runs.getNumber()).getLast().getEnd();
    assertThat(end.getFailure().getText()).contains("did not confirm");
    assertThat(backend.next().request.id()).isEqualTo(next.getRequestId());
  }

  @Test
  void aPoolThatDoesNotReadLosesTheOrderAndNothingElse() throws Exception {
    market.reads = false;
    ProviderServing serving = serving(ServedModel.of("me/tiny"));
    connect(serving, SESSION);
    remember(market.welcome());
    order();
    ScriptedBackend.Asked asked = backend.next();
    byte[] part = new byte[64 << 10];
    long sent = 0;
    while (asked.stopped.getCount() > 0) {
      asked.answer.part(part);
      sent += part.length;
      assertThat(sent).as("bytes that wait").isLessThan(200L << 20);
    }
    asked.stop(Claim.NONE);
    assertThat(sent).isGreaterThan(ServingLimits.ORDER_WAITING_BYTES);
    order();
    assertThat(backend.next().request.id()).isEqualTo("r2");
  }

  @Test
  void aNewSessionBeginsAnew() throws Exception {
    ProviderServing serving = begin(m -> m);
    order();
    ScriptedBackend.Asked asked = backend.next();
    serving.disconnected();
    asked.stop(Claim.NONE);
    connect(serving, SESSION + 1);
    Proto.ServingHello hello = market.welcome();
    assertThat(hello.getSession()).isEqualTo(SESSION + 1);
    assertThat(hello.getOffers(0)).as("the same terms").isEqualTo(offered);
    Proto.ModelOrder again = order();
    backend.next().answer.done(Claim.NONE);
    market.answer(again.getNumber());
  }

  @Test
  void aCutStreamIsOpenedAgain() throws Exception {
    begin(m -> m);
    order();
    ScriptedBackend.Asked asked = backend.next();
    market.cut();
    asked.stop(Claim.NONE);
    assertThat(market.welcome().getSession()).isEqualTo(SESSION);
    assertThat(notices).anyMatch(n -> n.contains("cut by the test"));
    market.send(
        Proto.ToServing.newBuilder()
            .setRefusal(
                Translation.write(new Rejection(Rejection.Code.OVERLOADED, "come back later")))
            .build());
    market.welcome();
    assertThat(notices).anyMatch(n -> n.contains("come back later"));
  }

  @Test
  void modelsAreOfferedAsTheyBecomeReady() throws Exception {
    Model second = market.publish("me/second", "gguf");
    ProviderServing serving =
        serving(
            (served, m) -> {
              if (served.model().equals("me/second:1") && notices.size() < 2) {
                throw new ModelUnusable("its disk is full: make room");
              }
              return backend;
            },
            ServedModel.of("me/second:1"),
            ServedModel.of(model.manifest().toString()),
            ServedModel.of("me/tiny"),
            ServedModel.of("me/none"));
    connect(serving, SESSION);
    remember(market.welcome());
    assertThat(offer.model()).isEqualTo(model.manifest());
    Proto.ServingHello more = market.hello();
    assertThat(more.getOffersList())
        .extracting(o -> Translation.hash(o.getModel(), "model"))
        .containsExactlyInAnyOrder(model.manifest(), second.manifest());
    Until.holds(() -> notices.stream().anyMatch(n -> n.contains("me/none cannot be served")));
    assertThat(notices)
        .anyMatch(n -> n.contains("its disk is full"))
        .anyMatch(n -> n.contains("it is not published in this pool"))
        .anyMatch(n -> n.contains("name it once"));
    assertThat(serving.status())
        .extracting(ModelStatus::stage)
        .containsExactly(
            ModelStatus.Stage.SERVED,
            ModelStatus.Stage.SERVED,
            ModelStatus.Stage.FAILED,
            ModelStatus.Stage.FAILED);
  }

  @Test
  void healthIsToldWhenItChanges() throws Exception {
    begin(m -> m);
    backend.health = new Backend.Health(false, 2, 1, 3, "the card is too hot");
    Proto.ModelHealth health;
    do {
      Proto.FromServing m = market.next();
      health = m.hasHealth() ? m.getHealth().getModels(0) : Proto.ModelHealth.getDefaultInstance();
    } while (health.getModel().isEmpty() || health.getHealthy());
    assertThat(health.getModel()).isEqualTo(Translation.bytes(model.manifest()));
    assertThat(health.getRunning()).isEqualTo(1);
    assertThat(health.getWaiting()).isEqualTo(3);
    assertThat(health.getProblem()).isEqualTo("the card is too hot");
    Until.holds(() -> notices.stream().anyMatch(n -> n.contains("the card is too hot")));
  }

  @Test
  void whoLeavesEndsWhatRuns() throws Exception {
    ProviderServing serving = begin(m -> m);
    Proto.ModelOrder order = order();
    ScriptedBackend.Asked asked = backend.next();
    serving.leave();
    Proto.ModelOrder late = order();
    assertThat(market.answer(late.getNumber()).getFirst().getEnd().getFailure().getKind())
        .isEqualTo("busy");
    assertThat(serving.settled()).isFalse();
    asked.answer.done(Claim.tokens(1, 0, 1));
    market.answer(order.getNumber());
    assertThat(serving.settled()).as("before the bill").isFalse();
    bill(record(late, Claim.NONE, Outcome.PROVIDER_FAILED, "", List.of()));
    assertThat(market.signature().getReason()).isEmpty();
    Until.holds(serving::settled); // the bill of the other does not come, and is not waited for
  }

  @Test
  void whatHasNoTimeLeftIsBrokenOff() throws Exception {
    ProviderServing serving = begin(m -> m);
    Proto.ModelOrder order = order();
    ScriptedBackend.Asked asked = backend.next();
    serving.leave();
    serving.stopAll();
    assertThat(market.answer(order.getNumber()).getLast().getEnd().getFailure().getKind())
        .isEqualTo("broken");
    asked.stop(Claim.NONE);
  }

  @Test
  void sealedRequestsAreOpenedAndTheirAnswersSealed() throws Exception {
    begin(m -> m);
    byte[] body = "{\"secret\":true}".getBytes(StandardCharsets.UTF_8);
    SealedRequest sealed =
        Sealed.request(
            offer.sealKey().orElseThrow(), "sealed-1", Seal.bound(offerHash, Api.CHAT, true), body);
    Proto.ModelOrder order =
        market.send(
            market
                .order(offered, offerHash)
                .setRequestId("sealed-1")
                .setSealed(true)
                .setBody(ByteString.copyFrom(sealed.bytes())));
    ScriptedBackend.Asked asked = backend.next();
    assertThat(asked.request.body()).isEqualTo(body);
    String chunk = "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}";
    asked.part(chunk.formatted("a"));
    asked.part(chunk.formatted("b"));
    asked.answer.done(Claim.tokens(3, 0, 3));
    List<Proto.AnswerPart> parts = market.answer(order.getNumber());
    assertThat(parts).hasSize(4);
    assertThat(parts.stream().map(Proto.AnswerPart::getTokens)).containsExactly(1L, 2L, 2L, 3L);
    List<String> read = new ArrayList<>();
    for (Proto.AnswerPart part : parts.subList(0, 3)) {
      assertThat(text(part)).doesNotContain("delta");
      read.add(
          new String(sealed.answer().open(part.getJson().toByteArray()), StandardCharsets.UTF_8));
    }
    assertThat(read).containsExactly(chunk.formatted("a"), chunk.formatted("b"), "");

    // Under other terms it does not open.
    Proto.ModelOrder turned =
        market.send(
            market
                .order(offered, offerHash)
                .setRequestId("sealed-1")
                .setSealed(true)
                .setStream(false)
                .setBody(ByteString.copyFrom(sealed.bytes())));
    assertThat(market.answer(turned.getNumber()).getFirst().getEnd().getFailure().getKind())
        .isEqualTo("invalid");
    assertThat(backend.asked).isEmpty();
  }

  // ---- bills ----

  private ExecutionRecord record(
      Proto.ModelOrder order,
      Claim billed,
      Outcome outcome,
      String reason,
      List<Proto.AnswerPart> parts) {
    ByteArrayOutputStream answer = new ByteArrayOutputStream();
    OptionalLong started = OptionalLong.empty();
    OptionalLong first = OptionalLong.empty();
    OptionalLong ended = OptionalLong.empty();
    for (Proto.AnswerPart part : parts) {
      answer.writeBytes(part.getJson().toByteArray());
      if (part.hasEnd()) {
        Proto.AnswerEnd end = part.getEnd();
        started = time(end.hasStartedUs(), end.getStartedUs());
        first = time(end.hasFirstTokenUs(), end.getFirstTokenUs());
        ended = time(end.hasEndedUs(), end.getEndedUs());
      }
    }
    byte[] body = order.getBody().toByteArray();
    return ExecutionRecord.of(
        pool.address(),
        new ModelOrder(
            order.getNumber(),
            order.getRequestId(),
            ScriptedMarket.CONSUMER,
            offerHash,
            order.getApi(),
            new Blob(Hash.sha256(body), body.length),
            1,
            2,
            1_000_000_000),
        new Served(
            outcome,
            reason,
            started,
            first,
            ended,
            billed.promptTokens(),
            billed.cachedTokens(),
            billed.completionTokens(),
            billed.rows(),
            Usage.UNMEASURED,
            answer.size() == 0
                ? Blob.EMPTY
                : new Blob(Hash.sha256(answer.toByteArray()), answer.size())),
        offer,
        model);
  }

  private static OptionalLong time(boolean present, long us) {
    return present ? OptionalLong.of(us) : OptionalLong.empty();
  }

  private void bill(ExecutionRecord... records) {
    Proto.Bill.Builder bill = Proto.Bill.newBuilder().setNumber(3);
    for (ExecutionRecord r : records) {
      bill.addRecords(
          ByteString.copyFrom(
              EntryCodec.encode(new Entry(0, 0, r, new Entry.Attestation.PoolOnly()))));
    }
    market.send(Proto.ToServing.newBuilder().setBill(bill).build());
  }

  /// Serves one order to its end.
  private List<Proto.AnswerPart> serve(Proto.ModelOrder order, Claim claim) throws Exception {
    ScriptedBackend.Asked asked = backend.next();
    asked.part("answer");
    asked.answer.done(claim);
    return market.answer(order.getNumber());
  }

  @Test
  void anHonestBillIsSigned() throws Exception {
    begin(m -> m);
    Claim claim = Claim.tokens(1_000, 200, 500);
    Proto.ModelOrder first = order();
    ExecutionRecord one = record(first, claim, Outcome.DONE, "", serve(first, claim));
    Proto.ModelOrder second = order();
    // A little less than claimed: pool and provider may count differently at the edges.
    ExecutionRecord two =
        record(second, Claim.tokens(990, 200, 490), Outcome.DONE, "", serve(second, claim));
    assertThat(one.charge()).isEqualTo(800 + 20 + 2_000);
    bill(one, two);
    Proto.BillSignature signed = market.signature();
    assertThat(signed.getReason()).isEmpty();
    assertThat(signed.getNumber()).isEqualTo(3);
    Hash root = Merkle.rootOfDigests(List.of(Digests.record(one), Digests.record(two)));
    assertThat(signed.getRoot()).isEqualTo(Translation.bytes(root));
    assertThat(
            Key.recover(
                Digests.batch(pool.address(), root, 2),
                Translation.signature(signed.getSignature(), "signature")))
        .contains(key.address());
    bill(one); // a second time
    assertThat(market.signature().getReason()).contains("did not serve it");
  }

  @Test
  void whatIsRightInAWrongBillIsSignedOnItsOwn() throws Exception {
    begin(m -> m);
    Claim claim = Claim.tokens(1_000, 200, 500);
    Proto.ModelOrder first = order();
    ExecutionRecord right = record(first, claim, Outcome.DONE, "", serve(first, claim));
    Proto.ModelOrder second = order();
    Claim less = Claim.tokens(1_000, 200, 400);
    ExecutionRecord wrong = record(second, less, Outcome.DONE, "", serve(second, claim));
    bill(right, wrong);
    assertThat(market.signature().getReason()).contains("400 completion tokens of 500");
    bill(wrong);
    assertThat(market.signature().getReason()).contains("400 completion tokens of 500");
    bill(right);
    assertThat(market.signature().getReason()).isEmpty();
    bill(right);
    assertThat(market.signature().getReason()).contains("did not serve it");
  }

  @Test
  void aCancelledAnswerIsBilledUpToWhereItCame() throws Exception {
    begin(m -> m);
    Proto.ModelOrder order = order();
    ScriptedBackend.Asked asked = backend.next();
    asked.part("one");
    market.cancel(order.getNumber());
    asked.stop(Claim.tokens(100, 0, 40));
    List<Proto.AnswerPart> parts = market.answer(order.getNumber());
    bill(record(order, Claim.tokens(100, 0, 12), Outcome.CANCELLED, "hung up", parts));
    assertThat(market.signature().getReason()).isEmpty();
  }

  @Test
  void aFailureCostsNothingAndIsSigned() throws Exception {
    begin(m -> m);
    Proto.ModelOrder order = order();
    ScriptedBackend.Asked asked = backend.next();
    asked.part("one");
    asked.answer.failed(new Failure(Failure.Kind.BROKEN, "out of memory"), Claim.tokens(9, 0, 9));
    List<Proto.AnswerPart> parts = market.answer(order.getNumber());
    ExecutionRecord record =
        record(order, Claim.tokens(9, 0, 3), Outcome.PROVIDER_FAILED, "out of memory", parts);
    assertThat(record.charge()).isZero();
    bill(record);
    assertThat(market.signature().getReason()).isEmpty();
  }

  private String disagreement(UnaryOperator<ExecutionRecord> how) throws Exception {
    Claim claim = Claim.tokens(1_000, 200, 500);
    Proto.ModelOrder order = order();
    bill(how.apply(record(order, claim, Outcome.DONE, "", serve(order, claim))));
    Proto.BillSignature answer = market.signature();
    assertThat(answer.getSignature().isEmpty()).as("not signed").isTrue();
    assertThat(notices).anyMatch(n -> n.startsWith("WARNING") && n.contains(answer.getReason()));
    return answer.getReason();
  }

  @Test
  void aDishonestBillIsNotSigned() throws Exception {
    begin(m -> m);
    Claim less = Claim.tokens(1_000, 200, 400);
    Claim more = Claim.tokens(1_000, 200, 501);
    Claim cached = Claim.tokens(1_000, 900, 500);
    assertThat(disagreement(r -> rebilled(r, less, offer)))
        .contains("400 completion tokens of 500");
    assertThat(disagreement(r -> rebilled(r, more, offer))).contains("no more than 500");
    assertThat(disagreement(r -> rebilled(r, cached, offer))).contains("900 cached tokens");
    ModelOffer cheaper = terms(offer, new TokenPrice(1, 1, 1, 1, 1), offer.poolPermille());
    Claim claim = Claim.tokens(1_000, 200, 500);
    assertThat(disagreement(r -> rebilled(r, claim, cheaper))).contains("by the offer it is 2820");
    ModelOffer greedy = terms(offer, offer.price(), 400);
    assertThat(disagreement(r -> rebilled(r, claim, greedy))).contains("not divided");
  }

  /// The offer with another price and another part for the pool.
  private static ModelOffer terms(ModelOffer offer, TokenPrice price, int poolPermille) {
    return new ModelOffer(
        offer.provider(),
        offer.model(),
        offer.region(),
        offer.quantisation(),
        offer.backend(),
        price,
        offer.royaltyPermille(),
        poolPermille,
        offer.parallel(),
        offer.contextTokens(),
        offer.policy(),
        offer.sealKey(),
        offer.endpoint(),
        offer.madeUs());
  }

  /// The record with other counts, or as under other terms.
  private ExecutionRecord rebilled(ExecutionRecord r, Claim claim, ModelOffer terms) {
    return ExecutionRecord.of(
        r.pool(),
        new ModelOrder(
            r.lease(),
            r.taskName(),
            r.consumer(),
            r.offer(),
            "chat",
            new Blob(r.argsHash(), 7),
            1,
            2,
            1_000_000_000),
        new Served(
            r.outcome(),
            r.reason(),
            r.startedUs(),
            r.inference().orElseThrow().firstTokenUs(),
            r.endedUs(),
            claim.promptTokens(),
            claim.cachedTokens(),
            claim.completionTokens(),
            0,
            r.usage(),
            r.outputs().isEmpty() ? Blob.EMPTY : r.outputs().getFirst()),
        terms,
        model);
  }

  @Test
  void anotherOutcomeOrderOrAnswerIsNotSigned() throws Exception {
    begin(m -> m);
    Claim claim = Claim.tokens(10, 0, 10);
    Proto.ModelOrder order = order();
    List<Proto.AnswerPart> parts = serve(order, claim);
    bill(record(order, claim, Outcome.PROVIDER_FAILED, "they say", parts));
    assertThat(market.signature().getReason()).contains("but it is billed as PROVIDER_FAILED");

    order = order();
    parts = serve(order, claim);
    bill(record(order, claim, Outcome.DONE, "", parts.subList(1, 2)));
    assertThat(market.signature().getReason()).contains("not the one that was given");

    order = order();
    parts = serve(order, claim);
    Proto.ModelOrder turned = order.toBuilder().setBody(ByteString.copyFromUtf8("{}")).build();
    bill(record(turned, claim, Outcome.DONE, "", parts));
    assertThat(market.signature().getReason()).contains("not the order that came");

    Proto.ModelOrder never = market.order(offered, offerHash).build();
    bill(record(never, claim, Outcome.DONE, "", parts));
    assertThat(market.signature().getReason()).contains("did not serve it");

    order = order();
    ScriptedBackend.Asked runs = backend.next();
    bill(record(order, claim, Outcome.DONE, "", List.of()));
    assertThat(market.signature().getReason()).contains("was not given to its end");
    runs.answer.done(claim);
    market.send(
        Proto.ToServing.newBuilder()
            .setBill(
                Proto.Bill.newBuilder().setNumber(4).addRecords(ByteString.copyFromUtf8("rubbish")))
            .build());
    assertThat(market.signature().getReason()).contains("cannot be read");
  }

  @Test
  void ordersThatThePoolServedDirectlyAreCheckedByTheirTerms() throws Exception {
    begin(m ->
        m.from(
            new ServedModel.Source.Server(
                URI.create("http://127.0.0.1:9/v1"),
                Optional.empty(),
                Optional.empty(),
                true,
                Optional.empty())));
    assertThat(offer.endpoint()).isEqualTo("http://127.0.0.1:9/v1#me/tiny");
    Claim claim = Claim.tokens(1_000, 200, 500);
    Proto.ModelOrder unseen = market.order(offered, offerHash).build();
    ExecutionRecord record = record(unseen, claim, Outcome.DONE, "", List.of());
    bill(record);
    assertThat(market.signature().getReason()).isEmpty();
    ModelOffer cheaper = terms(offer, new TokenPrice(1, 1, 1, 1, 1), offer.poolPermille());
    bill(rebilled(record, claim, cheaper));
    assertThat(market.signature().getReason()).contains("by the offer it is 2820");
  }
}
