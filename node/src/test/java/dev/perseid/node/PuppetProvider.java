package dev.perseid.node;

import dev.perseid.core.Blob;
import dev.perseid.core.Capability;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import dev.perseid.core.Limits;
import dev.perseid.core.Offer;
import dev.perseid.core.Outcome;
import dev.perseid.core.Price;
import dev.perseid.core.Report;
import dev.perseid.core.ToProvider;
import dev.perseid.core.Usage;
import dev.perseid.journal.Merkle;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Predicate;

/// A provider that the test plays by hand: says what it is told to say, keeps what it hears.
final class PuppetProvider implements AutoCloseable {
  static final Price PRICE = new Price(1_000, 10, 10);

  final PoolCaller caller;
  final Offer offer;
  final LinkedBlockingQueue<ToProvider> heard = new LinkedBlockingQueue<>();
  final LinkedBlockingQueue<Throwable> broken = new LinkedBlockingQueue<>();
  private final StreamObserver<Proto.FromProvider> out;
  private volatile boolean closed;

  PuppetProvider(int port, Key key) throws Exception {
    this(port, key, 4, 8L << 30);
  }

  PuppetProvider(int port, Key key, int cores, long memoryBytes) throws Exception {
    this.caller = new PoolCaller(port, key, "provider");
    this.offer =
        new Offer(
            key.address(),
            "puppet",
            "a test",
            "",
            cores,
            memoryBytes,
            PRICE,
            Capability.UNMEASURED,
            1);
    this.out =
        caller
            .providers()
            .serve(
                new StreamObserver<>() {
                  @Override
                  public void onNext(Proto.ToProvider m) {
                    try {
                      heard.add(Translation.read(m, key.address()));
                    } catch (Malformed e) {
                      broken.add(e);
                    }
                  }

                  @Override
                  public void onError(Throwable t) {
                    broken.add(t);
                  }

                  @Override
                  public void onCompleted() {
                    broken.add(new Exception("completed"));
                  }
                });
  }

  synchronized void say(FromProvider m) {
    out.onNext(Translation.write(m));
  }

  synchronized void sayRaw(Proto.FromProvider m) {
    out.onNext(m);
  }

  FromProvider.Hello hello(List<Long> held) {
    return new FromProvider.Hello(offer, caller.key.sign(Digests.offer(offer)), held);
  }

  PuppetProvider joined(Long... held) throws Exception {
    say(hello(List.of(held)));
    hear(ToProvider.Welcome.class);
    return this;
  }

  <T extends ToProvider> T hear(Class<T> kind) throws Exception {
    ToProvider m = heard.poll(20, TimeUnit.SECONDS);
    if (m == null) {
      throw new AssertionError("heard nothing but wanted " + kind + "; broken: " + broken);
    }
    if (!kind.isInstance(m)) {
      throw new AssertionError("heard " + m + " but wanted " + kind);
    }
    return kind.cast(m);
  }

  /// Waits for a message of a kind, over others.
  <T extends ToProvider> T hearAmong(Class<T> kind) throws Exception {
    while (true) {
      ToProvider m = heard.poll(20, TimeUnit.SECONDS);
      if (m == null) {
        throw new AssertionError("heard nothing but wanted " + kind + "; broken: " + broken);
      }
      if (kind.isInstance(m)) {
        return kind.cast(m);
      }
    }
  }

  Report report(Lease lease, Outcome outcome, List<Blob> outputs) {
    return report(lease, outcome, outputs, 1_000);
  }

  Report report(Lease lease, Outcome outcome, List<Blob> outputs, long gas) {
    long bytesOut = outputs.stream().mapToLong(Blob::sizeBytes).sum();
    Report unsigned =
        new Report(
            lease.id(),
            outcome,
            outcome == Outcome.DONE ? "" : "because the test says so",
            OptionalLong.of(1_000_000),
            OptionalLong.of(1_000_500),
            new Usage(
                OptionalLong.of(gas),
                OptionalLong.empty(),
                OptionalLong.of(500_000),
                OptionalLong.empty(),
                OptionalLong.of(0),
                OptionalLong.of(bytesOut),
                OptionalLong.empty(),
                OptionalLong.empty(),
                OptionalLong.empty(),
                ""),
            outputs,
            "puppet",
            "none",
            Hash.ZERO);
    Hash digest = Digests.record(ExecutionRecord.of(caller.pool, lease, unsigned, offer.price()));
    return withDigest(unsigned, digest);
  }

  static Report withDigest(Report r, Hash digest) {
    return new Report(
        r.lease(),
        r.outcome(),
        r.reason(),
        r.startedUs(),
        r.endedUs(),
        r.usage(),
        r.outputs(),
        r.engine(),
        r.isolation(),
        digest);
  }

  FromProvider.Reports signed(List<Report> reports) {
    Hash root = Merkle.rootOfDigests(reports.stream().map(Report::digest).toList());
    return new FromProvider.Reports(
        reports, root, caller.key.sign(Digests.batch(caller.pool, root, reports.size())));
  }

  /// Answers every lease until `enough` says so.
  void work(Function<Lease, Report> answer, Predicate<ToProvider> enough) throws Exception {
    while (true) {
      ToProvider m = heard.poll(20, TimeUnit.SECONDS);
      if (m == null) {
        throw new AssertionError("heard nothing; broken: " + broken);
      }
      if (m instanceof ToProvider.Leases l) {
        List<Report> reports = new ArrayList<>();
        for (Lease lease : l.leases()) {
          reports.add(answer.apply(lease));
          if (reports.size() == Limits.BATCH_REPORTS) {
            say(signed(reports));
            reports = new ArrayList<>();
          }
        }
        if (!reports.isEmpty()) {
          say(signed(reports));
        }
      }
      if (enough.test(m)) {
        return;
      }
    }
  }

  /// Does every lease well and shows that it is alive, on threads of its own, until closed.
  PuppetProvider working() {
    Thread.ofVirtual().start(this::beat);
    Thread.ofVirtual()
        .start(() -> {
          try {
            work(
                lease ->
                    report(
                        lease,
                        Outcome.DONE,
                        java.util.Collections.nCopies(lease.outputs(), Blob.EMPTY)),
                m -> false);
          } catch (Exception | AssertionError e) {
            broken.add(e);
          }
        });
    return this;
  }

  /// Says goodbye and waits until the pool has heard it.
  void leave() throws Exception {
    closed = true;
    say(new FromProvider.Goodbye("the test is over"));
    out.onCompleted();
    if (broken.poll(20, TimeUnit.SECONDS) == null) {
      throw new AssertionError("the pool did not end the stream");
    }
  }

  private void beat() {
    try {
      while (!closed) {
        say(new FromProvider.Heartbeat());
        TimeUnit.MILLISECONDS.sleep(200);
      }
    } catch (InterruptedException | RuntimeException e) {
      broken.add(e);
    }
  }

  @Override
  public void close() {
    closed = true;
    caller.close();
  }
}
