package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Blob;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Lease;
import dev.perseid.core.Outcome;
import dev.perseid.core.ToProvider;
import dev.perseid.settle.Key;
import dev.perseid.settle.NodeCertificate;
import dev.perseid.settle.Tls;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A real pool on loopback, with a consumer and a provider written by hand.
class PoolNodeTest {
  static final byte[] MODULE = {0, 'a', 's', 'm', 1, 0, 0, 0};

  @TempDir Path dir;
  private final Key poolKey = Key.generate();

  private PoolConfig config() {
    return PoolConfig.usual(dir, poolKey).withWelcome(10_000_000).withTimes(500, 20_000);
  }

  @Test
  void CallsThatHaveEndedDoNotCountAgainstTheirConnection() throws Exception {
    int moreThanMayBeOpen = 2 * 256;
    try (PoolNode node = PoolNode.start(config());
        PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer");
        PuppetProvider provider = new PuppetProvider(node.port(), Key.generate())) {
      provider.joined().working();
      Blob module = consumer.put(MODULE);
      JobId job = consumer.accepted(Given.fan(consumer.key.address(), 1, module, 1));
      for (int i = 0; i < moreThanMayBeOpen; i++) {
        assertThat(consumer.finished(job).getState()).as("watch %d", i).isEqualTo("done");
      }
    }
  }

  @Test
  void RunsAJobAndProvesEveryRecord() throws Exception {
    try (PoolNode node = PoolNode.start(config());
        PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer");
        PuppetProvider provider = new PuppetProvider(node.port(), Key.generate())) {
      provider.joined().working();
      Blob module = consumer.put(MODULE);
      JobId job = consumer.accepted(Given.fan(consumer.key.address(), 1, module, 20));
      Proto.JobProgress end = consumer.finished(job);
      assertThat(end.getState()).as("%s", end).isEqualTo("done");
      assertThat(end.getDone()).isEqualTo(21);
      assertThat(end.getAttempts()).isEqualTo(21);
      assertThat(end.getCharged()).isPositive();

      Proto.AccountReply account =
          consumer.jobs().account(Proto.AccountRequest.getDefaultInstance());
      assertThat(account.getBalance()).isEqualTo(10_000_000 - end.getCharged());
      assertThat(account.getReserved()).isZero();

      List<String> receipts = receipts(consumer, job);
      assertThat(receipts).hasSize(21);
      for (String receipt : receipts) {
        assertThat(Receipt.verify(receipt, Optional.of(node.address())))
            .as(receipt)
            .isInstanceOf(Receipt.Check.Verified.class);
      }
      List<Long> indices = new ArrayList<>();
      consumer
          .jobs()
          .records(Proto.RecordsRequest.newBuilder().setJob(Translation.bytes(job)).build())
          .forEachRemaining(part ->
              part.getEntriesList()
                  .forEach(e -> indices.add(EntryCodec.decode(e.toByteArray()).index())));
      assertThat(indices).hasSize(21).isSorted().doesNotHaveDuplicates();

      Proto.ResultsReply results =
          consumer
              .jobs()
              .results(Proto.ResultsRequest.newBuilder().setJob(Translation.bytes(job)).build());
      assertThat(results.getOutputsList()).hasSize(1);
      assertThat(results.getOutputs(0).getTaskName()).isEqualTo("last");
    }
  }

