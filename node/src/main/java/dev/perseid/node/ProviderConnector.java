package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.ToProvider;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.settle.NodeCertificate;
import dev.perseid.settle.Tls;
import dev.perseid.wire.Channels;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.IdentityGrpc;
import dev.perseid.wire.v1.Proto;
import dev.perseid.wire.v1.ProvidersGrpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/// Keeps a provider connected: logs in, opens the stream, waits for its end, and begins anew after
/// a growing pause, until it is closed or the pool is found to be the wrong one.
final class ProviderConnector implements AutoCloseable {
  /// What is told, on any thread.
  interface Events {
    /// A stream is open; the first message may be sent.
    void connected(ProviderStream stream);

    /// A message came. [ProviderStream#handled] must follow.
    void received(ProviderStream stream, ToProvider message);

    /// A stream that was told as connected is over.
    void disconnected(ProviderStream stream);

    /// There is no connection; the next attempt follows after `waitMs`.
    void trying(String problem, long waitMs);

    /// There will never be one, for the reason given; the connector has ended.
    void refused(String sentence);
  }

  /// Trying again would not help.
  private static final class Refused extends Exception {
    Refused(String message) {
      super(message, null, false, false);
    }
  }

  private record Session(String token, Instant renew) {}

  private static final int PROTOCOL = 1;
  private static final String ROLE = "provider";
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final Key key;
  private final ProviderConfig.PoolAt pool;
  private final Events events;
  private final Optional<X509ExtendedTrustManager> trust;
  private final Thread thread;
  private volatile @Nullable Session session;
  private volatile boolean closed;

