package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Hash;
import dev.perseid.core.ToProvider;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.IdentityGrpc;
import dev.perseid.wire.v1.JobsGrpc;
import dev.perseid.wire.v1.MoneyProto;
import dev.perseid.wire.v1.Proto;
import dev.perseid.wire.v1.ProvidersGrpc;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// The pool's end of the protocol on loopback, saying what a test tells it to say.
final class ScriptedPool implements AutoCloseable {
  private static final Context.Key<String> AUTHORIZATION = Context.key("authorization");

  final Key key = Key.generate();
  final LinkedBlockingQueue<FromProvider> said = new LinkedBlockingQueue<>();
  final AtomicInteger logins = new AtomicInteger();

  /// What the next logins answer instead of a token.
  volatile @Nullable Status loginFault;

  /// What every call about jobs ends with, watches after a first state.
  volatile Status jobsFault = Status.UNIMPLEMENTED;

  volatile Address claimed = key.address();
  volatile long tokenMs = 3_600_000;
  private volatile @Nullable StreamObserver<Proto.ToProvider> stream;
  private final Server server;

  ScriptedPool() throws IOException {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .addService(new Identity())
            .addService(new Providers())
            .addService(new Jobs())
            .intercept(
                new ServerInterceptor() {
                  @Override
                  public <Q, R> ServerCall.Listener<Q> interceptCall(
                      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
                    String value =
                        headers.get(
                            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER));
                    return Contexts.interceptCall(
                        Context.current().withValue(AUTHORIZATION, value), call, headers, next);
                  }
                })
            .build()
            .start();
  }

  int port() {
    return server.getPort();
  }

  /// The next message, after ignoring heartbeats.
  FromProvider next() throws InterruptedException {
    while (true) {
      FromProvider m = said.poll(20, TimeUnit.SECONDS);
      if (m == null) {
        throw new AssertionError("the provider says nothing");
      }
      if (!(m instanceof FromProvider.Heartbeat)) {
        return m;
      }
    }
  }

  void send(ToProvider message) {
    StreamObserver<Proto.ToProvider> out = stream;
    if (out == null) {
      throw new AssertionError("no provider is connected");
    }
    synchronized (out) {
      Translation.write(message).forEach(out::onNext);
    }
  }

  void send(Proto.ToProvider message) {
    StreamObserver<Proto.ToProvider> out = stream;
    if (out != null) {
      out.onNext(message);
    }
  }

  /// Ends the stream with an error.
  void cut() {
    StreamObserver<Proto.ToProvider> out = stream;
    if (out != null) {
      out.onError(Status.UNAVAILABLE.withDescription("cut by the test").asRuntimeException());
    }
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  private final class Identity extends IdentityGrpc.IdentityImplBase {
    private final Hash nonce = Hash.sha256(new byte[] {1});

    @Override
    public void about(Proto.AboutRequest q, StreamObserver<Proto.AboutReply> r) {
      r.onNext(
          Proto.AboutReply.newBuilder()
              .setPool(Translation.bytes(claimed))
              .setProtocol(1)
              .setMoney(
                  MoneyProto.MoneyTerms.newBuilder()
                      .setLedger("credits")
                      .setIdentity(Translation.bytes(claimed))
                      .setVerifyingContract(Translation.bytes(claimed)))
              .build());
      r.onCompleted();
    }

    @Override
    public void challenge(Proto.ChallengeRequest q, StreamObserver<Proto.ChallengeReply> r) {
      r.onNext(Proto.ChallengeReply.newBuilder().setNonce(Translation.bytes(nonce)).build());
      r.onCompleted();
    }

    @Override
    public void login(Proto.LoginRequest q, StreamObserver<Proto.LoginReply> r) {
      Status fault = loginFault;
      if (fault != null) {
        r.onError(fault.asRuntimeException());
        return;
      }
      try {
        Address caller = Translation.address(q.getCaller(), "caller");
        Hash digest = Digests.login(key.address(), caller, q.getRole(), nonce);
        if (!List.of("provider", "consumer").contains(q.getRole())
            || !Key.verify(digest, Translation.signature(q.getSignature(), "s"), caller)) {
          r.onError(Status.UNAUTHENTICATED.asRuntimeException());
          return;
        }
      } catch (Malformed e) {
        r.onError(Status.INVALID_ARGUMENT.asRuntimeException());
        return;
      }
      r.onNext(
          Proto.LoginReply.newBuilder()
              .setToken("t" + logins.incrementAndGet())
              .setExpiresUs((System.currentTimeMillis() + tokenMs) * 1_000)
              .build());
      r.onCompleted();
    }
  }

  private final class Providers extends ProvidersGrpc.ProvidersImplBase {
    @Override
    public StreamObserver<Proto.FromProvider> serve(StreamObserver<Proto.ToProvider> out) {
      if (!("Bearer t" + logins.get()).equals(AUTHORIZATION.get())) {
        out.onError(Status.UNAUTHENTICATED.asRuntimeException());
      }
      stream = out;
      return new StreamObserver<>() {
        @Override
        public void onNext(Proto.FromProvider m) {
          try {
            said.add(Translation.read(m));
          } catch (Malformed e) {
            out.onError(Status.INVALID_ARGUMENT.asRuntimeException());
          }
        }

        @Override
        public void onError(Throwable t) {}

        @Override
        public void onCompleted() {
          out.onCompleted();
        }
      };
    }
  }

  private final class Jobs extends JobsGrpc.JobsImplBase {
    @Override
    public void list(Proto.ListRequest q, StreamObserver<Proto.ListReply> r) {
      r.onError(jobsFault.asRuntimeException());
    }

    @Override
    public void watch(Proto.WatchRequest q, StreamObserver<Proto.JobProgress> r) {
      r.onNext(Proto.JobProgress.newBuilder().setJob(q.getJob()).setState("running").build());
      r.onError(jobsFault.asRuntimeException());
    }
  }
}