  @Test
  void ReceiptsAreAsOfTheSizeThatIsAskedForAndOnlyOnesOwn() throws Exception {
    try (PoolNode node = PoolNode.start(config());
        PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer");
        PoolCaller other = new PoolCaller(node.port(), Key.generate(), "consumer");
        PuppetProvider provider = new PuppetProvider(node.port(), Key.generate())) {
      provider.joined().working();
      Blob module = consumer.put(MODULE);
      JobId job = consumer.accepted(Given.fan(consumer.key.address(), 1, module, 20));
      assertThat(consumer.finished(job).getState()).isEqualTo("done");

      Proto.ReceiptsRequest early =
          Proto.ReceiptsRequest.newBuilder().setJob(Translation.bytes(job)).setAtSize(13).build();
      List<String> receipts = receipts(consumer, early);
      assertThat(receipts).hasSize(13);
      for (int i = 0; i < receipts.size(); i++) {
        Receipt.Logged logged = Receipt.logged(receipts.get(i));
        assertThat(logged.head().size()).isEqualTo(13);
        assertThat(logged.where().index()).isEqualTo(i);
        assertThat(Receipt.verify(receipts.get(i), Optional.of(node.address())))
            .isInstanceOf(Receipt.Check.Verified.class);
      }
      Proto.ReceiptsRequest one =
          Proto.ReceiptsRequest.newBuilder().setFromIndex(5).setAtSize(13).setLimit(1).build();
      assertThat(receipts(consumer, one))
          .singleElement()
          .satisfies(r -> assertThat(Receipt.logged(r).where().index()).isEqualTo(5));
      assertThat(receipts(other, one)).as("of somebody else").isEmpty();
      for (long wrong : new long[] {-1, 22}) {
        Proto.ReceiptsPart refused =
            consumer.jobs().receipts(early.toBuilder().setAtSize(wrong).build()).next();
        assertThat(refused.getRefusal().getCode()).isEqualTo("INVALID");
        assertThat(refused.getRefusal().getMessage()).contains("has 21 records");
      }
    }
  }

  @Test
  void GoesOnAfterAKillAndRunsNothingTwice() throws Exception {
    byte[] secret = new byte[32];
    secret[31] = 77;
    Key consumerKey = Key.generate();
    Key providerKey = Key.generate();
    int width = 400;
    JobId job;
    try (PoolChild child = PoolChild.start(dir, secret);
        PoolCaller consumer = new PoolCaller(child.port, consumerKey, "consumer");
        PuppetProvider provider = new PuppetProvider(child.port, providerKey)) {
      provider.joined();
      Blob module = consumer.put(MODULE);
      job = consumer.accepted(Given.fan(consumerKey.address(), 1, module, width));
      // Some are durable, and in the middle of the rest the pool is killed.
      long[] durable = {0};
      provider.work(
          lease -> provider.report(lease, Outcome.DONE, List.of(Blob.EMPTY)),
          m -> m instanceof ToProvider.Durable d && (durable[0] += d.leases().size()) >= 100);
      child.kill();
    }
    try (PoolChild child = PoolChild.start(dir, secret);
        PoolCaller consumer = new PoolCaller(child.port, consumerKey, "consumer");
        PuppetProvider provider = new PuppetProvider(child.port, providerKey)) {
      Proto.JobProgress before =
          consumer.jobs().list(Proto.ListRequest.getDefaultInstance()).getJobs(0);
      assertThat(before.getDone()).as("what was durable is still done").isGreaterThanOrEqualTo(100);
      provider.joined().working();
      Proto.JobProgress end = consumer.finished(job);
      assertThat(end.getState()).as("%s", end).isEqualTo("done");
      assertThat(end.getDone()).isEqualTo(width + 1);
      Set<Integer> done = new HashSet<>();
      for (String receipt : receipts(consumer, job)) {
        Receipt.Check check = Receipt.verify(receipt, Optional.of(consumer.pool));
        assertThat(check).as(receipt).isInstanceOf(Receipt.Check.Verified.class);
        ExecutionRecord r = ((Receipt.Check.Verified) check).entry().record();
        if (r.outcome() == Outcome.DONE) {
          assertThat(done.add(r.task())).as("task %d is done once", r.task()).isTrue();
        }
      }
      assertThat(done).hasSize(width + 1);
    }
  }

  @Test
  void AProviderThatComesBackKeepsItsLeasesAndOneThatDoesNotLosesThem() throws Exception {
    Key key = Key.generate();
    try (PoolNode node = PoolNode.start(config().withTimes(200, 3_000));
        PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      Blob module = consumer.put(MODULE);
      JobId job;
      Lease lease;
      try (PuppetProvider first = new PuppetProvider(node.port(), key).joined()) {
        job = consumer.accepted(Given.fan(consumer.key.address(), 1, module, 1));
        lease = first.hear(ToProvider.Leases.class).leases().getFirst();
      }
      try (PuppetProvider again = new PuppetProvider(node.port(), key).joined(lease.id())) {
        again.say(again.signed(List.of(again.report(lease, Outcome.DONE, List.of(Blob.EMPTY)))));
        again.hearAmong(ToProvider.Durable.class);
        again.hearAmong(ToProvider.Leases.class); // the last task; and now it vanishes
      }
      try (PuppetProvider other = new PuppetProvider(node.port(), Key.generate())) {
        other.joined().working();
        assertThat(consumer.finished(job).getState()).isEqualTo("done");
      }
      List<String> outcomes =
          receipts(consumer, job).stream()
              .map(r -> ((Receipt.Check.Verified) Receipt.verify(r, Optional.empty())).entry())
              .map(e -> e.record().taskName() + " " + e.record().outcome())
              .toList();
      assertThat(outcomes).containsExactly("each[0] DONE", "last LOST", "last DONE");
    }
  }

