package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.perseid.core.Blob;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Hash;
import dev.perseid.core.Input;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Lease;
import dev.perseid.core.Outcome;
import dev.perseid.core.Rejection;
import dev.perseid.core.Report;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.ToProvider;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.JobsGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.CallOptions;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// One pool is abused in every way; after each test an honest consumer and an honest provider still
/// do a job on it.
class PoolAbuseTest {
  @TempDir static Path dir;
  private static final Key POOL = Key.generate();
  private static PoolNode node;

  @BeforeAll
  static void start() throws Exception {
    node =
        PoolNode.start(
            PoolConfig.usual(dir, POOL)
                .withWelcome(10_000_000)
                .withTimes(500, 10_000)
                .withBlobBytes(64 << 20));
  }

  @AfterAll
  static void stop() throws Exception {
    node.close();
  }

  @AfterEach
  void honestPeopleAreNotAffected() throws Exception {
    assertThat(node.failure()).isEmpty();
    try (PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer");
        PuppetProvider provider = new PuppetProvider(node.port(), Key.generate())) {
      provider.joined().working();
      Blob module = consumer.put(PoolNodeTest.MODULE);
      JobId job = consumer.accepted(Given.fan(consumer.key.address(), 1, module, 3));
      assertThat(consumer.finished(job).getState()).isEqualTo("done");
      provider.leave();
    }
  }

