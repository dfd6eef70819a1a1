package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Comparison;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Form;
import dev.perseid.core.Gpus;
import dev.perseid.core.Input;
import dev.perseid.core.JobId;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.TaskKind;
import dev.perseid.sandbox.Gpu;
import dev.perseid.sandbox.GpuWorker;
import dev.perseid.sandbox.Natives;
import dev.perseid.settle.Key;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// GPUs that are lent, shown, and used by native tasks, over gRPC: on a processor that OpenCL
/// (pocl) offers as a device.
@Timeout(180)
final class GpuTasksTest {
  private static final long GPU_BYTES = 64L << 20;
  private static final long PER_SECOND = 700;

  @TempDir Path folder;
  private final Key key = Key.generate();
  private PoolNode pool;
  private Shopper shopper;

  private void open(Measuring measuring) throws Exception {
    pool = PoolNode.start(PoolConfig.usual(folder.resolve("pool"), key).with(measuring));
    shopper = new Shopper(pool.port(), key, false);
  }

  @AfterEach
  void close() throws Exception {
    if (pool != null) {
      shopper.close();
      pool.close();
    }
  }

  private ProviderConfig config(int gpus) {
    return ProviderChild.config(
            Key.generate(), pool.port(), key.address(), folder.resolve("provider"), "gpu")
        .withNatives()
        .with(new ProviderConfig.LentGpus(gpus, OptionalLong.of(GPU_BYTES), PER_SECOND, true));
  }

  private JobId task(int gpus, String script) throws Exception {
    TaskKind kind =
        new TaskKind(
            "gpu",
            shopper.store(("#!/bin/sh\n" + script + "\n").getBytes(StandardCharsets.UTF_8)),
            0,
            128L << 20, // all that is lent: an OpenCL on the processor takes what it likes
            1L << 20,
            60_000,
            1,
            3,
            new Form.Native(
                Natives.platform().orElseThrow(),
                new Comparison.Exact(),
                gpus == 0 ? Gpus.NONE : new Gpus(gpus, GPU_BYTES)));
    return shopper.submit(
        List.of(kind),
        List.of(Shopper.task(0, -1, "", List.of(), 1)),
        List.of(new Input.Produced(0, 0)));
  }

  private String result(JobId job) throws Exception {
    Proto.JobProgress end = shopper.end(job);
    assertThat(end.getState()).as(end.getReason()).isEqualTo("done");
    return new String(shopper.result(job, 0), StandardCharsets.UTF_8);
  }

  @Test
  void whatIsShownIsUsedAndPaid() throws Exception {
    open(new Measuring(true, 0));
    try (ProviderNode provider = ProviderNode.start(config(1), _ -> {})) {
      assertThat(provider.offer().gpus()).isEqualTo(new Gpus(1, GPU_BYTES));
      JobId job = task(1, "echo $PERSEID_GPUS > /out/0; clinfo -l >> /out/0; sleep 1");
      assertThat(result(job)).startsWith("1\n").contains("Portable Computing Language");

      Proto.Capacity shown = shopper.providers().getFirst().getCapacity();
      assertThat(shown.getProblem()).isEmpty();
      assertThat(shown.getGpus().getCount()).isEqualTo(1);
      assertThat(shown.getGpus().getMemoryBytes()).isEqualTo(GPU_BYTES);
      assertThat(shown.getGpuStepsPerS()).isPositive();

      ExecutionRecord record = shopper.records(job).getFirst().record();
      assertThat(record.gpus()).isEqualTo(new Gpus(1, GPU_BYTES));
      assertThat(record.charge()).as("a second of the GPU").isGreaterThan(PER_SECOND);
      assertThat(result(task(0, "echo $PERSEID_GPUS > /out/0; clinfo -l >> /out/0; true")))
          .as("a task without GPUs sees none")
          .startsWith("0\n")
          .doesNotContain("Portable");
    }
  }

