package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Blob;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Input;
import dev.perseid.core.JobId;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.TaskKind;
import dev.perseid.core.ToProvider;
import dev.perseid.settle.Key;
import dev.perseid.wire.v1.Proto;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A pool that believes nobody's hardware, over gRPC, with machines that really do the work.
@Timeout(120)
final class MeasuredHardwareTest {
  private static final Path MODULES = Path.of("../examples/modules");
  private static final int TIMES_TOO_MANY = 8;

  @TempDir Path folder;
  private final Key key = Key.generate();
  private PoolNode pool;
  private Shopper shopper;

  @BeforeEach
  void open() throws Exception {
    pool = PoolNode.start(PoolConfig.usual(folder.resolve("pool"), key).with(Measuring.ON));
    shopper = new Shopper(pool.port(), key, false);
  }

  @AfterEach
  void close() throws Exception {
    shopper.close();
    pool.close();
  }

  private JobId oneTask() throws Exception {
    Blob module = shopper.store(Files.readAllBytes(MODULES.resolve("burn.wasm")));
    TaskKind kind = Shopper.kind("burn", module);
    return shopper.submit(
        List.of(kind),
        List.of(Shopper.task(0, 0, "1000 2000", List.of(), 1)),
        List.of(new Input.Produced(0, 0)));
  }

  @Test
  void coresThatAreDeclaredAndNotThereAreFound() throws Exception {
    int declared = TIMES_TOO_MANY * Runtime.getRuntime().availableProcessors();
    ProviderConfig config =
        ProviderChild.config(
            Key.generate(), pool.port(), key.address(), folder.resolve("boaster"), "boaster");
    try (ProviderNode boaster =
        ProviderNode.start(
            config.with(config.lent().with(Math.min(256, declared), config.lent().memoryBytes())),
            _ -> {})) {
      JobId job = oneTask();
      shopper.await(job, p -> p.getState().equals("done"));
      Proto.ProviderView view = shopper.providers().getFirst();
      assertThat(view.getCapacity().getProblem()).isEmpty();
      assertThat(view.getOffer().getCores()).isEqualTo(boaster.offer().cores());
      assertThat(view.getCapacity().getCores()).isBetween(1, boaster.offer().cores() - 1);
      assertThat(view.getCapacity().getMemoryBytes()).isEqualTo(boaster.offer().memoryBytes());
      assertThat(view.getCapacity().getStepsPerS()).isPositive();
    }
  }

  @Test
  void whoForgesTheWorkGetsNone() throws Exception {
    try (PuppetProvider forger = new PuppetProvider(pool.port(), Key.generate())) {
      forger.joined();
      Probe probe = forger.hearAmong(ToProvider.Show.class).probe();
      assertThat(probe.part()).isEqualTo(Probe.Part.ONE_CORE);
      forger.say(
          new FromProvider.Probed(
              new ProbeAnswer(
                  probe.id(),
                  probe.part(),
                  Collections.nCopies(probe.lanes() * probe.length(), 1L),
                  List.of())));
      JobId job = oneTask();
      Until.holds(() -> !shopper.providers().getFirst().getMeasuring());
      Proto.ProviderView view = shopper.providers().getFirst();
      assertThat(view.getCapacity().getProblem()).contains("is not what comes of the work");
      assertThat(view.getLeases()).isZero();
      assertThat(shopper.await(job, _ -> true).getReady()).isEqualTo(1);
    }
  }
}