  ProviderConnector(Key key, ProviderConfig.PoolAt pool, Events events) {
    this.key = key;
    this.pool = pool;
    this.events = events;
    trust =
        pool.tls()
            ? Optional.of(NodeCertificate.pinnedOrAuthority(pool.address()))
            : Optional.empty();
    thread = Thread.ofPlatform().name("provider-connector").daemon().unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  /// For HTTPS to the same pool, trusting as the stream does.
  Optional<SSLContext> tls() {
    return trust.map(Tls::clientContext);
  }

  /// The newest session's token, if there has been a session.
  Optional<String> token() {
    return Optional.ofNullable(session).map(Session::token);
  }

  /// Ends the connection and makes no new one.
  @Override
  public void close() {
    closed = true;
    thread.interrupt();
  }

  private void run() {
    long waitMs = ProviderLimits.RECONNECT_MS;
    while (!closed) {
      long beganNs = System.nanoTime();
      try {
        String problem = serve();
        if (System.nanoTime() - beganNs
            > TimeUnit.MILLISECONDS.toNanos(ProviderLimits.RECONNECT_MAX_MS)) {
          waitMs = ProviderLimits.RECONNECT_MS; // it held for a while
        }
        if (closed) {
          return;
        }
        long jittered = waitMs / 2 + ThreadLocalRandom.current().nextLong(waitMs / 2 + 1);
        events.trying(problem, jittered);
        Thread.sleep(jittered);
        waitMs = Math.min(ProviderLimits.RECONNECT_MAX_MS, 2 * waitMs);
      } catch (Refused e) {
        events.refused(String.valueOf(e.getMessage()));
        return;
      } catch (InterruptedException e) {
        return; // closed
      }
    }
  }

  /// One connection, from its beginning to its end. Returns why it ended.
  private String serve() throws Refused, InterruptedException {
    ManagedChannel channel = Channels.open(pool.host(), pool.port(), trust.map(t -> t));
    try {
      Session now = login(channel);
      session = now;
      ProviderStream stream = new ProviderStream(key.address(), channel, events);
      Metadata headers = new Metadata();
      headers.put(AUTHORIZATION, "Bearer " + now.token());
      var _ =
          ProvidersGrpc.newStub(channel)
              .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
              .serve(stream);
      events.connected(stream);
      try {
        return awaitEnd(channel, stream, now);
      } finally {
        stream.cancel("closed");
        events.disconnected(stream);
      }
    } catch (StatusRuntimeException e) {
      return problem(e);
    } catch (Malformed e) {
      return "the pool's answer is malformed: " + e.getMessage();
    } finally {
      channel.shutdownNow();
    }
  }

  private String awaitEnd(ManagedChannel channel, ProviderStream stream, Session first)
      throws Refused, InterruptedException, Malformed {
    Session now = first;
    try {
      var _ =
          java.util.concurrent.CompletableFuture.anyOf(stream.welcome(), stream.ended())
              .get(ProviderLimits.ANSWER_MS, TimeUnit.MILLISECONDS);
      while (true) {
        long ms = Math.max(1, now.renew().toEpochMilli() - Instant.now().toEpochMilli());
        try {
          return stream.ended().get(ms, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
          // The stream needs no token any more, the transfers do.
          now = login(channel);
          session = now;
        }
      }
    } catch (TimeoutException e) {
      return "the pool did not welcome this provider within " + ProviderLimits.ANSWER_MS + " ms";
    } catch (ExecutionException e) {
      throw new AssertionError("these futures do not fail", e);
    }
  }

  private Session login(ManagedChannel channel) throws Refused, Malformed {
    IdentityGrpc.IdentityBlockingStub identity =
        IdentityGrpc.newBlockingStub(channel)
            .withDeadlineAfter(ProviderLimits.ANSWER_MS, TimeUnit.MILLISECONDS);
    Proto.AboutReply about = identity.about(Proto.AboutRequest.getDefaultInstance());
    Address there = Translation.address(about.getPool(), "about.pool");
    if (!there.equals(pool.address())) {
      throw new Refused(
          "the pool at "
              + pool.host()
              + ":"
              + pool.port()
              + " is "
              + there
              + ", expected "
              + pool.address());
    }
    if (about.getProtocol() != PROTOCOL) {
      throw new Refused(
          "the pool speaks protocol "
              + about.getProtocol()
              + ", this provider "
              + PROTOCOL
              + ": update the older of the two");
    }
    Proto.ChallengeReply challenge =
        identity.challenge(
            Proto.ChallengeRequest.newBuilder()
                .setCaller(Translation.bytes(key.address()))
                .build());
    Hash nonce = Translation.hash(challenge.getNonce(), "challenge.nonce");
    String signature = key.sign(Digests.login(pool.address(), key.address(), ROLE, nonce));
    Proto.LoginReply reply =
        identity.login(
            Proto.LoginRequest.newBuilder()
                .setCaller(Translation.bytes(key.address()))
                .setNonce(challenge.getNonce())
                .setRole(ROLE)
                .setSignature(Translation.signature(signature))
                .build());
    Instant now = Instant.now();
    long leftMs = reply.getExpiresUs() / 1_000 - now.toEpochMilli();
    // The expiry is by the pool's clock; a session is renewed after half of its time, and never
    // more often than a pool's patience allows.
    long renewMs = Math.clamp(leftMs / 2, ProviderLimits.RENEW_MIN_MS, ProviderLimits.RENEW_MAX_MS);
    return new Session(reply.getToken(), now.plusMillis(renewMs));
  }

  private String problem(StatusRuntimeException e) throws Refused {
    Status s = e.getStatus();
    String at = "pool " + pool.host() + ":" + pool.port();
    return switch (s.getCode()) {
      case PERMISSION_DENIED ->
          throw new Refused(at + " refuses this provider: " + s.getDescription());
      case UNAVAILABLE -> at + " cannot be reached" + cause(s);
      default -> at + " answered " + s.getCode() + cause(s);
    };
  }

  private static String cause(Status s) {
    Throwable deepest = s.getCause();
    while (deepest != null && deepest.getCause() != null) {
      deepest = deepest.getCause();
    }
    if (deepest != null && deepest.getMessage() != null) {
      return " (" + deepest.getMessage() + ")";
    }
    return s.getDescription() == null ? "" : " (" + s.getDescription() + ")";
  }
}
