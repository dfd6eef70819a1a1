package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.JobId;
import dev.perseid.settle.Key;
import io.grpc.Status;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;

/// What a client says of a pool that breaks off.
class PoolClientTest {
  private static PoolClient client(ScriptedPool pool) throws PoolFailure {
    PoolClient.Target target =
        new PoolClient.Target("127.0.0.1", pool.port(), Optional.of(pool.key.address()));
    return PoolClient.connect(target, Key.generate(), PoolClient.Role.CONSUMER);
  }

  @Test
  void aCallThatBreaksOffWasNotRefused() throws Exception {
    try (ScriptedPool pool = new ScriptedPool();
        PoolClient client = client(pool)) {
      pool.jobsFault = Status.INTERNAL.withDescription("the connection was closed");
      PoolFailure failure =
          Assertions.catchThrowableOfType(PoolFailure.class, () -> client.list(false, 1));
      assertThat(failure.kind()).isEqualTo(PoolFailure.Kind.UNREACHABLE);
      assertThat(failure)
          .hasMessageContaining("gave no answer (the connection was closed): try again");
      pool.jobsFault = Status.PERMISSION_DENIED.withDescription("not yours");
      PoolFailure refusal =
          Assertions.catchThrowableOfType(PoolFailure.class, () -> client.list(false, 1));
      assertThat(refusal.kind()).isEqualTo(PoolFailure.Kind.REFUSED);
    }
  }

  @Test
  void aWatchThatAlwaysBreaksOffIsGivenUp() throws Exception {
    try (ScriptedPool pool = new ScriptedPool();
        PoolClient client = client(pool)) {
      pool.jobsFault = Status.INTERNAL.withDescription("it always breaks here");
      AtomicInteger seen = new AtomicInteger();
      JobId job = JobId.of(pool.key.address(), 1);
      PoolFailure failure =
          Assertions.catchThrowableOfType(
              PoolFailure.class, () -> client.watch(job, _ -> seen.incrementAndGet()));
      assertThat(failure).hasMessageContaining("it always breaks here");
      assertThat(seen).hasValue(10);
    }
  }
}