  @Test
  void StartsFromASnapshot() throws Exception {
    Key consumerKey = Key.generate();
    Hash before;
    JobId job;
    try (PoolNode node = PoolNode.start(config());
        PoolCaller consumer = new PoolCaller(node.port(), consumerKey, "consumer");
        PuppetProvider provider = new PuppetProvider(node.port(), Key.generate())) {
      provider.joined().working();
      Blob module = consumer.put(MODULE);
      job = consumer.accepted(Given.fan(consumerKey.address(), 1, module, 30));
      consumer.finished(job);
      node.mill().snapshotNow();
      long deadline = System.nanoTime() + java.util.concurrent.TimeUnit.SECONDS.toNanos(20);
      while (node.mill().snapshots() == 0) {
        assertThat(System.nanoTime()).isLessThan(deadline);
        Thread.onSpinWait();
      }
      consumer.finished(consumer.accepted(Given.fan(consumerKey.address(), 2, module, 3)));
      before = node.mill().ask(pool -> pool.digest());
    }
    try (PoolNode node = PoolNode.start(config());
        PoolCaller consumer = new PoolCaller(node.port(), consumerKey, "consumer")) {
      Hash after = node.mill().ask(pool -> pool.digest());
      assertThat(after).isEqualTo(before);
      assertThat(receipts(consumer, job)).hasSize(31);
    }
  }

  @Test
  void RefusesADirectoryThatIsInUseOrAnothersOrDamaged() throws Exception {
    try (PoolNode node = PoolNode.start(config())) {
      assertThat(node.port()).isPositive();
      assertThatThrownBy(() -> PoolNode.start(config()))
          .isInstanceOf(PoolStartException.class)
          .hasMessageContaining("is running in")
          .hasMessageContaining("stop it");
      try (PoolCaller operator = new PoolCaller(node.port(), poolKey, "operator")) {
        operator
            .jobs()
            .grant(
                Proto.GrantRequest.newBuilder()
                    .setTo(Translation.bytes(poolKey.address()))
                    .setAmount(5)
                    .build());
      }
      node.mill().snapshotNow();
      long deadline = System.nanoTime() + java.util.concurrent.TimeUnit.SECONDS.toNanos(20);
      while (node.mill().snapshots() == 0) {
        assertThat(System.nanoTime()).isLessThan(deadline);
        Thread.onSpinWait();
      }
      assertThatThrownBy(() -> PoolNode.start(config().at("127.0.0.1", node.port())))
          .isInstanceOf(PoolStartException.class);
    }
    assertThatThrownBy(() -> PoolNode.start(PoolConfig.usual(dir, Key.generate())))
        .isInstanceOf(PoolStartException.class)
        .hasMessageContaining("belongs to the pool " + poolKey.address());
    try (PoolNode node = PoolNode.start(config())) {
      assertThat(node.failure()).isEmpty();
    }
  }

  @Test
  void SaysThatAPortIsTaken(@TempDir Path otherDir) throws Exception {
    try (PoolNode node = PoolNode.start(config())) {
      assertThatThrownBy(() ->
              PoolNode.start(
                  PoolConfig.usual(otherDir, Key.generate()).at("127.0.0.1", node.port())))
          .isInstanceOf(PoolStartException.class)
          .hasMessageContaining("cannot listen at 127.0.0.1:" + node.port());
    }
  }

