package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Who pays, and how it stops.
class PayerTest {
  private static final long LONG_S = 30;

  @TempDir Path folder;

  /// A call that is cut short in the moment in which it is answered breaks the connection, and the
  /// last voucher could not be handed in.
  @Test
  void whoStopsPayingCutsNoCallShort() throws Exception {
    try (MoneyScene scene = new MoneyScene(folder, MoneyScene.Ledger.CREDITS, 1)) {
      scene.fund(scene.consumerKey.address(), 1_000_000);
      CountDownLatch asking = new CountDownLatch(1);
      CountDownLatch stopping = new CountDownLatch(1);
      CompletableFuture<PurseState> answer = new CompletableFuture<>();
      try (PoolClient client = scene.consumer()) {
        Payer payer =
            Payer.start(
                client,
                scene.wallet(client),
                now -> {
                  asking.countDown();
                  try {
                    if (stopping.await(LONG_S, TimeUnit.SECONDS)) {
                      answer.complete(client.purse(Optional.empty()));
                    }
                  } catch (InterruptedException | PoolFailure e) {
                    answer.completeExceptionally(e);
                  }
                  return 1;
                },
                scene.notices::add);
        assertThat(asking.await(LONG_S, TimeUnit.SECONDS)).as("the purse is watched").isTrue();
        Thread closing = Thread.ofVirtual().start(payer::close);
        Until.holds(() -> closing.getState() == Thread.State.TIMED_WAITING);
        stopping.countDown();
        assertThat(answer.get(LONG_S, TimeUnit.SECONDS).funded()).isEqualTo(1_000_000);
        closing.join();
        assertThat(scene.notices).isEmpty();
        assertThat(client.purse(Optional.empty()).funded()).isEqualTo(1_000_000);
      }
    }
  }
}
