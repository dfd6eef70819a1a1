package dev.perseid.bench;

import dev.perseid.core.Address;
import dev.perseid.core.Capability;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import dev.perseid.core.Offer;
import dev.perseid.core.Outcome;
import dev.perseid.core.Price;
import dev.perseid.core.Probe;
import dev.perseid.core.ToProvider;
import dev.perseid.core.Usage;
import dev.perseid.node.Attempt;
import dev.perseid.node.ProviderLoop;
import dev.perseid.node.ProviderSeal;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.Channels;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.IdentityGrpc;
import dev.perseid.wire.v1.Proto;
import dev.perseid.wire.v1.ProvidersGrpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// A provider that runs nothing: the node's own loop, whose attempts end as soon as they begin.
/// What a pool alone can do shows against it, and it makes a million records quickly.
final class HollowProvider implements AutoCloseable {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private static final int CORES = 8;
  private static final Usage USAGE =
      new Usage(
          OptionalLong.of(2),
          OptionalLong.of(1_000),
          OptionalLong.of(1_000),
          OptionalLong.of(65_536),
          OptionalLong.of(0),
          OptionalLong.of(0),
          OptionalLong.of(0),
          OptionalLong.empty(),
          OptionalLong.empty(),
          "");

  private final Key key;
  private final Address pool;
  private final ManagedChannel channel;
  private final LinkedBlockingQueue<Runnable> inbox = new LinkedBlockingQueue<>();
  private final List<Lease> begun = new ArrayList<>();
  private final ProviderLoop loop;
  private final Thread thread;
  private final CompletableFuture<Long> welcomedNs = new CompletableFuture<>();
  private final CompletableFuture<Long> leasedNs = new CompletableFuture<>();
  private final CompletableFuture<String> ended = new CompletableFuture<>();
  private volatile boolean closed;

  /// Connects at once; see [#leased].
  HollowProvider(Key key, String host, int port, Address pool) throws IOException {
    this.key = key;
    this.pool = pool;
    this.channel = Channels.open(host, port, Optional.empty());
    Offer offer =
        new Offer(
            key.address(),
            "hollow",
            "none",
            "",
            CORES,
            1L << 40,
            new Price(1_000, 278, 10_000),
            Capability.UNMEASURED,
            wallUs());
    this.loop =
        new ProviderLoop(
            pool,
            offer,
            new ProviderSeal(key),
            new ProviderLoop.Runner() {
              @Override
              public void start(Lease lease) {
                begun.add(lease);
              }

              @Override
              public void stop(long lease) {}

              @Override
              public void probe(Probe probe) {
                throw new IllegalStateException("this pool believes what is declared");
              }
            });
    this.thread = Thread.ofPlatform().name("hollow").daemon().unstarted(this::run);
    connect();
    thread.start();
  }

  private void connect() throws IOException {
    IdentityGrpc.IdentityBlockingStub identity =
        IdentityGrpc.newBlockingStub(channel).withDeadlineAfter(10, TimeUnit.SECONDS);
    Proto.ChallengeReply challenge =
        identity.challenge(
            Proto.ChallengeRequest.newBuilder()
                .setCaller(Translation.bytes(key.address()))
                .build());
    Hash nonce;
    try {
      nonce = Translation.hash(challenge.getNonce(), "nonce");
    } catch (Malformed e) {
      throw new IOException(e);
    }
    String token =
        identity
            .login(
                Proto.LoginRequest.newBuilder()
                    .setCaller(Translation.bytes(key.address()))
                    .setNonce(challenge.getNonce())
                    .setRole("provider")
                    .setSignature(
                        Translation.signature(
                            key.sign(Digests.login(pool, key.address(), "provider", nonce))))
                    .build())
            .getToken();
    Metadata headers = new Metadata();
    headers.put(AUTHORIZATION, "Bearer " + token);
    StreamObserver<Proto.FromProvider> out =
        ProvidersGrpc.newStub(channel)
            .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
            .serve(new Ear());
    inbox.add(() -> loop.connected(m -> out.onNext(Translation.write(m)), nowUs()));
  }

  private final class Ear implements StreamObserver<Proto.ToProvider> {
    @Override
    public void onNext(Proto.ToProvider m) {
      ToProvider message;
      try {
        message = Translation.read(m, key.address());
      } catch (Malformed e) {
        ended.complete(String.valueOf(e.getMessage()));
        return;
      }
      switch (message) {
        case ToProvider.Welcome _ -> welcomedNs.complete(System.nanoTime());
        case ToProvider.Leases _ -> leasedNs.complete(System.nanoTime());
        case ToProvider.Refusal r -> ended.complete(r.rejection().message());
        case ToProvider.Stop _, ToProvider.Durable _, ToProvider.Show _ -> {}
      }
      inbox.add(() -> loop.receive(message, nowUs()));
    }

    @Override
    public void onError(Throwable t) {
      ended.complete(String.valueOf(t.getMessage()));
    }

    @Override
    public void onCompleted() {
      ended.complete("the pool ended the stream");
    }
  }

  private void run() {
    List<Runnable> said = new ArrayList<>();
    try {
      while (!closed) {
        long waitUs = Math.clamp(loop.wakeUs(nowUs()) - nowUs(), 0, 100_000);
        Runnable first = inbox.poll(waitUs, TimeUnit.MICROSECONDS);
        if (first != null) {
          said.add(first);
        }
        inbox.drainTo(said);
        said.forEach(Runnable::run);
        said.clear();
        loop.turn(nowUs());
        while (!begun.isEmpty()) {
          List<Lease> now = List.copyOf(begun);
          begun.clear();
          for (Lease lease : now) {
            loop.ended(lease.id(), attempt(), nowUs());
          }
          loop.turn(nowUs());
        }
      }
    } catch (InterruptedException e) {
      // closed
    }
  }

  private static Attempt attempt() {
    OptionalLong now = OptionalLong.of(wallUs());
    return new Attempt(Outcome.DONE, "", now, now, USAGE, List.of(), "hollow", "none");
  }

  /// When the pool welcomed it, by `System.nanoTime`.
  CompletableFuture<Long> welcomed() {
    return welcomedNs;
  }

  /// When the first leases came, likewise.
  CompletableFuture<Long> leased() {
    return leasedNs;
  }

  /// Why the connection is over, if it is.
  @Nullable String end() {
    return ended.getNow(null);
  }

  @Override
  public void close() {
    closed = true;
    thread.interrupt();
    channel.shutdownNow();
  }

  private static long nowUs() {
    return System.nanoTime() / 1_000;
  }

  private static long wallUs() {
    Instant now = Instant.now();
    return now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
  }
}