  @Test
  void SpeaksTlsBoundToItsKey() throws Exception {
    PoolConfig encrypted = config().withTls(NodeCertificate.make(poolKey, Instant.now()));
    try (PoolNode node = PoolNode.start(encrypted);
        PoolCaller pinned =
            new PoolCaller(
                node.port(),
                Key.generate(),
                "consumer",
                Optional.of(NodeCertificate.pinned(node.address())))) {
      assertThat(pinned.jobs().list(Proto.ListRequest.getDefaultInstance()).getJobsList())
          .isEmpty();
      assertThatThrownBy(() ->
              new PoolCaller(
                  node.port(),
                  Key.generate(),
                  "consumer",
                  Optional.of(NodeCertificate.pinned(Key.generate().address()))))
          .hasMessageContaining("UNAVAILABLE");
      assertThatThrownBy(() -> new PoolCaller(node.port(), Key.generate(), "consumer"))
          .as("plain text is not spoken")
          .isInstanceOf(io.grpc.StatusRuntimeException.class);
      HttpClient https =
          HttpClient.newBuilder()
              .sslContext(Tls.clientContext(NodeCertificate.pinned(node.address())))
              .build();
      HttpResponse<String> reply =
          https.send(
              HttpRequest.newBuilder(
                      URI.create(
                          "https://127.0.0.1:"
                              + node.port()
                              + "/v1/blobs/"
                              + Hash.EMPTY_BLOB.hex()))
                  .header("Authorization", "Bearer " + pinned.token)
                  .GET()
                  .build(),
              HttpResponse.BodyHandlers.ofString());
      assertThat(reply.statusCode()).isEqualTo(200);
      https.shutdownNow();
    }
  }

  @Test
  void EncryptsWhatIsNotLoopback() throws Exception {
    try (PoolNode node = PoolNode.start(config().at("0.0.0.0", 0))) {
      assertThatThrownBy(() -> new PoolCaller(node.port(), Key.generate(), "consumer"))
          .isInstanceOf(io.grpc.StatusRuntimeException.class);
      try (PoolCaller pinned =
          new PoolCaller(
              node.port(),
              Key.generate(),
              "consumer",
              Optional.of(NodeCertificate.pinned(node.address())))) {
        assertThat(pinned.pool).isEqualTo(node.address());
      }
    }
  }

  @Test
  void ASessionExpires() throws Exception {
    AtomicLong offsetMs = new AtomicLong();
    InstantSource clock = () -> Instant.now().plusMillis(offsetMs.get());
    try (PoolNode node = PoolNode.start(config(), clock);
        PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer")) {
      consumer.jobs().list(Proto.ListRequest.getDefaultInstance());
      offsetMs.set(PoolLimits.SESSION_MS + 60_000);
      assertThatThrownBy(() -> consumer.jobs().list(Proto.ListRequest.getDefaultInstance()))
          .hasMessageContaining("UNAUTHENTICATED")
          .hasMessageContaining("log in again");
      assertThat(consumer.send(consumer.blob(Hash.EMPTY_BLOB, "").GET()).statusCode())
          .isEqualTo(401);
    }
  }

  @Test
  void WelcomesOnce() throws Exception {
    Key key = Key.generate();
    try (PoolNode node = PoolNode.start(config())) {
      for (int i = 0; i < 2; i++) {
        try (PoolCaller consumer = new PoolCaller(node.port(), key, "consumer")) {
          assertThat(
                  consumer.jobs().account(Proto.AccountRequest.getDefaultInstance()).getBalance())
              .isEqualTo(10_000_000);
        }
      }
    }
  }

  @Test
  void SendsALargeJobsLeasesAndRecordsInParts() throws Exception {
    try (PoolNode node = PoolNode.start(config());
        PoolCaller consumer = new PoolCaller(node.port(), Key.generate(), "consumer");
        PuppetProvider provider = new PuppetProvider(node.port(), Key.generate(), 64, 64L << 30)) {
      provider.joined().working();
      Blob module = consumer.put(MODULE);
      JobId job = consumer.accepted(Given.fan(consumer.key.address(), 1, module, 4_000));
      Proto.JobProgress end = consumer.finished(job);
      assertThat(end.getState()).as("%s", end).isEqualTo("done");
      assertThat(receipts(consumer, job)).hasSize(4_001);
    }
  }

  static List<String> receipts(PoolCaller consumer, JobId job) {
    return receipts(
        consumer, Proto.ReceiptsRequest.newBuilder().setJob(Translation.bytes(job)).build());
  }

  private static List<String> receipts(PoolCaller consumer, Proto.ReceiptsRequest request) {
    List<String> receipts = new ArrayList<>();
    consumer
        .jobs()
        .receipts(request)
        .forEachRemaining(part -> receipts.addAll(part.getReceiptsList()));
    return receipts;
  }
}