  private static void refused(
      Status.Code code, String words, org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            StatusRuntimeException.class,
            e -> assertThat(e.getStatus().getCode()).as("%s", e).isEqualTo(code))
        .hasMessageContaining(words);
  }

  // ---- identity ----

  @Test
  void ALoginNeedsTheKey() throws Exception {
    Key me = Key.generate();
    Key other = Key.generate();
    try (PoolCaller caller = new PoolCaller(node.port(), me)) {
      Hash nonce = caller.nonce();
      String forged = other.sign(Digests.login(caller.pool, me.address(), "consumer", nonce));
      refused(
          Status.Code.UNAUTHENTICATED,
          "the signature is not",
          () -> caller.login("consumer", nonce, forged));
      String right = me.sign(Digests.login(caller.pool, me.address(), "consumer", nonce));
      // A wrong try takes nothing from whom the nonce was given to; a session does.
      caller.login("consumer", nonce, right);
      refused(
          Status.Code.UNAUTHENTICATED,
          "was used already",
          () -> caller.login("consumer", nonce, right));
    }
  }

  @Test
  void ANonceIsGoodOnceAndForOne() throws Exception {
    Key me = Key.generate();
    try (PoolCaller caller = new PoolCaller(node.port(), me);
        PoolCaller thief = new PoolCaller(node.port(), Key.generate())) {
      Hash nonce = caller.nonce();
      String signed = me.sign(Digests.login(caller.pool, me.address(), "consumer", nonce));
      assertThat(caller.login("consumer", nonce, signed).getToken()).isNotEmpty();
      refused(
          Status.Code.UNAUTHENTICATED,
          "ask for a new challenge",
          () -> caller.login("consumer", nonce, signed));
      Hash mine = caller.nonce();
      String stolen =
          thief.key.sign(Digests.login(caller.pool, thief.key.address(), "consumer", mine));
      refused(
          Status.Code.UNAUTHENTICATED,
          "was not given to",
          () -> thief.login("consumer", mine, stolen));
    }
  }

  @Test
  void ASignatureForOneRoleIsNotGoodForAnother() throws Exception {
    Key me = Key.generate();
    try (PoolCaller caller = new PoolCaller(node.port(), me)) {
      Hash nonce = caller.nonce();
      String signed = me.sign(Digests.login(caller.pool, me.address(), "consumer", nonce));
      refused(
          Status.Code.UNAUTHENTICATED,
          "the signature is not",
          () -> caller.login("provider", nonce, signed));
      refused(
          Status.Code.UNAUTHENTICATED,
          "is no operator",
          () -> new PoolCaller(node.port(), me, "operator").close());
      refused(
          Status.Code.UNAUTHENTICATED,
          "write consumer, provider, operator, owner or auditor",
          () -> new PoolCaller(node.port(), me, "king").close());
    }
  }

  @Test
  void CallsNeedASessionOfTheRightRole() throws Exception {
    try (PoolCaller nobody = new PoolCaller(node.port(), Key.generate());
        PoolCaller provider = new PoolCaller(node.port(), Key.generate(), "provider");
        PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      refused(
          Status.Code.UNAUTHENTICATED,
          "log in",
          () ->
              JobsGrpc.newBlockingStub(nobody.channel)
                  .list(Proto.ListRequest.getDefaultInstance()));
      refused(
          Status.Code.UNAUTHENTICATED,
          "log in again",
          () ->
              JobsGrpc.newBlockingStub(nobody.channel)
                  .withInterceptors(PoolCaller.bearer("made-up"))
                  .list(Proto.ListRequest.getDefaultInstance()));
      refused(
          Status.Code.PERMISSION_DENIED,
          "a provider may not call",
          () -> provider.jobs().list(Proto.ListRequest.getDefaultInstance()));
      refused(
          Status.Code.PERMISSION_DENIED,
          "a consumer may not call",
          () -> consumer.jobs().grant(Proto.GrantRequest.getDefaultInstance()));
      refused(
          Status.Code.PERMISSION_DENIED,
          "only operators and auditors",
          () -> consumer.jobs().list(Proto.ListRequest.newBuilder().setAll(true).build()));
      CompletableFuture<Proto.ToProvider> heard = new CompletableFuture<>();
      consumer.providers().serve(new PoolCaller.One<>(heard));
      assertThatThrownBy(() -> heard.get(20, TimeUnit.SECONDS))
          .hasMessageContaining("PERMISSION_DENIED");
    }
  }

  @Test
  void AConsumerSeesItsOwnOnly() throws Exception {
    try (PoolCaller one = new PoolCaller(node.port(), Key.generate(), "consumer");
        PoolCaller two = new PoolCaller(node.port(), Key.generate(), "consumer");
        PoolCaller operator = new PoolCaller(node.port(), POOL, "operator")) {
      Blob module = one.put(PoolNodeTest.MODULE);
      JobId job = one.accepted(Given.fan(one.key.address(), 5, module, 1));
      var id = Translation.bytes(job);
      assertThat(
              two.jobs()
                  .cancel(Proto.CancelRequest.newBuilder().setJob(id).build())
                  .getRefusal()
                  .getCode())
          .isEqualTo("UNKNOWN");
      assertThat(
              two.jobs()
                  .results(Proto.ResultsRequest.newBuilder().setJob(id).build())
                  .getRefusal()
                  .getCode())
          .isEqualTo("UNKNOWN");
      assertThat(
              two.jobs()
                  .why(Proto.WhyRequest.newBuilder().setJob(id).build())
                  .getRefusal()
                  .getCode())
          .isEqualTo("UNKNOWN");
      refused(
          Status.Code.NOT_FOUND,
          "you have no job",
          () -> two.jobs().watch(Proto.WatchRequest.newBuilder().setJob(id).build()).next());
      assertThat(
              two.jobs()
                  .records(Proto.RecordsRequest.newBuilder().setJob(id).build())
                  .next()
                  .getRefusal()
                  .getCode())
          .isEqualTo("UNKNOWN");
      assertThat(
              two.jobs()
                  .account(
                      Proto.AccountRequest.newBuilder()
                          .setAccount(Translation.bytes(one.key.address()))
                          .build())
                  .getRefusal()
                  .getCode())
          .isEqualTo("FORBIDDEN");
      assertThat(
              operator
                  .jobs()
                  .cancel(Proto.CancelRequest.newBuilder().setJob(id).build())
                  .hasRefusal())
          .isFalse();
      assertThat(one.finished(job).getState()).isEqualTo("cancelled");
    }
  }

  // ---- the port ----

  private static byte[] exchange(byte[] bytes) throws Exception {
    try (Socket s = new Socket("127.0.0.1", node.port())) {
      s.setSoTimeout(2_000);
      OutputStream out = s.getOutputStream();
      try {
        out.write(bytes);
        out.flush();
        s.shutdownOutput();
        InputStream in = s.getInputStream();
        return in.readNBytes(4_096);
      } catch (java.io.IOException e) {
        return new byte[0]; // cut off, which is as good
      }
    }
  }

  @Test
  void GarbageIsCutOff() throws Exception {
    long seed = 1_021;
    Random random = new Random(seed);
    for (int i = 0; i < 12; i++) {
      byte[] garbage = new byte[random.nextInt(20_000)];
      random.nextBytes(garbage);
      exchange(garbage);
    }
    for (String junk :
        List.of(
            "GET / HTTP/1.1\r\n\r\n",
            "GET /v1/blobs/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "PUT /v1/blobs/xyz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "GET " + "/a".repeat(40_000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\n" + "X: y\r\n".repeat(20_000) + "\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0\u00ff\u00ff\u00ff\u0001")) {
      byte[] answer = exchange(junk.getBytes(StandardCharsets.ISO_8859_1));
      assertThat(new String(answer, StandardCharsets.ISO_8859_1))
          .as("seed %d, %s", seed, junk.substring(0, Math.min(60, junk.length())))
          .doesNotContain("HTTP/1.1 200")
          .doesNotContain("\tat ")
          .doesNotContain("Exception");
    }
  }

  private static final MethodDescriptor.Marshaller<byte[]> RAW =
      new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] value) {
          return new java.io.ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
          }
        }
      };

  private static byte[] raw(PoolCaller caller, String method, byte[] message) {
    return ClientCalls.blockingUnaryCall(
        io.grpc.ClientInterceptors.intercept(caller.channel, caller.bearer()),
        MethodDescriptor.newBuilder(RAW, RAW)
            .setType(MethodDescriptor.MethodType.UNARY)
            .setFullMethodName(method)
            .build(),
        CallOptions.DEFAULT.withDeadlineAfter(20, TimeUnit.SECONDS),
        message);
  }

  @Test
  void MessagesThatAreNoProtobufAreRefused() throws Exception {
    try (PoolCaller caller = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      byte[] garbage = new byte[500];
      java.util.Arrays.fill(garbage, (byte) 0xff);
      refused(
          Status.Code.INVALID_ARGUMENT,
          "could not be read",
          () -> raw(caller, "perseid.v1.Jobs/List", garbage));
      assertThat(caller.jobs().list(Proto.ListRequest.getDefaultInstance()).getJobsList())
          .as("the same connection goes on")
          .isEmpty();
    }
  }

  @Test
  void MethodsThatDoNotExistAreRefusedAndCostNobodyElseAnything() throws Exception {
    // Helidon 4.5 may drop the connection of who calls such a method; other connections live on.
    try (PoolCaller other = new PoolCaller(node.port(), Key.generate(), "consumer");
        PoolCaller caller = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      assertThat(other.jobs().list(Proto.ListRequest.getDefaultInstance()).getJobsList()).isEmpty();
      assertThatThrownBy(() -> raw(caller, "perseid.v1.Jobs/NoSuchMethod", new byte[0]))
          .isInstanceOf(StatusRuntimeException.class);
      assertThat(other.jobs().list(Proto.ListRequest.getDefaultInstance()).getJobsList())
          .as("another connection goes on")
          .isEmpty();
    }
  }

  @Test
  void SubmissionsLeftOpenStopNobodyElse() throws Exception {
    try (PoolCaller idler = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      CompletableFuture<Status> refused = new CompletableFuture<>();
      for (int i = 0; i <= PoolLimits.SUBMISSIONS_OF_ONE; i++) {
        var _ =
            idler
                .asyncJobs()
                .submit(
                    new StreamObserver<>() {
                      @Override
                      public void onNext(Proto.SubmitReply reply) {}

                      @Override
                      public void onError(Throwable t) {
                        refused.complete(Status.fromThrowable(t));
                      }

                      @Override
                      public void onCompleted() {}
                    });
      }
      assertThat(refused.get(20, TimeUnit.SECONDS).getCode())
          .isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
      try (Scene scene = Scene.set(1)) {
        scene.honestProviderFinishesIt();
      }
    }
  }

  @Test
  void OversizedMessagesAreRefused() throws Exception {
    try (PoolCaller caller = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      byte[] huge = new byte[17 << 20];
      refused(
          Status.Code.INVALID_ARGUMENT,
          "could not be read",
          () -> raw(caller, "perseid.v1.Jobs/List", huge));
    }
  }

  @Test
  void FieldsOfTheWrongSizeAreRefused() throws Exception {
    try (PoolCaller caller = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      refused(
          Status.Code.INVALID_ARGUMENT,
          "job has 3 bytes where 16 belong",
          () ->
              caller
                  .jobs()
                  .results(
                      Proto.ResultsRequest.newBuilder()
                          .setJob(ByteString.copyFromUtf8("abc"))
                          .build()));
    }
  }

  // ---- providers ----

  private record Scene(PoolCaller consumer, PuppetProvider liar, JobId job, List<Lease> leases)
      implements AutoCloseable {
    /// A job of `width` + 1 tasks, of which a provider holds the first ones.
    static Scene set(int width) throws Exception {
      PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer");
      PuppetProvider liar = new PuppetProvider(node.port(), Key.generate()).joined();
      Blob module = consumer.put(PoolNodeTest.MODULE);
      JobId job = consumer.accepted(Given.fan(consumer.key.address(), 1, module, width));
      List<Lease> leases = new ArrayList<>();
      while (leases.size() < width) {
        leases.addAll(liar.hearAmong(ToProvider.Leases.class).leases());
      }
      return new Scene(consumer, liar, job, leases);
    }

    void honestProviderFinishesIt() throws Exception {
      try (PuppetProvider honest = new PuppetProvider(node.port(), Key.generate())) {
        honest.joined().working();
        Proto.JobProgress end = consumer.finished(job);
        assertThat(end.getState()).as("%s", end).isEqualTo("done");
        honest.leave();
      }
      for (String receipt : PoolNodeTest.receipts(consumer, job)) {
        assertThat(Receipt.verify(receipt, Optional.of(node.address())))
            .isInstanceOf(Receipt.Check.Verified.class);
      }
    }

    List<String> outcomes() {
      return PoolNodeTest.receipts(consumer, job).stream()
          .map(r -> Receipt.verify(r, Optional.empty()))
          .map(c -> ((Receipt.Check.Verified) c).entry().record().outcome().name())
          .sorted()
          .toList();
    }

    @Override
    public void close() {
      liar.close();
      consumer.close();
    }
  }

  private static List<Blob> empty(Lease l) {
    return java.util.Collections.nCopies(l.outputs(), Blob.EMPTY);
  }

  @Test
  void AWrongDigestIsRefusedAndTheRestOfTheBatchHolds() throws Exception {
    try (Scene scene = Scene.set(2)) {
      Report good =
          scene.liar.report(scene.leases.get(0), Outcome.DONE, empty(scene.leases.get(0)));
      Report bad =
          PuppetProvider.withDigest(
              scene.liar.report(scene.leases.get(1), Outcome.DONE, empty(scene.leases.get(1))),
              Hash.sha256(new byte[] {1}));
      scene.liar.say(scene.liar.signed(List.of(bad, good)));
      List<Long> durable = new ArrayList<>();
      while (durable.size() < 2) {
        durable.addAll(scene.liar.hearAmong(ToProvider.Durable.class).leases());
      }
      scene.liar.leave();
      scene.honestProviderFinishesIt();
      // (The liar, being alone at first, got it again, and left.)
      assertThat(scene.outcomes()).contains("DONE", "DONE", "DONE", "REFUSED");
      assertThat(scene.outcomes().stream().filter(o -> o.equals("DONE"))).hasSize(3);
    }
  }

  @Test
  void OutputsThatWereNotStoredAreRefused() throws Exception {
    try (Scene scene = Scene.set(2)) {
      Blob never = new Blob(Hash.sha256("never".getBytes(StandardCharsets.UTF_8)), 5);
      // Known to the pool, but the consumer's: naming it must not open it.
      Blob secret = scene.consumer.put("the consumer's secret".getBytes(StandardCharsets.UTF_8));
      scene.liar.say(
          scene.liar.signed(
              List.of(
                  scene.liar.report(scene.leases.get(0), Outcome.DONE, List.of(never)),
                  scene.liar.report(scene.leases.get(1), Outcome.DONE, List.of(secret)))));
      scene.liar.hearAmong(ToProvider.Durable.class);
      scene.liar.leave();
      scene.honestProviderFinishesIt();
      assertThat(scene.outcomes().stream().filter(o -> o.equals("REFUSED"))).hasSize(2);
      assertThat(scene.outcomes().stream().filter(o -> o.equals("DONE"))).hasSize(3);
    }
  }

  @Test
  void TooFewOrTooLargeOutputsOrTooMuchGasAreRefused() throws Exception {
    try (Scene scene = Scene.set(3)) {
      Blob large = scene.liar.caller.put(new byte[(1 << 20) + 1]);
      scene.liar.say(
          scene.liar.signed(
              List.of(
                  scene.liar.report(scene.leases.get(0), Outcome.DONE, List.of()),
                  scene.liar.report(scene.leases.get(1), Outcome.DONE, List.of(large)),
                  scene.liar.report(
                      scene.leases.get(2), Outcome.DONE, empty(scene.leases.get(2)), 1_000_001))));
      scene.liar.hearAmong(ToProvider.Durable.class);
      scene.liar.leave();
      scene.honestProviderFinishesIt();
      assertThat(scene.outcomes().stream().filter(o -> o.equals("REFUSED"))).hasSize(3);
    }
  }

  @Test
  void ForeignAndUnknownLeasesAreForgottenWithoutEffect() throws Exception {
    try (Scene scene = Scene.set(1);
        PuppetProvider thief = new PuppetProvider(node.port(), Key.generate()).joined()) {
      Lease foreign = scene.leases.getFirst();
      Report stolen = thief.report(foreign, Outcome.DONE, empty(foreign));
      Report unknown =
          PuppetProvider.withDigest(
              new Report(
                  1_000_000_000L,
                  stolen.outcome(),
                  stolen.reason(),
                  stolen.startedUs(),
                  stolen.endedUs(),
                  stolen.usage(),
                  stolen.outputs(),
                  stolen.engine(),
                  stolen.isolation(),
                  Hash.ZERO),
              Hash.sha256(new byte[] {9}));
      thief.say(thief.signed(List.of(stolen, unknown)));
      assertThat(thief.hearAmong(ToProvider.Durable.class).leases())
          .containsExactlyInAnyOrder(foreign.id(), 1_000_000_000L);
      thief.leave();
      scene.liar.say(
          scene.liar.signed(List.of(scene.liar.report(foreign, Outcome.DONE, empty(foreign)))));
      scene.liar.working();
      assertThat(scene.consumer.finished(scene.job).getState()).isEqualTo("done");
      assertThat(scene.outcomes()).containsExactly("DONE", "DONE");
      scene.liar.leave();
    }
  }

  @Test
  void AForgedBatchEndsTheStreamAndTheLeasesGoElsewhere() throws Exception {
    try (Scene scene = Scene.set(1)) {
      Lease l = scene.leases.getFirst();
      FromProvider.Reports right =
          scene.liar.signed(List.of(scene.liar.report(l, Outcome.DONE, empty(l))));
      scene.liar.say(
          new FromProvider.Reports(
              right.reports(),
              right.root(),
              Key.generate().sign(Digests.batch(node.address(), right.root(), 1))));
      assertThat(scene.liar.hearAmong(ToProvider.Refusal.class).rejection().code())
          .isEqualTo(Rejection.Code.FORBIDDEN);
      scene.honestProviderFinishesIt();
      assertThat(scene.outcomes()).containsExactly("DONE", "DONE", "LOST");
    }
  }

  @Test
  void AStreamBeginsWithHelloOnce() throws Exception {
    Key key = Key.generate();
    try (PuppetProvider rude = new PuppetProvider(node.port(), key)) {
      rude.say(new FromProvider.Heartbeat());
      assertThat(rude.hear(ToProvider.Refusal.class).rejection().message())
          .contains("must be Hello");
    }
    try (PuppetProvider twice = new PuppetProvider(node.port(), key)) {
      twice.joined();
      twice.say(twice.hello(List.of()));
      assertThat(twice.hear(ToProvider.Refusal.class).rejection().message()).contains("Hello once");
    }
    try (PuppetProvider empty = new PuppetProvider(node.port(), key)) {
      empty.sayRaw(Proto.FromProvider.getDefaultInstance());
      assertThat(empty.hear(ToProvider.Refusal.class).rejection().code())
          .isEqualTo(Rejection.Code.INVALID);
    }
    try (PuppetProvider masked = new PuppetProvider(node.port(), key);
        PuppetProvider other = new PuppetProvider(node.port(), Key.generate())) {
      masked.say(other.hello(List.of()));
      assertThat(masked.hear(ToProvider.Refusal.class).rejection().code())
          .isEqualTo(Rejection.Code.FORBIDDEN);
      other.say(
          new FromProvider.Hello(other.offer, key.sign(Digests.offer(other.offer)), List.of()));
      assertThat(other.hear(ToProvider.Refusal.class).rejection().message()).contains("signature");
    }
  }

  @Test
  void TheNewestStreamOfAProviderCounts() throws Exception {
    Key key = Key.generate();
    try (PuppetProvider old = new PuppetProvider(node.port(), key).joined();
        PuppetProvider young = new PuppetProvider(node.port(), key).joined()) {
      old.say(new FromProvider.Heartbeat());
      assertThat(old.hear(ToProvider.Refusal.class).rejection().code())
          .isEqualTo(Rejection.Code.STALE);
      young.leave();
    }
  }

  // ---- jobs ----

  private static String refusal(PoolCaller consumer, JobSpec job) throws Exception {
    Proto.SubmitReply reply = consumer.submit(job);
    assertThat(reply.hasRefusal()).as("%s", reply).isTrue();
    return reply.getRefusal().getCode() + ": " + reply.getRefusal().getMessage();
  }

  @Test
  void BadJobsAreRefusedWithWhatIsWrong() throws Exception {
    try (PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      Blob module = consumer.put(PoolNodeTest.MODULE);
      JobSpec good = Given.fan(consumer.key.address(), 1, module, 2);
      assertThat(refusal(consumer, with(good, List.of(), List.of()))).contains("INVALID");
      TaskSpec self = new TaskSpec("self", 0, -1, "", List.of(), List.of(0), 1);
      assertThat(refusal(consumer, with(good, List.of(self), List.of())))
          .contains("INVALID")
          .contains("self");
      TaskSpec a = new TaskSpec("a", 0, -1, "", List.of(new Input.Produced(1, 0)), List.of(), 1);
      TaskSpec b = new TaskSpec("b", 0, -1, "", List.of(new Input.Produced(0, 0)), List.of(), 1);
      assertThat(refusal(consumer, with(good, List.of(a, b), List.of())))
          .contains("INVALID")
          .contains("cycle");
      Blob missing = new Blob(Hash.sha256(new byte[] {7}), 1);
      TaskSpec hungry =
          new TaskSpec("hungry", 0, -1, "", List.of(new Input.Stored(missing)), List.of(), 1);
      assertThat(refusal(consumer, with(good, List.of(hungry), List.of())))
          .contains("INVALID")
          .contains("input 0 of task 'hungry'")
          .contains(missing.hash().hex());
      assertThat(refusal(consumer, Given.fan(consumer.key.address(), 1, missing, 1)))
          .contains("the module of kind 'each'");
      Proto.SubmitReply unsigned =
          consumer.submit(good, Key.generate().sign(Hash.sha256(new byte[0])));
      assertThat(unsigned.getRefusal().getCode()).isEqualTo("FORBIDDEN");
      JobSpec dear =
          new JobSpec(
              good.consumer(),
              2,
              good.name(),
              0,
              10_000_001,
              good.kinds(),
              good.tasks(),
              good.results());
      assertThat(refusal(consumer, dear)).contains("INSUFFICIENT_CREDITS");
      assertThat(consumer.jobs().list(Proto.ListRequest.getDefaultInstance()).getJobsList())
          .isEmpty();
    }
  }

  private static JobSpec with(JobSpec job, List<TaskSpec> tasks, List<Input.Produced> results) {
    return new JobSpec(
        job.consumer(),
        job.nonce(),
        job.name(),
        job.priority(),
        job.budget(),
        job.kinds().subList(0, 1),
        tasks,
        results);
  }

  @Test
  void TheSameOrderTwiceIsOneJob() throws Exception {
    try (PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      Blob module = consumer.put(PoolNodeTest.MODULE);
      JobSpec job = Given.fan(consumer.key.address(), 77, module, 2);
      assertThat(consumer.accepted(job)).isEqualTo(consumer.accepted(job));
      assertThat(refusal(consumer, Given.fan(consumer.key.address(), 77, module, 3)))
          .contains("INVALID");
      assertThat(consumer.jobs().list(Proto.ListRequest.getDefaultInstance()).getJobsList())
          .hasSize(1);
      consumer
          .jobs()
          .cancel(Proto.CancelRequest.newBuilder().setJob(Translation.bytes(job.id())).build());
    }
  }

  // ---- blobs ----

  @Test
  void BlobsAreCheckedAndMineOnly() throws Exception {
    try (PoolCaller me = new PoolCaller(node.port(), Key.generate(), "consumer");
        PoolCaller other = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      byte[] bytes = new byte[100_000];
      new Random(4).nextBytes(bytes);
      Hash hash = Hash.sha256(bytes);
      HttpResponse<byte[]> wrong =
          me.send(me.blob(hash, "").PUT(HttpRequest.BodyPublishers.ofByteArray(new byte[10])));
      assertThat(wrong.statusCode()).isEqualTo(422);
      assertThat(new String(wrong.body(), StandardCharsets.UTF_8)).contains("SHA-256");
      assertThat(me.send(me.blob(hash, "").GET()).statusCode()).isEqualTo(404);

      me.put(bytes);
      assertThat(me.send(me.blob(hash, "").GET()).body()).isEqualTo(bytes);
      HttpResponse<byte[]> part = me.send(me.blob(hash, "").header("Range", "bytes=99000-").GET());
      assertThat(part.statusCode()).isEqualTo(206);
      assertThat(part.body()).isEqualTo(java.util.Arrays.copyOfRange(bytes, 99_000, 100_000));
      assertThat(me.send(me.blob(hash, "").header("Range", "bytes=100000-").GET()).statusCode())
          .isEqualTo(416);
      HttpResponse<byte[]> head =
          me.send(me.blob(hash, "").method("HEAD", HttpRequest.BodyPublishers.noBody()));
      assertThat(head.statusCode()).isEqualTo(200);
      assertThat(head.headers().firstValue("Content-Length")).contains("100000");

      assertThat(other.send(other.blob(hash, "").GET()).statusCode()).isEqualTo(404);
      assertThat(
              other
                  .send(other.blob(hash, "").method("HEAD", HttpRequest.BodyPublishers.noBody()))
                  .statusCode())
          .isEqualTo(404);
      Proto.MissingBlobsRequest ask =
          Proto.MissingBlobsRequest.newBuilder()
              .addBlobs(Translation.write(new Blob(hash, bytes.length)))
              .build();
      assertThat(me.jobs().missingBlobs(ask).getMissingList()).isEmpty();
      assertThat(other.jobs().missingBlobs(ask).getMissingList()).hasSize(1);
      JobSpec theirs = Given.fan(other.key.address(), 1, new Blob(hash, bytes.length), 1);
      assertThat(refusal(other, theirs)).contains("not stored by you");
      other.put(bytes);
      assertThat(other.send(other.blob(hash, "").GET()).body()).isEqualTo(bytes);
    }
  }

  @Test
  void BrokenUploadsGoOnWhereTheyBroke() throws Exception {
    try (PoolCaller me = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      byte[] bytes = new byte[50_000];
      new Random(5).nextBytes(bytes);
      Hash hash = Hash.sha256(bytes);
      try (Socket s = new Socket("127.0.0.1", node.port())) {
        OutputStream out = s.getOutputStream();
        out.write(
            ("PUT /v1/blobs/"
                    + hash.hex()
                    + " HTTP/1.1\r\nHost: pool\r\nAuthorization: Bearer "
                    + me.token
                    + "\r\nContent-Length: 50000\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII));
        out.write(bytes, 0, 20_000);
        out.flush();
      }
      long have = 0;
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
      while (have < 20_000) {
        assertThat(System.nanoTime()).as("the piece arrives").isLessThan(deadline);
        HttpResponse<byte[]> head =
            me.send(me.blob(hash, "").method("HEAD", HttpRequest.BodyPublishers.noBody()));
        assertThat(head.statusCode()).isEqualTo(404);
        have = head.headers().firstValueAsLong("Upload-Offset").orElse(-1);
      }
      assertThat(have).isEqualTo(20_000);
      HttpResponse<byte[]> wrong =
          me.send(
              me.blob(hash, "?offset=10000")
                  .PUT(HttpRequest.BodyPublishers.ofByteArray(bytes, 10_000, 40_000)));
      while (wrong.statusCode() == 503) { // the broken one is still being noticed
        wrong =
            me.send(
                me.blob(hash, "?offset=10000")
                    .PUT(HttpRequest.BodyPublishers.ofByteArray(bytes, 10_000, 40_000)));
      }
      assertThat(wrong.statusCode()).isEqualTo(409);
      assertThat(wrong.headers().firstValue("Upload-Offset")).contains("20000");
      HttpResponse<byte[]> rest =
          me.send(
              me.blob(hash, "")
                  .header("Content-Range", "bytes 20000-49999/50000")
                  .PUT(HttpRequest.BodyPublishers.ofByteArray(bytes, 20_000, 30_000)));
      assertThat(rest.statusCode()).isEqualTo(201);
      assertThat(me.send(me.blob(hash, "").GET()).body()).isEqualTo(bytes);
    }
  }

  @Test
  void BlobsNeedASessionANameAndRoom() throws Exception {
    try (PoolCaller me = new PoolCaller(node.port(), Key.generate(), "consumer");
        PoolCaller nobody = new PoolCaller(node.port(), Key.generate())) {
      Hash hash = Hash.sha256(new byte[] {3});
      assertThat(nobody.send(nobody.blob(hash, "").GET()).statusCode()).isEqualTo(401);
      HttpRequest.Builder bad =
          HttpRequest.newBuilder(
                  java.net.URI.create("http://127.0.0.1:" + node.port() + "/v1/blobs/xyz"))
              .header("Authorization", "Bearer " + me.token)
              .GET();
      assertThat(me.send(bad).statusCode()).isEqualTo(400);
      byte[] tooMuch = new byte[65 << 20];
      HttpResponse<byte[]> full =
          me.send(
              me.blob(Hash.sha256(tooMuch), "")
                  .PUT(HttpRequest.BodyPublishers.ofByteArray(tooMuch)));
      assertThat(full.statusCode()).isEqualTo(507);
      assertThat(new String(full.body(), StandardCharsets.UTF_8)).contains("keeps at most");
    }
  }
}
