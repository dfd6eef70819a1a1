package dev.perseid.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.wire.v1.JobsGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Iterator;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Which calls a channel repeats, over a real connection.
class ChannelsTest {
  /// A pool that fails its first calls with one status, and answers the ones after.
  private static final class Failing extends JobsGrpc.JobsImplBase {
    final AtomicInteger calls = new AtomicInteger();
    volatile int failing = 1;
    volatile Status with = Status.UNAVAILABLE;

    private <T> void answer(StreamObserver<T> out, T reply) {
      if (calls.incrementAndGet() <= failing) {
        out.onError(with.withDescription("not now").asRuntimeException());
      } else {
        out.onNext(reply);
        out.onCompleted();
      }
    }

    @Override
    public void account(Proto.AccountRequest request, StreamObserver<Proto.AccountReply> out) {
      answer(out, Proto.AccountReply.newBuilder().setBalance(7).build());
    }

    @Override
    public void grant(Proto.GrantRequest request, StreamObserver<Proto.GrantReply> out) {
      answer(out, Proto.GrantReply.getDefaultInstance());
    }

    @Override
    public void watch(Proto.WatchRequest request, StreamObserver<Proto.JobProgress> out) {
      answer(out, Proto.JobProgress.getDefaultInstance());
    }

    @Override
    public StreamObserver<Proto.SubmitPart> submit(StreamObserver<Proto.SubmitReply> out) {
      AtomicInteger parts = new AtomicInteger();
      return new StreamObserver<>() {
        @Override
        public void onNext(Proto.SubmitPart part) {
          parts.incrementAndGet();
        }

        @Override
        public void onError(Throwable broken) {}

        @Override
        public void onCompleted() {
          Proto.Refusal seen =
              Proto.Refusal.newBuilder().setMessage(parts.get() + " parts").build();
          answer(out, Proto.SubmitReply.newBuilder().setRefusal(seen).build());
        }
      };
    }
  }

  private final Failing pool = new Failing();
  private Server server;
  private ManagedChannel channel;

  @BeforeEach
  void open() throws Exception {
    server =
        NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
            .addService(pool)
            .build()
            .start();
    channel = Channels.open("127.0.0.1", server.getPort(), Optional.empty());
  }

  @AfterEach
  void close() throws Exception {
    channel.shutdownNow();
    server.shutdownNow();
    assertThat(channel.awaitTermination(30, TimeUnit.SECONDS)).isTrue();
    assertThat(server.awaitTermination(30, TimeUnit.SECONDS)).isTrue();
  }

  private JobsGrpc.JobsBlockingStub jobs() {
    return JobsGrpc.newBlockingStub(channel).withDeadlineAfter(30, TimeUnit.SECONDS);
  }

  @Test
  void aReadingCallThatFailsOnceIsRepeated() {
    assertThat(jobs().account(Proto.AccountRequest.getDefaultInstance()).getBalance()).isEqualTo(7);
    assertThat(pool.calls).hasValue(2);
  }

  @Test
  void aConnectionClosedWithAnErrorOfHttp2IsOpenedAgain() throws Exception {
    try (AbruptServer abrupt = new AbruptServer(server.getPort())) {
      ManagedChannel through = Channels.open("127.0.0.1", abrupt.port(), Optional.empty());
      try {
        pool.failing = 0;
        assertThat(
                JobsGrpc.newBlockingStub(through)
                    .withDeadlineAfter(30, TimeUnit.SECONDS)
                    .account(Proto.AccountRequest.getDefaultInstance())
                    .getBalance())
            .isEqualTo(7);
        assertThat(abrupt.closed()).isEqualTo(1);
      } finally {
        through.shutdownNow();
        assertThat(through.awaitTermination(30, TimeUnit.SECONDS)).isTrue();
      }
    }
  }

  @Test
  void aJobIsSubmittedAgainWithAllItsParts() throws Exception {
    CompletableFuture<String> answer = new CompletableFuture<>();
    StreamObserver<Proto.SubmitPart> parts =
        JobsGrpc.newStub(channel)
            .withDeadlineAfter(30, TimeUnit.SECONDS)
            .submit(
                new StreamObserver<>() {
                  @Override
                  public void onNext(Proto.SubmitReply reply) {
                    answer.complete(reply.getRefusal().getMessage());
                  }

                  @Override
                  public void onError(Throwable broken) {
                    answer.completeExceptionally(broken);
                  }

                  @Override
                  public void onCompleted() {}
                });
    for (int i = 0; i < 3; i++) {
      parts.onNext(Proto.SubmitPart.getDefaultInstance());
    }
    parts.onCompleted();
    assertThat(answer.get(30, TimeUnit.SECONDS)).isEqualTo("3 parts");
    assertThat(pool.calls).hasValue(2);
  }

  @Test
  void aCallIsGivenUpAfterItsAttempts() {
    pool.failing = Integer.MAX_VALUE;
    assertThatThrownBy(() -> jobs().account(Proto.AccountRequest.getDefaultInstance()))
        .isInstanceOfSatisfying(
            StatusRuntimeException.class,
            e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE));
    assertThat(pool.calls).hasValue(WireLimits.CALL_ATTEMPTS);
  }

  @Test
  void whatWouldCountTwiceIsAskedOnce() {
    assertThatThrownBy(() -> jobs().grant(Proto.GrantRequest.getDefaultInstance()))
        .isInstanceOf(StatusRuntimeException.class)
        .hasMessageContaining("UNAVAILABLE");
    assertThat(pool.calls).hasValue(1);
  }

  @Test
  void aStreamOfAnswersIsAskedOnce() {
    Iterator<Proto.JobProgress> states = jobs().watch(Proto.WatchRequest.getDefaultInstance());
    assertThatThrownBy(states::hasNext)
        .isInstanceOf(StatusRuntimeException.class)
        .hasMessageContaining("UNAVAILABLE");
    assertThat(pool.calls).hasValue(1);
  }

  @Test
  void aRefusalIsNotRepeated() {
    pool.with = Status.RESOURCE_EXHAUSTED;
    assertThatThrownBy(() -> jobs().account(Proto.AccountRequest.getDefaultInstance()))
        .isInstanceOf(StatusRuntimeException.class)
        .hasMessageContaining("RESOURCE_EXHAUSTED");
    assertThat(pool.calls).hasValue(1);
  }

  @Test
  void onlyCallsWithOneAnswerAreRepeatable() {
    assertThat(Channels.REPEATABLE)
        .doesNotHaveDuplicates()
        .allSatisfy(m ->
            assertThat(m.getType())
                .as(m.getFullMethodName())
                .isIn(MethodType.UNARY, MethodType.CLIENT_STREAMING));
  }
}