  @Test
  void gpusThatAreDeclaredAndNotThereAreFound() throws Exception {
    open(new Measuring(true, 0));
    try (ProviderNode boaster =
        ProviderNode.start(
            config(6),
            _ -> {},
            (directory, any) -> {
              Gpu only = GpuWorker.find(directory, any).gpus().getFirst();
              return new GpuWorker.Found(Collections.nCopies(6, only), "");
            })) {
      assertThat(boaster.offer().gpus().count()).isEqualTo(6);
      JobId job = task(6, "true");
      Until.holds(() -> shopper.providers().getFirst().hasCapacity(), 150);
      Proto.ProviderView view = shopper.providers().getFirst();
      assertThat(view.getCapacity().getProblem()).isEmpty();
      assertThat(view.getCapacity().getGpus().getCount()).isBetween(1, 5);
      assertThat(shopper.await(job, _ -> true).getReady()).as("nobody has six").isEqualTo(1);
    }
  }

  @Test
  void aProcessorIsNoGpu() throws Exception {
    open(new Measuring(true, Long.MAX_VALUE));
    try (ProviderNode provider = ProviderNode.start(config(1), _ -> {})) {
      assertThat(provider.offer().gpus().count()).isEqualTo(1);
      assertThat(result(task(0, "echo hello > /out/0"))).isEqualTo("hello\n");
      Proto.Capacity shown = shopper.providers().getFirst().getCapacity();
      assertThat(shown.getProblem()).isEmpty();
      assertThat(shown.getCores()).isPositive();
      assertThat(shown.getGpus().getCount()).isZero();
    }
  }

  @Test
  void whoLendsMoreThanThereIsDoesNotStart() throws Exception {
    open(Measuring.OFF);
    ProviderConfig many = config(2);
    assertThatThrownBy(() ->
            ProviderNode.start(
                many,
                _ -> {},
                (_, _) -> new GpuWorker.Found(List.of(), "No OpenCL library is installed.")))
        .isInstanceOf(IOException.class)
        .hasMessage(
            "--gpus 2: this machine has none. No OpenCL library is installed."
                + " (`perseid gpus` lists them)");
    Gpu unknown = new Gpu(0, "unknown", GPU_BYTES, "", List.of());
    ProviderConfig real =
        many.with(new ProviderConfig.LentGpus(1, OptionalLong.empty(), PER_SECOND, false));
    assertThatThrownBy(() ->
            ProviderNode.start(real, _ -> {}, (_, _) -> new GpuWorker.Found(List.of(unknown), "")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("no file of /dev is known for 'unknown'");
    Gpu small = new Gpu(0, "small", GPU_BYTES / 2, "", List.of());
    assertThatThrownBy(() ->
            ProviderNode.start(
                many, _ -> {}, (_, _) -> new GpuWorker.Found(List.of(small, small), "")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("one of the GPUs has only 32 MiB");
  }

  @Test
  void aRackDoesTheWorkAndGivesNoGpuTwice() throws Exception {
    List<Gpu> found = GpuWorker.find(folder.resolve("find"), true).gpus();
    Gpu gpu = found.getFirst();
    AtomicInteger lost = new AtomicInteger();
    try (GpuRack rack =
        new GpuRack(List.of(gpu, gpu), folder.resolve("rack"), lost::incrementAndGet)) {
      for (Probe probe :
          List.of(
              new Probe(1, Probe.Part.ONE_GPU, 5, 3, 1, 0),
              new Probe(1, Probe.Part.ALL_GPUS, 6, 4, 2, 0),
              new Probe(1, Probe.Part.GPU_MEMORY, 7, 2, 6, 1 << 12))) {
        ProbeAnswer answer = rack.show(probe);
        assertThat(answer.digests()).isNotEmpty();
        assertThat(Exertion.wrong(probe, answer, 8, new Random(1))).isEmpty();
      }
      assertThat(rack.take(7, 1)).hasSize(1);
      assertThatThrownBy(() -> rack.take(8, 2)).isInstanceOf(IllegalStateException.class);
      assertThat(rack.take(9, 1)).as("what failed holds nothing").hasSize(1);
      rack.giveBack(7);
      rack.giveBack(9);
      assertThat(rack.take(10, 2)).hasSize(2);
      rack.lose(11);
      assertThat(lost).as("it held none").hasValue(0);
      rack.lose(10);
      assertThat(lost).hasValue(1);
      assertThatThrownBy(() -> rack.take(12, 1)).isInstanceOf(IllegalStateException.class);
    }
  }
}
